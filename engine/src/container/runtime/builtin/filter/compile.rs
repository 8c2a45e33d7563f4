//! From a profile to a program, by libseccomp.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek};

use libseccomp::error::SeccompError;
use libseccomp::{
    ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall,
};
use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction as Action, LinuxSeccompArg,
    LinuxSeccompOperator as Operator, LinuxSyscall,
};
use rustix::fs::{MemfdFlags, memfd_create};

/// What a rule without a number of its own refuses with.
const EPERM: u32 = 1;

/// The program, as seccomp(2) takes it: where this library and runc read a
/// profile differently, as runc.
///
/// # Errors
/// One line for people: the profile has what can't be put into a program.
pub(super) fn compile(profile: &LinuxSeccomp) -> Result<Vec<u8>, String> {
    let default = action(profile.default_action(), profile.default_errno_ret())?;
    let mut filter = ScmpFilterContext::new(default).map_err(because("begin"))?;
    for arch in profile.architectures().iter().flatten() {
        filter.add_arch(architecture(*arch)).map_err(because(&format!("add {arch:?}")))?;
    }
    for rule in profile.syscalls().iter().flatten() {
        add(&mut filter, rule, default)?;
    }
    let file = memfd_create("filter", MemfdFlags::CLOEXEC).map_err(|e| format!("memory: {e}"))?;
    filter.export_bpf(&file).map_err(because("finish"))?;
    let mut program = Vec::new();
    let mut file = File::from(file);
    file.rewind()
        .and_then(|()| file.read_to_end(&mut program))
        .map_err(|e| format!("can't read the seccomp filter: {e}"))?;
    Ok(program)
}

fn because(what: &str) -> impl Fn(SeccompError) -> String {
    move |e| format!("can't {what} the seccomp filter: {e}")
}

/// Adds a rule for each system call that it names. Names that libseccomp
/// doesn't know are newer than it, and the default is for them; a rule that
/// says what the default says would be refused, and is left out.
fn add(
    filter: &mut ScmpFilterContext,
    rule: &LinuxSyscall,
    default: ScmpAction,
) -> Result<(), String> {
    let action = action(rule.action(), rule.errno_ret())?;
    if action == default {
        return Ok(());
    }
    for name in rule.names() {
        let Ok(call) = ScmpSyscall::from_name(name) else { continue };
        for conditions in alternatives(rule.args().as_deref().unwrap_or_default()) {
            filter
                .add_rule_conditional(action, call, &conditions)
                .map_err(because(&format!("add the rule for {name} to")))?;
        }
    }
    Ok(())
}

/// All conditions of a rule have to be met, but one rule can look at each
/// argument once: those that name one twice are alternatives, as runc has it.
fn alternatives(args: &[LinuxSeccompArg]) -> Vec<Vec<ScmpArgCompare>> {
    let indexes: BTreeSet<_> = args.iter().map(LinuxSeccompArg::index).collect();
    let all: Vec<_> = args.iter().map(condition).collect();
    match indexes.len() == args.len() {
        true => vec![all],
        false => all.into_iter().map(|one| vec![one]).collect(),
    }
}

fn condition(arg: &LinuxSeccompArg) -> ScmpArgCompare {
    let index = u32::try_from(arg.index()).unwrap_or(u32::MAX);
    let (value, second) = (arg.value(), arg.value_two().unwrap_or(0));
    let (operator, datum) = match arg.op() {
        Operator::ScmpCmpNe => (ScmpCompareOp::NotEqual, value),
        Operator::ScmpCmpLt => (ScmpCompareOp::Less, value),
        Operator::ScmpCmpLe => (ScmpCompareOp::LessOrEqual, value),
        Operator::ScmpCmpEq => (ScmpCompareOp::Equal, value),
        Operator::ScmpCmpGe => (ScmpCompareOp::GreaterEqual, value),
        Operator::ScmpCmpGt => (ScmpCompareOp::Greater, value),
        // `value` is the mask, `valueTwo` what is left of the argument.
        Operator::ScmpCmpMaskedEq => (ScmpCompareOp::MaskedEqual(value), second),
    };
    ScmpArgCompare::new(index, operator, datum)
}

fn action(action: Action, errno: Option<u32>) -> Result<ScmpAction, String> {
    let number = errno.unwrap_or(EPERM);
    let number =
        u16::try_from(number).map_err(|_| format!("{number} in a seccomp rule is no errno"))?;
    match action {
        Action::ScmpActKill | Action::ScmpActKillThread => Ok(ScmpAction::KillThread),
        Action::ScmpActKillProcess => Ok(ScmpAction::KillProcess),
        Action::ScmpActTrap => Ok(ScmpAction::Trap),
        Action::ScmpActErrno => Ok(ScmpAction::Errno(number.into())),
        Action::ScmpActTrace => Ok(ScmpAction::Trace(number)),
        Action::ScmpActAllow => Ok(ScmpAction::Allow),
        Action::ScmpActLog => Ok(ScmpAction::Log),
        Action::ScmpActNotify => {
            Err("SCMP_ACT_NOTIFY in a seccomp profile needs a listener, and there is none".into())
        }
    }
}

fn architecture(arch: Arch) -> ScmpArch {
    match arch {
        Arch::ScmpArchNative => ScmpArch::Native,
        Arch::ScmpArchX86 => ScmpArch::X86,
        Arch::ScmpArchX86_64 => ScmpArch::X8664,
        Arch::ScmpArchX32 => ScmpArch::X32,
        Arch::ScmpArchArm => ScmpArch::Arm,
        Arch::ScmpArchAarch64 => ScmpArch::Aarch64,
        Arch::ScmpArchMips => ScmpArch::Mips,
        Arch::ScmpArchMips64 => ScmpArch::Mips64,
        Arch::ScmpArchMips64n32 => ScmpArch::Mips64N32,
        Arch::ScmpArchMipsel => ScmpArch::Mipsel,
        Arch::ScmpArchMipsel64 => ScmpArch::Mipsel64,
        Arch::ScmpArchMipsel64n32 => ScmpArch::Mipsel64N32,
        Arch::ScmpArchPpc => ScmpArch::Ppc,
        Arch::ScmpArchPpc64 => ScmpArch::Ppc64,
        Arch::ScmpArchPpc64le => ScmpArch::Ppc64Le,
        Arch::ScmpArchS390 => ScmpArch::S390,
        Arch::ScmpArchS390x => ScmpArch::S390X,
        Arch::ScmpArchRiscv64 => ScmpArch::Riscv64,
        Arch::ScmpArchParisc => ScmpArch::Parisc,
        Arch::ScmpArchParisc64 => ScmpArch::Parisc64,
        Arch::ScmpArchLoongarch64 => ScmpArch::Loongarch64,
        Arch::ScmpArchM68k => ScmpArch::M68k,
        Arch::ScmpArchSh => ScmpArch::Sh,
        Arch::ScmpArchSheb => ScmpArch::Sheb,
    }
}

#[cfg(test)]
mod tests {
    //! What a program does is seen from inside a container, by the isolation
    //! tests.

    use oci_spec::runtime::{LinuxSeccompArgBuilder, LinuxSeccompBuilder, LinuxSyscallBuilder};

    use super::*;

    fn profile(rule: LinuxSyscall) -> LinuxSeccomp {
        LinuxSeccompBuilder::default()
            .default_action(Action::ScmpActErrno)
            .architectures(vec![Arch::ScmpArchNative])
            .syscalls(vec![rule])
            .build()
            .unwrap()
    }

    fn rule(name: &str, action: Action, args: Vec<LinuxSeccompArg>) -> LinuxSyscall {
        let rule = LinuxSyscallBuilder::default().names([name.to_owned()]).action(action);
        rule.args(args).build().unwrap()
    }

    fn arg(index: usize, value: u64) -> LinuxSeccompArg {
        let arg = LinuxSeccompArgBuilder::default().index(index).value(value);
        arg.op(Operator::ScmpCmpEq).build().unwrap()
    }

    #[test]
    fn the_same_profile_is_the_same_program() {
        let one = compile(&profile(rule("read", Action::ScmpActAllow, vec![]))).unwrap();
        let again = compile(&profile(rule("read", Action::ScmpActAllow, vec![]))).unwrap();
        let other = compile(&profile(rule("write", Action::ScmpActAllow, vec![]))).unwrap();
        assert_eq!(one, again);
        assert_ne!(one, other);
        assert_eq!(one.len() % 8, 0);
    }

    #[test]
    fn a_name_that_nobody_knows_changes_nothing() {
        let plain = compile(&profile(rule("read", Action::ScmpActErrno, vec![]))).unwrap();
        let unknown = compile(&profile(rule("no_such_call", Action::ScmpActAllow, vec![])));
        assert_eq!(unknown.unwrap(), plain);
    }

    #[test]
    fn conditions_on_one_argument_are_alternatives() {
        assert_eq!(alternatives(&[]).len(), 1);
        assert_eq!(alternatives(&[arg(0, 1), arg(1, 2)]).len(), 1);
        assert_eq!(alternatives(&[arg(0, 1), arg(0, 2)]).len(), 2);
    }

    #[test]
    fn what_cannot_be_put_into_a_program_is_refused() {
        let notify = compile(&profile(rule("read", Action::ScmpActNotify, vec![]))).unwrap_err();
        assert!(notify.contains("SCMP_ACT_NOTIFY"), "{notify}");
        let index = compile(&profile(rule("read", Action::ScmpActAllow, vec![arg(6, 1)])));
        assert!(index.unwrap_err().contains("read"));
        let mut errno = rule("read", Action::ScmpActErrno, vec![]);
        errno.set_errno_ret(Some(1 << 16));
        assert!(compile(&profile(errno)).unwrap_err().contains("65536"));
    }
}

//! Rules for devices as a program of extended BPF
//! (Documentation/bpf/standardization/instruction-set.rst in the kernel's
//! sources).
//!
//! It goes through the rules from the last to the first. Each kind of access
//! that is asked for is decided by the first rule on this way that names the
//! device and that kind; what no rule names is refused.

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};

use crate::container::error::{Error, Result};

// struct bpf_cgroup_dev_ctx of linux/bpf.h: the type in the lower half of its
// first word, the access in the upper one; then major and minor number.
const BLOCK: u32 = 1;
const CHARACTER: u32 = 2;
const MAKE: u32 = 1;
const READ: u32 = 2;
const WRITE: u32 = 4;

/// Registers. The first comes back, the second holds the context's address.
const RESULT: u8 = 0;
const CONTEXT: u8 = 1;
const TYPE: u8 = 2;
const WANTED: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
const REFUSED: u8 = 6;

// Operations, on words of 32 bits and with a constant where not said otherwise.
const LOAD: u8 = 0x61;
const MOVE: u8 = 0xb4;
const MOVE_REGISTER: u8 = 0xbc;
const AND: u8 = 0x54;
const SHIFT_RIGHT: u8 = 0x74;
const JUMP_IF_OTHER: u8 = 0x56;
const JUMP_IF: u8 = 0x16;
const EXIT: u8 = 0x95;

/// One instruction: struct bpf_insn of linux/bpf.h.
type Step = [u8; 8];

/// The program, in this machine's byte order.
///
/// # Errors
/// A rule that names what is no device, or an access that is none.
pub(super) fn of(rules: &[LinuxDeviceCgroup]) -> Result<Vec<u8>> {
    let mut program = vec![
        step(LOAD, TYPE, CONTEXT, 0, 0),
        step(MOVE_REGISTER, WANTED, TYPE, 0, 0),
        constant(SHIFT_RIGHT, WANTED, 16),
        constant(AND, TYPE, 0xffff),
        step(LOAD, MAJOR, CONTEXT, 4, 0),
        step(LOAD, MINOR, CONTEXT, 8, 0),
    ];
    for rule in rules.iter().rev() {
        program.extend(judge(rule)?);
    }
    program.extend(end(false));
    Ok(program.concat())
}

/// What a rule does: nothing if it is about another device.
fn judge(rule: &LinuxDeviceCgroup) -> Result<Vec<Step>> {
    let mut steps = verdict(rule.allow(), access(rule)?);
    for (register, value) in conditions(rule)?.into_iter().rev() {
        steps.insert(0, step(JUMP_IF_OTHER, register, 0, over(&steps), value));
    }
    Ok(steps)
}

/// Takes what is allowed from what is wanted, and is content when nothing is
/// left; or ends if anything wanted is refused.
fn verdict(allow: bool, access: u32) -> Vec<Step> {
    let end = end(allow);
    let mut steps = match allow {
        true => vec![constant(AND, WANTED, !access), step(JUMP_IF_OTHER, WANTED, 0, over(&end), 0)],
        false => vec![
            step(MOVE_REGISTER, REFUSED, WANTED, 0, 0),
            constant(AND, REFUSED, access),
            step(JUMP_IF, REFUSED, 0, over(&end), 0),
        ],
    };
    steps.extend(end);
    steps
}

/// Which registers must have which values for a rule to be about the device.
fn conditions(rule: &LinuxDeviceCgroup) -> Result<Vec<(u8, u32)>> {
    let kind = match rule.typ() {
        None | Some(LinuxDeviceType::A) => return Ok(Vec::new()),
        Some(LinuxDeviceType::B) => BLOCK,
        Some(LinuxDeviceType::C | LinuxDeviceType::U) => CHARACTER,
        Some(LinuxDeviceType::P) => return Err(Error::invalid("a pipe is no device")),
    };
    let numbers = [(MAJOR, rule.major()), (MINOR, rule.minor())];
    // Negative numbers stand for any, as no number does.
    let named = numbers.into_iter().filter_map(|(register, number)| {
        let number = number.filter(|number| *number >= 0)?;
        Some(match u32::try_from(number) {
            Ok(number) => Ok((register, number)),
            Err(_) => Err(Error::invalid(format!("{number} is no device's number"))),
        })
    });
    std::iter::once(Ok((TYPE, kind))).chain(named).collect()
}

fn access(rule: &LinuxDeviceCgroup) -> Result<u32> {
    let bit = |letter| match letter {
        'r' => Ok(READ),
        'w' => Ok(WRITE),
        'm' => Ok(MAKE),
        _ => Err(Error::invalid(format!("{letter:?} is no access to a device: it can be r, w, m"))),
    };
    let letters = rule.access().as_deref().unwrap_or("rwm");
    letters.chars().try_fold(0, |bits, letter| Ok(bits | bit(letter)?))
}

fn end(allow: bool) -> [Step; 2] {
    [constant(MOVE, RESULT, u32::from(allow)), step(EXIT, 0, 0, 0, 0)]
}

fn constant(operation: u8, register: u8, value: u32) -> Step {
    step(operation, register, 0, 0, value)
}

/// The two registers are bit fields, the order of which goes with that of bytes.
fn step(operation: u8, to: u8, from: u8, offset: i16, value: u32) -> Step {
    let registers = if cfg!(target_endian = "little") { from << 4 | to } else { to << 4 | from };
    let ([a, b], [c, d, e, f]) = (offset.to_ne_bytes(), value.to_ne_bytes());
    [operation, registers, a, b, c, d, e, f]
}

/// The jump over these, counted from the first of them.
fn over(steps: &[Step]) -> i16 {
    // A rule has fewer than ten.
    i16::try_from(steps.len()).unwrap_or(i16::MAX)
}

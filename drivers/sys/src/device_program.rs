//! bpf(2): a program that decides which devices the processes of a control
//! group of version 2 may use.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

use crate::thread::last_errno;

/// The size of an instruction, `struct bpf_insn` of linux/bpf.h.
const INSTRUCTION: usize = 8;

// Numbers of linux/bpf.h.
const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 2;

/// The head of `union bpf_attr` for `BPF_PROG_LOAD`. The kernel takes what is
/// not there for zeros.
#[repr(C)]
struct Load {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
}

/// That for `BPF_PROG_ATTACH`.
#[repr(C)]
struct Attach {
    target: i32,
    program: i32,
    attach_type: u32,
    flags: u32,
}

/// Puts the processes of `group`, a folder of a cgroup2 file system, and of all
/// groups beneath it under `program`: instructions of extended BPF in this
/// machine's byte order, which get a `struct bpf_cgroup_dev_ctx` and return 1
/// for what is allowed, 0 for what is not.
///
/// It stays until the group is removed. A device can be used if this program
/// and all others on the way to the hierarchy's root allow it. Files that are
/// open already aren't asked about.
///
/// # Errors
/// `INVAL` for what is no valid program, or a kernel without such programs;
/// `ACCESS` for one that the kernel can't prove harmless; `PERM` without
/// CAP_SYS_ADMIN, or beneath a group that reserved itself the only program;
/// `BADF` for what is no control group.
pub fn attach(group: impl AsFd, program: &[u8]) -> Result<(), Errno> {
    let program = load(program)?;
    let attributes = Attach {
        target: group.as_fd().as_raw_fd(),
        program: program.as_raw_fd(),
        attach_type: ATTACH_CGROUP_DEVICE,
        flags: ALLOW_MULTI,
    };
    bpf(PROG_ATTACH, &attributes).map(drop)
}

fn load(program: &[u8]) -> Result<OwnedFd, Errno> {
    let (instructions @ [_, ..], []) = program.as_chunks::<INSTRUCTION>() else {
        return Err(Errno::INVAL);
    };
    let attributes = Load {
        program_type: TYPE_CGROUP_DEVICE,
        instruction_count: u32::try_from(instructions.len()).map_err(|_| Errno::INVAL)?,
        instructions: address(instructions.as_ptr().cast()),
        // Only helpers of the kernel's that are reserved to the GPL ask for it.
        license: address(c"Apache-2.0".as_ptr().cast()),
    };
    let descriptor = bpf(PROG_LOAD, &attributes)?;
    // SAFETY: the kernel has just made this descriptor (with close-on-exec) and
    // nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn address(of: *const u8) -> u64 {
    u64::try_from(of.addr()).unwrap_or(u64::MAX)
}

fn bpf<T>(command: libc::c_int, attributes: &T) -> Result<i32, Errno> {
    // SAFETY: `attributes` is live and as long as the given size; the addresses
    // in it are of live memory with the given lengths, which the kernel only
    // reads, and before it returns.
    let outcome =
        unsafe { libc::syscall(libc::SYS_bpf, command, &raw const *attributes, size_of::<T>()) };
    i32::try_from(outcome).ok().filter(|descriptor| *descriptor >= 0).ok_or_else(last_errno)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn what_is_no_program_is_refused() {
        let nowhere = File::open("/").unwrap();
        for bad in [&[][..], &[0; 7], &[0xff; 8]] {
            assert_eq!(attach(&nowhere, bad), Err(Errno::INVAL));
        }
    }

    #[test]
    fn what_is_no_control_group_is_refused() {
        // r0 = 1; exit
        let allow = [0xb7, 0, 0, 0, 1, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(attach(File::open("/").unwrap(), &allow), Err(Errno::BADF));
    }
}

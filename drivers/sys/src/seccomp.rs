//! seccomp(2): a filter for the calling thread's system calls, given as the
//! finished program.

use rustix::io::Errno;

/// The size of an instruction, `struct sock_filter` of linux/filter.h.
const INSTRUCTION: usize = size_of::<libc::sock_filter>();

/// Puts the calling thread, and all that it starts, under `program` for good:
/// instructions of classic BPF in this machine's byte order, as
/// `seccomp_export_bpf(3)` writes them.
///
/// A filter that refuses too little or too much can't be told from a right one
/// here. An earlier filter stays, and the stricter of the two counts.
///
/// # Errors
/// `INVAL` for what is no valid program; `ACCES` without CAP_SYS_ADMIN in the
/// thread's user namespace and without `no_new_privs`; `NOMEM`. The thread is
/// as it was then.
pub fn install(program: &[u8]) -> Result<(), Errno> {
    let mut instructions = decode(program)?;
    let program = libc::sock_fprog {
        len: u16::try_from(instructions.len()).map_err(|_| Errno::INVAL)?,
        filter: instructions.as_mut_ptr(),
    };
    // SAFETY: `program` points to as many live instructions as its length says,
    // and the kernel copies and checks them before it returns. That later
    // system calls fail is an error of theirs, not undefined behaviour.
    let outcome = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
    };
    if outcome == 0 { Ok(()) } else { Err(crate::thread::last_errno()) }
}

fn decode(program: &[u8]) -> Result<Vec<libc::sock_filter>, Errno> {
    let (instructions, []) = program.as_chunks::<INSTRUCTION>() else {
        return Err(Errno::INVAL);
    };
    Ok(instructions
        .iter()
        .map(|&[a, b, jt, jf, k @ ..]| libc::sock_filter {
            code: u16::from_ne_bytes([a, b]),
            jt,
            jf,
            k: u32::from_ne_bytes(k),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    //! These need root, as no test may set `no_new_privs` for others.

    use std::thread;

    use super::*;

    fn bytes(program: &[libc::sock_filter]) -> Vec<u8> {
        let one = |i: &libc::sock_filter| {
            let ([a, b], [c, d, e, f]) = (i.code.to_ne_bytes(), i.k.to_ne_bytes());
            [a, b, i.jt, i.jf, c, d, e, f]
        };
        program.iter().flat_map(one).collect()
    }

    fn refuse_getppid() -> Vec<u8> {
        let code = |bits: u32| u16::try_from(bits).unwrap();
        let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
        let ret = code(libc::BPF_RET | libc::BPF_K);
        let getppid = u32::try_from(libc::SYS_getppid).unwrap();
        let refusal = libc::SECCOMP_RET_ERRNO | libc::E2BIG.cast_unsigned();
        bytes(&[
            // The number is what seccomp_data begins with.
            step(code(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS), 0, 0, 0),
            step(code(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K), 0, 1, getppid),
            step(ret, 0, 0, refusal),
            step(ret, 0, 0, libc::SECCOMP_RET_ALLOW),
        ])
    }

    fn getppid() -> i64 {
        // SAFETY: getppid(2) takes nothing and touches no memory.
        unsafe { libc::syscall(libc::SYS_getppid) }
    }

    #[test]
    fn only_the_calling_thread_is_put_under_a_filter() {
        thread::spawn(|| {
            assert!(getppid() >= 0);
            install(&refuse_getppid()).unwrap();
            assert_eq!((getppid(), crate::thread::last_errno()), (-1, Errno::TOOBIG));
        })
        .join()
        .unwrap();
        assert!(getppid() >= 0);
    }

    #[test]
    fn what_is_no_program_is_refused() {
        let program = refuse_getppid();
        let without_an_end = &program[..program.len() - 2 * INSTRUCTION];
        let damaged = &program[..program.len() - 1];
        for bad in [&[][..], damaged, without_an_end, &[0xff; INSTRUCTION * 70_000]] {
            assert_eq!(install(bad), Err(Errno::INVAL));
        }
    }
}

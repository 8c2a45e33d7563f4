//! Asking before much is removed, as docker(1) does.

use std::io::{self, BufRead, Write};

use crate::failure::Failure;

/// Whether the user agrees. Anything but `y` or `yes` is no, and so is the end
/// of the input.
///
/// # Errors
/// The question can't be written, or the answer not read.
pub fn confirm(warning: &str) -> Result<bool, Failure> {
    let failed = |e: io::Error| Failure::new(format!("can't ask: {e}; use --force"));
    let mut out = io::stderr().lock();
    write!(out, "WARNING! {warning}\nAre you sure you want to continue? [y/N] ")
        .and_then(|()| out.flush())
        .map_err(failed)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(is_yes(&answer))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim(), "y" | "Y" | "yes" | "Yes" | "YES")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        for (answer, yes) in [
            ("y\n", true),
            ("Y", true),
            ("yes\n", true),
            ("", false),
            ("\n", false),
            ("n\n", false),
            ("yep", false),
        ] {
            assert_eq!(is_yes(answer), yes, "{answer:?}");
        }
    }
}

//! A stack as data for whoever mounts it in another mount namespace.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use graphdriver_api::{Access, Error, ErrorKind, MountPlan, Op, Result};
use sapwood_kit::mount::{Lower, Way};

use crate::NAME;
use crate::stack::{Ground, Part, Stack};

/// What fsconfig(2) takes for a string, its zero byte not counted.
const LONGEST: usize = 255;

/// Describes a mount of `part`.
///
/// # Errors
/// `Unsupported` where the kernel's interface can't take these paths.
pub(crate) fn plan(stack: &Stack, ground: Ground<'_>, part: Part) -> Result<MountPlan> {
    let lenders = stack.open_lenders(ground.store)?;
    let path = |dir: &Path| ground.store.path().join(dir).into_os_string();
    let lower = |lower: Lower<'_>| match lower.lender.and_then(|lender| lenders.get(lender)) {
        Some(lender) => lender.path().join(lower.dir).into_os_string(),
        None => path(lower.dir),
    };
    let lowers: Vec<_> = stack.lowers(part).into_iter().map(lower).collect();
    let mut options = match ground.probe.way {
        Way::Descriptors | Way::Names => {
            lowers.into_iter().map(|lower| ("lowerdir+".to_owned(), Some(lower))).collect()
        }
        Way::Page => vec![("lowerdir".to_owned(), Some(joined(&lowers)))],
    };
    if let Some(upper) = stack.upper(part) {
        options.push(("upperdir".to_owned(), Some(path(upper.dir))));
        options.push(("workdir".to_owned(), Some(path(upper.work))));
    }
    for (name, value) in stack.options(ground, false) {
        options.push((name.to_owned(), value.map(OsString::from)));
    }
    for (name, value) in &mut options {
        if matches!(name.as_str(), "upperdir" | "workdir")
            && let Some(value) = value
        {
            *value = escaped(value, b"\\");
        }
    }
    check(&options)?;
    Ok(MountPlan::Mount {
        fs_type: "overlay".to_owned(),
        source: "overlay".into(),
        options,
        access: if part == Part::Writable { Access::ReadWrite } else { Access::ReadOnly },
    })
}

/// One option for all layers, with colons between them.
fn joined(lowers: &[OsString]) -> OsString {
    let escaped: Vec<_> = lowers.iter().map(|lower| escaped(lower, b"\\:").into_vec()).collect();
    OsString::from_vec(escaped.join(&b':'))
}

/// With a backslash before each of these bytes.
fn escaped(path: &OsStr, special: &[u8]) -> OsString {
    let mut out = Vec::with_capacity(path.len());
    for byte in path.as_bytes() {
        if special.contains(byte) {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    OsString::from_vec(out)
}

fn check(options: &[(String, Option<OsString>)]) -> Result<()> {
    let too_long =
        options.iter().any(|(_, value)| value.as_ref().is_some_and(|value| value.len() > LONGEST));
    match too_long {
        false => Ok(()),
        true => Err(Error::new(
            ErrorKind::Unsupported,
            Op::Plan,
            "its layers' paths are longer than the kernel takes from a program that hasn't opened \
             them: mount it here instead",
        )
        .with_driver(NAME)),
    }
}

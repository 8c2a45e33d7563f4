//! What `--help` and `--version` say.

use super::tables::{FOR_MOUNT, GROUPS, Known, NO_EFFECT, Takes};

/// The program's name, in messages, in /proc/mounts and in `--version`.
pub(super) const NAME: &str = "fuse-overlay";

const USAGE: &str = "\
Usage: fuse-overlay [-f] [-d] [-s] [-o OPTION[,OPTION...]]... [SOURCE] MOUNTPOINT
       fusermount3 -u MOUNTPOINT

Shows directories, laid over each other, as one tree. Changes go to the uppermost.

  -f               stay in the foreground
  -d, --debug      the same, and tell every request
  -s               answer from one thread
  -o OPTION        see below; commas between, `\\,` and `\\:` in a path
  -h, --help       this
  -V, --version    which version this is
  SOURCE           a name for /proc/mounts; mount(8) gives it
";

const EXAMPLES: &str = "
Examples:
  fuse-overlay -o lowerdir=/image/2:/image/1,upperdir=/c/upper,workdir=/c/work /c/merged
  podman --storage-opt overlay.mount_program=/usr/bin/fuse-overlay run alpine
";

/// The column at which descriptions begin.
const COLUMN: usize = 42;

/// The width that lists are wrapped at.
const WIDTH: usize = 78;

/// How the program is used: every option that does something with a line, the
/// others by name.
#[must_use]
pub fn help() -> String {
    let mut text = USAGE.to_owned();
    for group in GROUPS {
        text.push_str(&format!("\n{}:\n", group.title));
        group.options.iter().for_each(|known| text.push_str(&line(known)));
    }
    text.push_str("\nAccepted, without effect here (each says why when it is given):\n");
    text.push_str(&wrapped(NO_EFFECT.iter().map(|(name, _)| *name)));
    text.push_str("\nAccepted, meant for mount(8) and fstab(5); so is x-*:\n");
    text.push_str(&wrapped(FOR_MOUNT.iter().copied()));
    text.push_str(EXAMPLES);
    text
}

/// The program's name and version in one line. Podman's `info` prints what
/// `--version` says; a program finds the version behind the last space.
#[must_use]
pub fn version() -> String {
    format!("{NAME} {}\n", env!("CARGO_PKG_VERSION"))
}

fn line(known: &Known) -> String {
    let form = match known.takes {
        Takes::Nothing(_) => known.name.to_owned(),
        Takes::Value(value, _) => format!("{}={value}", known.name),
        Takes::Maybe(value, _) => format!("{}[={value}]", known.name),
    };
    let gap = COLUMN.saturating_sub(2 + form.len()).max(2);
    format!("  {form}{:gap$}{}\n", "", known.help)
}

fn wrapped<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let (mut text, mut width) = (String::new(), 0);
    for name in names {
        if width + 1 + name.len() > WIDTH || text.is_empty() {
            text.push_str(if text.is_empty() { " " } else { "\n " });
            width = 1;
        }
        text.push(' ');
        text.push_str(name);
        width += 1 + name.len();
    }
    text.push('\n');
    text
}

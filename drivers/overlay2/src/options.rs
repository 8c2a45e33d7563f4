//! What a user can set.

use graphdriver_api::{DriverOptions, Error, ErrorKind, Op, OptionHelp, Result};

use crate::NAME;

/// Every option, for help texts and errors.
pub(crate) const HELP: [OptionHelp; 3] = [
    OptionHelp {
        name: "overlay2.redirect_dir",
        values: "on|off|auto, default auto",
        help: "Lets containers rename directories of their image instead of copying them; \
               auto: where the kernel can.",
    },
    OptionHelp {
        name: "overlay2.metacopy",
        values: "on|off|auto, default off",
        help: "Copies only a file's attributes when only those change; its content stays in \
               the layer below.",
    },
    OptionHelp {
        name: "overlay2.volatile",
        values: "auto|off, default auto",
        help: "Honours requests to mount without flushing; off: flushes all the same.",
    },
];

/// A feature that may be demanded, forbidden, or left to what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    /// It must work, or the driver isn't opened.
    On,
    /// It isn't used.
    Off,
    /// It is used where it works.
    Auto,
}

/// The options as they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) redirect_dir: Switch,
    pub(crate) metacopy: Switch,
    pub(crate) volatile: Switch,
}

impl Default for Options {
    fn default() -> Self {
        Self { redirect_dir: Switch::Auto, metacopy: Switch::Off, volatile: Switch::Auto }
    }
}

impl Options {
    /// Reads what the user gave.
    ///
    /// # Errors
    /// `InvalidArgument`: an unknown option or value, or two that contradict
    /// each other.
    pub(crate) fn parse(given: &DriverOptions) -> Result<Self> {
        let mut options = Self::default();
        for (name, value) in &given.0 {
            options.set(name, value)?;
        }
        match (options.redirect_dir, options.metacopy) {
            (Switch::Off, Switch::On) => Err(invalid(
                "overlay2.metacopy=on needs overlay2.redirect_dir, which is off: a file that is \
                 renamed must find its content again"
                    .to_owned(),
            )),
            _ => Ok(options),
        }
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let help = HELP.iter().find(|help| help.name == name).ok_or_else(|| unknown(name))?;
        let switch = match value {
            "on" if name != "overlay2.volatile" => Switch::On,
            "off" => Switch::Off,
            "auto" => Switch::Auto,
            _ => return Err(invalid(format!("{name}={value:?}: it can be {}", help.values))),
        };
        match name {
            "overlay2.redirect_dir" => self.redirect_dir = switch,
            "overlay2.metacopy" => self.metacopy = switch,
            _ => self.volatile = switch,
        }
        Ok(())
    }
}

fn unknown(name: &str) -> Error {
    let names: Vec<_> = HELP.iter().map(|help| help.name).collect();
    invalid(format!("there is no option {name:?}; there are {}", names.join(", ")))
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, Op::Open, message).with_driver(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(given: &[(&str, &str)]) -> Result<Options> {
        let given = given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Options::parse(&DriverOptions(given))
    }

    #[test]
    fn the_last_value_counts_and_the_rest_is_default() {
        assert_eq!(parse(&[]).unwrap(), Options::default());
        let options = parse(&[
            ("overlay2.metacopy", "on"),
            ("overlay2.volatile", "off"),
            ("overlay2.metacopy", "auto"),
        ]);
        let expected =
            Options { metacopy: Switch::Auto, volatile: Switch::Off, ..Options::default() };
        assert_eq!(options.unwrap(), expected);
    }

    #[test]
    fn what_is_wrong_is_said_with_what_there_is() {
        let rows: [(&[(&str, &str)], &str); 4] = [
            (&[("overlay2.size", "1")], "there are overlay2.redirect_dir, overlay2.metacopy"),
            (&[("overlay2.metacopy", "yes")], "it can be on|off|auto, default off"),
            (&[("overlay2.volatile", "on")], "it can be auto|off"),
            (
                &[("overlay2.redirect_dir", "off"), ("overlay2.metacopy", "on")],
                "needs overlay2.redirect_dir",
            ),
        ];
        for (given, words) in rows {
            let error = parse(given).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}

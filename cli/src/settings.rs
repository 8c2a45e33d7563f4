//! Global options, and where else their values can come from: the command
//! line, then the environment, then a configuration file, then a default.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use graphdriver_api::DriverOptions;
use graphdriver_api::choice::{Origin, Wish};
use sapwood_engine::image::Limits;
use serde::Deserialize;

use crate::additional;
use crate::failure::Failure;

/// The environment variables that name a driver, the first one set wins. The
/// second is Podman's (containers-storage.conf(5)).
const DRIVER_VARIABLES: [&str; 2] = ["SAPWOOD_STORAGE_DRIVER", "STORAGE_DRIVER"];

/// The configuration file when `--config` names none; it may be absent.
const CONFIG_FILE: &str = "/etc/sapwood/config.toml";

/// Bytes of the root's path: SQLite opens no path of more than 512
/// (`MAX_PATHNAME` in its os_unix.c), and below the root come
/// `/engine/DRIVER/metadata.db-journal` and the longest driver's name.
const LONGEST_ROOT: usize = 512 - 64;

/// Options that every command takes, before or after its name.
#[derive(Debug, Clone, Args)]
pub struct GlobalArgs {
    /// Directory that holds all images and containers
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "SAPWOOD_ROOT",
        help_heading = "Global options"
    )]
    pub root: Option<PathBuf>,

    /// Directory for what needn't survive a reboot
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "SAPWOOD_RUNROOT",
        help_heading = "Global options"
    )]
    pub runroot: Option<PathBuf>,

    /// Storage driver: overlay2, vfs [default: what is in use, else the best that works]
    /// [env: SAPWOOD_STORAGE_DRIVER, STORAGE_DRIVER]
    #[arg(long, short = 's', global = true, value_name = "NAME", help_heading = "Global options")]
    pub storage_driver: Option<String>,

    /// Option of the storage driver (`sapwood info` lists them), or additionalimagestore=DIR:
    /// another store whose images can be used; repeatable
    #[arg(
        long = "storage-opt",
        global = true,
        value_name = "NAME=VALUE",
        help_heading = "Global options"
    )]
    pub storage_opts: Vec<String>,

    /// Limit for archives that are loaded or imported, repeatable: entries, bytes, depth,
    /// xattr-bytes, extension-bytes, expansion, zstd-window, manifest-bytes
    #[arg(
        long = "limit",
        global = true,
        value_name = "NAME=VALUE",
        help_heading = "Global options"
    )]
    pub limits: Vec<String>,

    /// Configuration file [default: /etc/sapwood/config.toml, if it is there]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "SAPWOOD_CONFIG",
        help_heading = "Global options"
    )]
    pub config: Option<PathBuf>,

    /// What to log on standard error: error, warn, info, debug, trace
    #[arg(
        long,
        global = true,
        value_name = "LEVEL",
        default_value = "warn",
        help_heading = "Global options"
    )]
    pub log_level: tracing::Level,
    /// How to log to standard error: lines for people, or JSON
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        value_enum,
        env = "SAPWOOD_LOG_FORMAT",
        default_value_t,
        help_heading = "Global options"
    )]
    pub log_format: LogFormat,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// A line for a person, without the time.
    #[default]
    Text,
    /// An object a line, with the time.
    Json,
}

/// The configuration file. Unknown keys are errors: a misspelt key would
/// otherwise be a setting that is quietly not in force.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    root: Option<PathBuf>,
    runroot: Option<PathBuf>,
    #[serde(rename = "storage-driver")]
    storage_driver: Option<String>,
    #[serde(rename = "storage-opts", default)]
    storage_opts: Vec<String>,
    #[serde(rename = "additional-image-stores", default)]
    additional_image_stores: Vec<PathBuf>,
    #[serde(default)]
    limits: BTreeMap<String, toml::Value>,
}

/// What is in force, and for the driver also who asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Holds all images and containers.
    pub root: PathBuf,
    /// Holds what needn't survive a reboot.
    pub runroot: PathBuf,
    /// The driver that was asked for, if one was.
    pub driver: Option<(String, Origin)>,
    /// Options for it: those of the file first, so that the command line wins.
    pub options: DriverOptions,
    /// Stores that somebody else fills, in the order in which they count.
    pub additional: Vec<PathBuf>,
    /// What an archive may cost.
    pub limits: Limits,
}

impl Settings {
    /// Puts the four sources together.
    ///
    /// # Errors
    /// A configuration file that can't be read or understood; a storage option
    /// that isn't `NAME=VALUE`; a relative or empty root; an additional store that is
    /// no other store.
    pub fn load(args: &GlobalArgs) -> Result<Self, Failure> {
        let file = read_config(args.config.as_deref())?;
        merge(args, file, |name| std::env::var_os(name))
    }

    /// The wish as [`graphdriver_api::choice::choose`] takes it.
    #[must_use]
    pub fn wish(&self) -> Wish<'_> {
        match &self.driver {
            Some((name, origin)) => Wish::Named(name, *origin),
            None => Wish::Any,
        }
    }
}

fn read_config(named: Option<&Path>) -> Result<ConfigFile, Failure> {
    let path = named.unwrap_or(Path::new(CONFIG_FILE));
    match std::fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text).map_err(|e| {
            let line = e
                .span()
                .map_or(0, |s| text.bytes().take(s.start).filter(|b| *b == b'\n').count() + 1);
            Failure::new(format!("{}: line {line}: {}", path.display(), e.message()))
        }),
        Err(e) if e.kind() == io::ErrorKind::NotFound && named.is_none() => {
            Ok(ConfigFile::default())
        }
        Err(e) => {
            Err(Failure::new(format!("can't read the configuration file {}: {e}", path.display())))
        }
    }
}

fn merge(
    args: &GlobalArgs,
    file: ConfigFile,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<Settings, Failure> {
    let options = file.storage_opts.iter().chain(&args.storage_opts);
    let options = options.map(|o| storage_opt(o)).collect::<Result<_, _>>()?;
    let (options, stores) = additional::take_out(options);
    let root = directory("--root", args.root.clone().or(file.root), "/var/lib/sapwood")?;
    check_length(&root)?;
    Ok(Settings {
        additional: additional::ordered(&root, file.additional_image_stores, stores)?,
        root,
        runroot: directory("--runroot", args.runroot.clone().or(file.runroot), "/run/sapwood")?,
        driver: driver(args.storage_driver.as_deref(), file.storage_driver, env)?,
        options: DriverOptions(options),
        limits: limits(&file.limits, &args.limits)?,
    })
}

fn directory(option: &str, given: Option<PathBuf>, default: &str) -> Result<PathBuf, Failure> {
    let path = given.unwrap_or_else(|| default.into());
    std::path::absolute(&path)
        .map_err(|e| Failure::new(format!("{option} {}: {e}", path.display())))
}

fn check_length(root: &Path) -> Result<(), Failure> {
    let length = root.as_os_str().len();
    if length <= LONGEST_ROOT {
        return Ok(());
    }
    Err(Failure::new(format!(
        "--root: its path has {length} bytes, and the store's database takes {LONGEST_ROOT}; \
         choose another folder"
    )))
}

fn driver(
    flag: Option<&str>,
    file: Option<String>,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<(String, Origin)>, Failure> {
    if let Some(name) = flag {
        return Ok(Some((name.to_owned(), Origin::Flag)));
    }
    for variable in DRIVER_VARIABLES {
        match env(variable) {
            None => {}
            Some(value) if value.is_empty() => {}
            Some(value) => {
                let name = value.into_string().map_err(|bad| {
                    Failure::new(format!("{variable} holds {bad:?}, which is no driver's name"))
                })?;
                return Ok(Some((name, Origin::Environment)));
            }
        }
    }
    Ok(file.map(|name| (name, Origin::Config)))
}

fn storage_opt(text: &str) -> Result<(String, String), Failure> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Failure::new(format!("--storage-opt takes NAME=VALUE, not {text:?}"))),
    }
}

/// The file's table first, so that the command line wins.
fn limits(table: &BTreeMap<String, toml::Value>, given: &[String]) -> Result<Limits, Failure> {
    let mut limits = Limits::default();
    for (name, value) in table {
        let value = match value {
            toml::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        limits.set(name, &value).map_err(|e| Failure::new(format!("[limits]: {e}")))?;
    }
    for text in given {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| Failure::new(format!("--limit takes NAME=VALUE, not {text:?}")))?;
        limits.set(name, value).map_err(|e| Failure::new(format!("--limit: {e}")))?;
    }
    Ok(limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> GlobalArgs {
        GlobalArgs {
            root: None,
            runroot: None,
            storage_driver: None,
            storage_opts: Vec::new(),
            limits: Vec::new(),
            config: None,
            log_level: tracing::Level::WARN,
            log_format: LogFormat::Text,
        }
    }

    fn file() -> ConfigFile {
        ConfigFile {
            root: Some("/file".into()),
            runroot: None,
            storage_driver: Some("from-file".into()),
            storage_opts: vec!["a=1".into()],
            additional_image_stores: Vec::new(),
            limits: BTreeMap::new(),
        }
    }

    #[test]
    fn the_nearest_source_wins() {
        let env = |name: &str| (name == "STORAGE_DRIVER").then(|| "from-env".into());
        let none = |_: &str| None;
        let flag = GlobalArgs {
            storage_driver: Some("from-flag".into()),
            root: Some("/flag".into()),
            storage_opts: vec!["a=2".into()],
            ..args()
        };
        let named = |s: Settings| s.driver.unwrap();

        let all = merge(&flag, file(), env).unwrap();
        assert_eq!(all.root, Path::new("/flag"));
        assert_eq!(all.options.0, [("a".into(), "1".into()), ("a".into(), "2".into())]);
        assert_eq!(named(all), ("from-flag".into(), Origin::Flag));
        assert_eq!(
            named(merge(&args(), file(), env).unwrap()),
            ("from-env".into(), Origin::Environment)
        );
        assert_eq!(
            named(merge(&args(), file(), none).unwrap()),
            ("from-file".into(), Origin::Config)
        );
        assert_eq!(merge(&args(), ConfigFile::default(), none).unwrap().driver, None);
    }

    #[test]
    fn limits_come_from_the_file_and_then_from_the_command_line() {
        let table = toml::from_str("bytes = \"2g\"\nentries = 5\ndepth = 6").unwrap();
        let limits = limits(&table, &["entries=7".into()]).unwrap();
        let mut expected = Limits::default();
        for (name, value) in [("bytes", "2g"), ("entries", "7"), ("depth", "6")] {
            expected.set(name, value).unwrap();
        }
        assert_eq!(limits, expected);
        for (table, given, why) in [
            ("what = 1", "", "[limits]: \"what\" is no limit"),
            ("", "entries", "--limit takes NAME=VALUE"),
            ("", "entries=x", "--limit: the limit entries takes a number"),
        ] {
            let given: Vec<String> = given.split_whitespace().map(str::to_owned).collect();
            let failure = super::limits(&toml::from_str(table).unwrap(), &given).unwrap_err();
            assert!(failure.to_string().starts_with(why), "{failure}");
        }
    }

    #[test]
    fn bad_values_are_refused() {
        let bad = GlobalArgs { storage_opts: vec!["novalue".into()], ..args() };
        let failure = merge(&bad, ConfigFile::default(), |_| None).unwrap_err();
        assert_eq!(failure.to_string(), "--storage-opt takes NAME=VALUE, not \"novalue\"");
    }

    /// What is longer would fail at the database, with the folder made already.
    #[test]
    fn a_root_that_the_database_cannot_open_is_refused() {
        let root = |length: usize| GlobalArgs {
            root: Some(format!("/{}", "r".repeat(length - 1)).into()),
            ..args()
        };
        let load = |length| merge(&root(length), ConfigFile::default(), |_| None);
        assert!(load(LONGEST_ROOT).is_ok());
        let failure = load(LONGEST_ROOT + 1).unwrap_err().to_string();
        assert!(failure.starts_with("--root: its path has 449 bytes"), "{failure}");
    }

    #[test]
    fn a_misspelt_key_is_an_error_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(&path, "root = \"/r\"\nstorage_driver = \"vfs\"\n").unwrap();
        let failure = read_config(Some(&path)).unwrap_err().to_string();
        assert!(failure.contains("line 2: unknown field `storage_driver`"), "{failure}");
        assert!(read_config(Some(&dir.path().join("absent"))).is_err());
    }
}

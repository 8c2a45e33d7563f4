//! What `--change` of `import` and `commit` can say of a new image: the instructions of a
//! Dockerfile that set its configuration.

use std::str::FromStr;

use serde_json::{Map, Value, json};

/// How to run an image, as its configuration writes it. What was never set
/// isn't there, and what an image says beyond what is known here stays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunConfig {
    fields: Map<String, Value>,
    /// Whether an instruction has set the command.
    has_command: bool,
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// `CMD ["a", "b"]`, or `CMD a b` for a shell.
    Cmd(Vec<String>),
    /// `ENTRYPOINT`, written as `CMD` is.
    Entrypoint(Vec<String>),
    /// `ENV NAME=VALUE …`, or `ENV NAME VALUE`.
    Env(Vec<(String, String)>),
    /// `EXPOSE PORT[/PROTOCOL] …`.
    Expose(Vec<String>),
    /// `LABEL`, written as `ENV` is.
    Label(Vec<(String, String)>),
    /// `USER NAME[:GROUP]`.
    User(String),
    /// `VOLUME ["/a"]`, or `VOLUME /a /b`.
    Volume(Vec<String>),
    /// `WORKDIR PATH`, relative to the one before.
    Workdir(String),
    /// `STOPSIGNAL NAME`.
    StopSignal(String),
    /// `ONBUILD INSTRUCTION`: for who builds on the image.
    OnBuild(String),
}

/// Why a text is no instruction, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ChangeError(String);

type Result<T> = std::result::Result<T, ChangeError>;

impl FromStr for Change {
    type Err = ChangeError;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim();
        let instruction = word.to_ascii_uppercase();
        if rest.is_empty() {
            return Err(ChangeError(format!("{text:?}: {instruction} needs a value")));
        }
        parse(&instruction, rest).map_err(|why| ChangeError(format!("{text:?}: {why}")))
    }
}

fn parse(instruction: &str, rest: &str) -> std::result::Result<Change, String> {
    Ok(match instruction {
        "CMD" => Change::Cmd(command(rest)),
        "ENTRYPOINT" => Change::Entrypoint(command(rest)),
        "ENV" => Change::Env(pairs(rest)?),
        "LABEL" => Change::Label(pairs(rest)?),
        "EXPOSE" => Change::Expose(
            words(rest)?.iter().map(|w| port(w)).collect::<std::result::Result<_, _>>()?,
        ),
        "VOLUME" => Change::Volume(list(rest).map_or_else(|| words(rest), Ok)?),
        "USER" => Change::User(rest.to_owned()),
        "WORKDIR" => Change::Workdir(rest.to_owned()),
        "STOPSIGNAL" => Change::StopSignal(rest.to_owned()),
        "ONBUILD" => Change::OnBuild(trigger(rest)?),
        other => {
            return Err(format!(
                "{other} isn't one of CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, \
                 USER, VOLUME, WORKDIR"
            ));
        }
    })
}

/// What Docker's builder wouldn't carry out either.
fn trigger(text: &str) -> std::result::Result<String, String> {
    let word = text.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    match word.as_str() {
        "ONBUILD" | "FROM" | "MAINTAINER" => Err(format!("{word} can't be a trigger")),
        _ => Ok(text.to_owned()),
    }
}

/// A JSON list of strings.
fn list(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text).ok()
}

/// A list is run as it is, anything else by a shell.
fn command(text: &str) -> Vec<String> {
    list(text).unwrap_or_else(|| ["/bin/sh", "-c", text].map(str::to_owned).into())
}

/// `PORT` or `PORT/PROTOCOL`; TCP where none is named.
fn port(text: &str) -> std::result::Result<String, String> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    let known = matches!(protocol.as_str(), "tcp" | "udp" | "sctp");
    match number.parse::<u16>() {
        Ok(number) if number > 0 && known => Ok(format!("{number}/{protocol}")),
        _ => Err(format!("{text:?} isn't a port such as 80 or 53/udp")),
    }
}

/// `NAME=VALUE …`, or one name and all the rest as its value.
fn pairs(text: &str) -> std::result::Result<Vec<(String, String)>, String> {
    let first = text.split(char::is_whitespace).next().unwrap_or_default();
    if !first.contains('=') {
        return match text.split_once(char::is_whitespace) {
            Some((name, value)) => Ok(vec![(name.to_owned(), value.trim().to_owned())]),
            None => Err(format!("{text:?} has no value; write NAME=VALUE")),
        };
    }
    words(text)?
        .into_iter()
        .map(|word| match word.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(format!("{word:?} isn't NAME=VALUE")),
        })
        .collect()
}

/// Splits at blanks; quotes and backslashes work as in a shell.
fn words(text: &str) -> std::result::Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(letters.next()),
            (_, Some(open)) if letter == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (_, None) if letter.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    if quote.is_some() {
        return Err("a quote isn't closed".to_owned());
    }
    words.extend(word);
    Ok(words)
}

impl RunConfig {
    /// What an image says. Anything but a JSON object says nothing.
    #[must_use]
    pub fn of(value: Value) -> Self {
        match value {
            Value::Object(fields) => Self { fields, has_command: false },
            _ => Self::default(),
        }
    }

    /// As its configuration writes it.
    #[must_use]
    pub fn into_value(self) -> Value {
        Value::Object(self.fields)
    }

    /// Carries one instruction out.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Cmd(words) => {
                self.has_command = true;
                self.set("Cmd", words);
            }
            Change::Entrypoint(words) => {
                // The image's own command was for its own entry point.
                if !self.has_command {
                    self.fields.remove("Cmd");
                }
                self.set("Entrypoint", words);
            }
            Change::Env(pairs) => pairs.into_iter().for_each(|(n, v)| self.set_env(&n, &v)),
            Change::Expose(ports) => self.add_to_set("ExposedPorts", ports),
            Change::Label(pairs) => {
                let pairs = pairs.into_iter().map(|(name, value)| (name, value.into()));
                self.object("Labels", |labels| labels.extend(pairs));
            }
            Change::User(user) => self.set("User", user),
            Change::Volume(paths) => self.add_to_set("Volumes", paths),
            Change::Workdir(path) => self.set_workdir(&path),
            Change::StopSignal(name) => self.set("StopSignal", name),
            Change::OnBuild(trigger) => self.list("OnBuild", |list| list.push(trigger.into())),
        }
    }

    /// Sets a member.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    /// Takes a member away.
    pub(crate) fn remove(&mut self, name: &str) {
        self.fields.remove(name);
    }

    /// Takes a variable away.
    pub(crate) fn remove_env(&mut self, name: &str) {
        self.list("Env", |list| list.retain(|entry| !is_variable(entry, name)));
    }

    /// A variable has one value, and keeps its place when it gets another.
    fn set_env(&mut self, name: &str, value: &str) {
        let entry = Value::from(format!("{name}={value}"));
        self.list("Env", |list| match list.iter_mut().find(|entry| is_variable(entry, name)) {
            Some(old) => *old = entry,
            None => list.push(entry),
        });
    }

    fn set_workdir(&mut self, path: &str) {
        let before = self.fields.get("WorkingDir").and_then(Value::as_str).unwrap_or("/");
        let path = match path.starts_with('/') {
            true => path.to_owned(),
            false => format!("{}/{path}", before.trim_end_matches('/')),
        };
        self.set("WorkingDir", path);
    }

    /// `{}`, Go's empty struct, is how the specification has members of sets.
    fn add_to_set(&mut self, name: &str, members: Vec<String>) {
        let members = members.into_iter().map(|member| (member, json!({})));
        self.object(name, |set| set.extend(members));
    }

    /// Changes a member that is an object, made where it isn't one.
    fn object(&mut self, name: &str, change: impl FnOnce(&mut Map<String, Value>)) {
        let mut object = match self.fields.remove(name) {
            Some(Value::Object(object)) => object,
            _ => Map::new(),
        };
        change(&mut object);
        self.set(name, object);
    }

    /// Changes a member that is a list, made where it isn't one.
    fn list(&mut self, name: &str, change: impl FnOnce(&mut Vec<Value>)) {
        let mut list = match self.fields.remove(name) {
            Some(Value::Array(list)) => list,
            _ => Vec::new(),
        };
        change(&mut list);
        self.set(name, list);
    }
}

/// Whether an entry of an environment is of this variable.
fn is_variable(entry: &Value, name: &str) -> bool {
    entry.as_str().and_then(|e| e.split_once('=')).is_some_and(|(n, _)| n == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(changes: &[&str]) -> String {
        let mut config = RunConfig::default();
        for change in changes {
            config.apply(change.parse().unwrap_or_else(|e| panic!("{e}")));
        }
        config.into_value().to_string()
    }

    #[test]
    fn instructions_set_what_dockers_do() {
        let rows: &[(&[&str], &str)] = &[
            (&[], "{}"),
            (&["CMD [\"a\", \"b c\"]"], r#"{"Cmd":["a","b c"]}"#),
            (&["cmd echo $X"], r#"{"Cmd":["/bin/sh","-c","echo $X"]}"#),
            (&["ENTRYPOINT [\"/x\"]"], r#"{"Entrypoint":["/x"]}"#),
            (
                &["ENV A=1 B=\"two words\" C='x\\y' D=a\\ b"],
                r#"{"Env":["A=1","B=two words","C=x\\y","D=a b"]}"#,
            ),
            (&["ENV A one two", "ENV B=2", "ENV A=3"], r#"{"Env":["A=3","B=2"]}"#),
            (&["EXPOSE 80 53/UDP"], r#"{"ExposedPorts":{"53/udp":{},"80/tcp":{}}}"#),
            (&["LABEL a=b", "LABEL a=\"\""], r#"{"Labels":{"a":""}}"#),
            (&["USER me:us"], r#"{"User":"me:us"}"#),
            (&["VOLUME /a /b", "VOLUME [\"/c d\"]"], r#"{"Volumes":{"/a":{},"/b":{},"/c d":{}}}"#),
            (&["WORKDIR a", "WORKDIR b"], r#"{"WorkingDir":"/a/b"}"#),
            (&["WORKDIR /a", "WORKDIR /b"], r#"{"WorkingDir":"/b"}"#),
            (&["STOPSIGNAL SIGINT"], r#"{"StopSignal":"SIGINT"}"#),
            (&["ONBUILD RUN a", "onbuild COPY . /"], r#"{"OnBuild":["RUN a","COPY . /"]}"#),
            (&["CMD [\"a\"]", "ENTRYPOINT [\"/x\"]"], r#"{"Cmd":["a"],"Entrypoint":["/x"]}"#),
        ];
        for (changes, expected) in rows {
            assert_eq!(config(changes), *expected);
        }
    }

    #[test]
    fn what_an_image_says_beyond_stays() {
        let base = json!({"Healthcheck": {"Test": ["CMD"]}, "Cmd": ["sh"], "Env": ["A=1"],
            "Labels": null, "WorkingDir": "/srv"});
        let mut config = RunConfig::of(base);
        for change in ["ENTRYPOINT /e", "LABEL a=b", "ENV A=2 B=3", "WORKDIR x"] {
            config.apply(change.parse().unwrap());
        }
        let expected = json!({"Healthcheck": {"Test": ["CMD"]},
            "Entrypoint": ["/bin/sh", "-c", "/e"], "Env": ["A=2", "B=3"],
            "Labels": {"a": "b"}, "WorkingDir": "/srv/x"});
        assert_eq!(config.into_value(), expected);
        assert_eq!(RunConfig::of(Value::Null).into_value(), json!({}));
    }

    #[test]
    fn what_is_no_instruction_is_named() {
        for (text, why) in [
            ("RUN ls", "isn't one of CMD"),
            ("", "needs a value"),
            ("CMD", "needs a value"),
            ("ENV A", "no value"),
            ("ENV A=1 B", "isn't NAME=VALUE"),
            ("ENV A='x", "isn't closed"),
            ("EXPOSE http", "isn't a port"),
            ("EXPOSE 0", "isn't a port"),
            ("EXPOSE 80/icmp", "isn't a port"),
            ("ONBUILD FROM x", "can't be a trigger"),
        ] {
            let error = text.parse::<Change>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}

//! `--filter` of the commands that prune.

use std::str::FromStr;
use std::time::{Duration, SystemTime};

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PruneFilter {
    /// `until=TIME`: made before then.
    Until(SystemTime),
    /// `label=KEY` or `label=KEY=VALUE`.
    Label(String, Option<String>),
}

impl FromStr for PruneFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some(("until", time)) => match parse_time(time, SystemTime::now()) {
                Some(time) => Ok(Self::Until(time)),
                None => Err(format!(
                    "{time:?} is no time: write an age (24h, 1h30m, 10s), seconds since 1970, or \
                     2026-01-31T12:00:00Z"
                )),
            },
            Some(("label", label)) => Ok(match label.split_once('=') {
                Some((key, value)) => Self::Label(key.to_owned(), Some(value.to_owned())),
                None => Self::Label(label.to_owned(), None),
            }),
            _ => Err("write until=TIME or label=KEY[=VALUE]".to_owned()),
        }
    }
}

/// The earliest of the times, and all labels.
pub fn parts(filters: &[PruneFilter]) -> (Option<SystemTime>, Vec<(&str, Option<&str>)>) {
    let times = filters.iter().filter_map(|f| match f {
        PruneFilter::Until(time) => Some(*time),
        PruneFilter::Label(..) => None,
    });
    let labels = filters.iter().filter_map(|f| match f {
        PruneFilter::Label(key, value) => Some((key.as_str(), value.as_deref())),
        PruneFilter::Until(_) => None,
    });
    (times.min(), labels.collect())
}

/// A point in time as docker(1) takes it: an age in Go's form, seconds since
/// 1970, or RFC 3339.
fn parse_time(text: &str, now: SystemTime) -> Option<SystemTime> {
    if let Ok(seconds) = text.parse::<u64>() {
        return SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    }
    if let Some(age) = parse_age(text) {
        return now.checked_sub(age);
    }
    text.parse::<jiff::Timestamp>().ok().map(SystemTime::from)
}

fn parse_age(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|n| *n > 0)?;
        let (number, behind) = rest.split_at(digits);
        let unit_end = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit_end);
        let seconds = match unit {
            "h" => 3600,
            "m" => 60,
            "s" => 1,
            _ => return None,
        };
        let part = number.parse::<u64>().ok()?.checked_mul(seconds)?;
        sum = sum.checked_add(Duration::from_secs(part))?;
        rest = behind;
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dockers() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        for (text, time) in [
            ("24h", at(1_000_000 - 86_400)),
            ("1h30m", at(1_000_000 - 5_400)),
            ("10s", at(999_990)),
            ("7", at(7)),
            ("1970-01-02T00:00:00Z", at(86_400)),
            ("", None),
            ("h", None),
            ("1d", None),
            ("yesterday", None),
            ("99999999999999999999h", None),
        ] {
            assert_eq!(parse_time(text, now), time, "{text}");
        }
    }

    #[test]
    fn filters_are_read() {
        assert_eq!("label=a".parse(), Ok(PruneFilter::Label("a".into(), None)));
        assert_eq!("label=a=b=c".parse(), Ok(PruneFilter::Label("a".into(), Some("b=c".into()))));
        assert!("colour=red".parse::<PruneFilter>().is_err());
        assert!("until=soon".parse::<PruneFilter>().is_err());
    }
}

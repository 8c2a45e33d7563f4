//! Times as people say them.

use std::time::{Duration, SystemTime};

/// How long ago `then` was, in docker's words ("2 hours ago"). A time in the
/// future is "in the future": a clock was set back, and saying "now" would hide
/// it.
#[must_use]
pub fn ago(then: SystemTime, now: SystemTime) -> String {
    now.duration_since(then).map_or_else(|_| "in the future".into(), |d| format!("{} ago", span(d)))
}

/// A length of time in docker's words: one unit, rounded down.
#[must_use]
pub fn span(d: Duration) -> String {
    let seconds = d.as_secs();
    let (count, unit) = match seconds {
        0 => return "less than a second".into(),
        1..=59 => (seconds, "second"),
        60..=3599 => (seconds / 60, "minute"),
        3600..=172_799 => (seconds / 3600, "hour"),
        172_800..=1_209_599 => (seconds / 86_400, "day"),
        1_209_600..=5_259_599 => (seconds / 604_800, "week"),
        5_259_600..=63_115_199 => (seconds / 2_629_800, "month"),
        _ => (seconds / 31_557_600, "year"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_unit_rounded_down() {
        let rows = [
            (0, "less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "1 minute"),
            (3599, "59 minutes"),
            (7200, "2 hours"),
            (86_400, "24 hours"),
            (172_800, "2 days"),
            (1_209_600, "2 weeks"),
            (5_259_600, "2 months"),
            (63_115_200, "2 years"),
        ];
        for (seconds, text) in rows {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn the_future_is_named() {
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(10);
        assert_eq!(ago(then, SystemTime::UNIX_EPOCH), "in the future");
        assert_eq!(ago(SystemTime::UNIX_EPOCH, then), "10 seconds ago");
    }
}

//! Which of an image's builds runs on this host.

use std::fmt;

use serde::Deserialize;

/// Operating system and processor, in Go's words.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Platform {
    #[serde(default)]
    pub(crate) os: String,
    #[serde(default)]
    pub(crate) architecture: String,
    #[serde(default)]
    pub(crate) variant: Option<String>,
}

impl Platform {
    /// This host's.
    pub(crate) fn host() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", None),
            "x86" => ("386", None),
            "aarch64" => ("arm64", Some("v8")),
            "arm" => ("arm", Some("v7")),
            "powerpc64" if cfg!(target_endian = "little") => ("ppc64le", None),
            "powerpc64" => ("ppc64", None),
            "loongarch64" => ("loong64", None),
            other => (other, None),
        };
        Self {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.map(str::to_owned),
        }
    }

    /// How well a build for `self` runs on `host`: the least is best, `None` is
    /// not at all.
    ///
    /// A variant is a set of instructions that older processors lack. Whether
    /// this one has them isn't asked: only what every processor of the
    /// architecture runs is taken, and for arm the newest up to the host's.
    pub(crate) fn rank(&self, host: &Self) -> Option<usize> {
        if self.os != host.os || self.architecture != host.architecture {
            return None;
        }
        let order: &[&str] = match self.architecture.as_str() {
            "amd64" => &["v1", ""],
            "arm64" => &["v8", ""],
            "arm" => &["v7", "", "v6", "v5"],
            _ => &[""],
        };
        let variant = self.variant.as_deref().unwrap_or("");
        order.iter().position(|known| *known == variant)
    }

    /// Builders list a build's attestations as one for an unknown platform.
    pub(crate) fn is_unknown(&self) -> bool {
        self.os == "unknown" || self.architecture == "unknown"
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match self.variant.as_deref() {
            Some("") | None => Ok(()),
            Some(variant) => write!(f, "/{variant}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        let mut parts = text.split('/').map(str::to_owned);
        Platform {
            os: parts.next().unwrap_or_default(),
            architecture: parts.next().unwrap_or_default(),
            variant: parts.next(),
        }
    }

    #[test]
    fn what_runs_where() {
        let best = |host: &str, builds: &[&'static str]| {
            let host = platform(host);
            builds
                .iter()
                .filter_map(|b| Some((platform(b).rank(&host)?, *b)))
                .min_by_key(|(rank, _)| *rank)
                .map(|(_, build)| build)
        };
        let rows: &[(&str, &[&str], Option<&str>)] = &[
            ("linux/amd64", &["linux/arm64/v8", "linux/amd64"], Some("linux/amd64")),
            ("linux/amd64", &["linux/amd64/v3"], None),
            ("linux/amd64", &["windows/amd64"], None),
            ("linux/arm64/v8", &["linux/arm/v7", "linux/arm64"], Some("linux/arm64")),
            ("linux/arm/v7", &["linux/arm/v6", "linux/arm/v7"], Some("linux/arm/v7")),
        ];
        for (host, builds, expected) in rows {
            assert_eq!(best(host, builds), *expected, "{host}: {builds:?}");
        }
    }
}

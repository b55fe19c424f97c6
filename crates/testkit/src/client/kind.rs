//! Which clients there are, and whether one can run here.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use crate::testbed;

/// A published Nacos client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Java `nacos-client` of a version: 1.4 speaks HTTP, beats and UDP, from 2.0 on it is gRPC.
    Java(&'static str),
    /// `nacos-sdk-go/v2`, gRPC.
    Go,
    /// `nacos-sdk-python`, gRPC.
    Python,
    /// `nacos` of npm, HTTP with beats and UDP.
    Node,
}

impl Kind {
    /// Why it cannot run here, if it cannot.
    pub fn missing(self) -> Option<String> {
        testbed::missing_of(self.name(), self.programs())
    }

    /// The script that runs it.
    pub(super) fn command(self) -> Command {
        let mut command = Command::new(self.script());
        if let Self::Java(version) = self {
            command.env("CLIENT_VERSION", version);
        }
        command
    }

    fn script(self) -> PathBuf {
        let name = format!("{}-client", self.name());
        testbed::folder().join(&name).join(&name)
    }

    /// As its folder in the testbed begins.
    fn name(self) -> &'static str {
        match self {
            Self::Java(_) => "java",
            Self::Go => "go",
            Self::Python => "python",
            Self::Node => "node",
        }
    }

    /// What has to be installed.
    fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Java(_) => &["bash", "flock", "java", "javac", "mvn"],
            Self::Go => &["bash", "flock", "go"],
            Self::Python => &["bash", "flock", "python3"],
            Self::Node => &["bash", "flock", "node", "npm"],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Java(version) => write!(f, "Java {version}"),
            Self::Go => f.write_str("Go"),
            Self::Python => f.write_str("Python"),
            Self::Node => f.write_str("Node"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_script() {
        for kind in [Kind::Java("2.5.1"), Kind::Go, Kind::Python, Kind::Node] {
            assert!(kind.script().is_file(), "{kind}");
        }
    }
}

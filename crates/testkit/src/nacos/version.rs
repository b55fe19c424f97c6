//! The versions that the testbed can start.

use std::fmt;

/// A version of Nacos that exists as packages. For 1.4.8, 2.5.1 and 3.0.3 there are [recordings](crate::recordings).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// 1.3.0: HTTP v1, beats, UDP push; no gRPC.
    V1_3_0,
    /// 2.0.3: gRPC without batch registration.
    V2_0_3,
    /// 2.1.1: batch registration, and the last with `/v1/ns/upgrade/ops`.
    V2_1_1,
    /// 2.2.4: HTTP v2. Never notices a frozen gRPC client (the published build lacks the idle probe).
    V2_2_4,
}

impl Version {
    /// All of them, oldest first.
    pub const ALL: [Self; 4] = [Self::V1_3_0, Self::V2_0_3, Self::V2_1_1, Self::V2_2_4];

    /// The number as the server tells it, for instance `2.1.1`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1_3_0 => "1.3.0",
            Self::V2_0_3 => "2.0.3",
            Self::V2_1_1 => "2.1.1",
            Self::V2_2_4 => "2.2.4",
        }
    }

    /// Whether servers of this version speak gRPC.
    pub fn has_grpc(self) -> bool {
        self >= Self::V2_0_3
    }

    /// The published build that the testbed resolves.
    pub(super) fn build(self) -> &'static str {
        match self {
            Self::V2_2_4 => "2.2.4-x86",
            other => other.as_str(),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

//! Nacos versions, and what each of them can do.
//!
//! No naming API states the server's version, and the pages that do may be
//! blocked or absent. So what is known of a server is a range of versions
//! ([`Versions`]), narrowed by every answer that only some versions give, and a
//! capability is *yes*, *no* or *unknown, try* ([`Support`]) by comparing that
//! range with the versions that have it. An exact version is the range of one.
//!
//! Asking a server is [`crate::http::HttpClient::probe`]'s task; this module only knows
//! the table.

use std::fmt;

use syncline_model::Identity;

/// A released version, compared by its three numbers.
///
/// Suffixes such as `-SNAPSHOT` or `-x86` do not count: what a server can do
/// goes by its numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServerVersion {
    /// The first number: 1, 2 or 3.
    pub major: u16,
    /// The second number.
    pub minor: u16,
    /// The third number.
    pub patch: u16,
}

impl ServerVersion {
    /// Names a version.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// Reads `2.1.1`, `v2.1`, `2.2.4-x86` or `3.1.0-SNAPSHOT`; `None` for
    /// anything that does not begin with a number and a dot.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix('v').unwrap_or(text);
        let numbers = text.split(['-', '+', '_', ' ']).next()?;
        let mut parts = numbers.split('.');
        let major = parts.next()?.parse().ok()?;
        let minor = parts.next()?.parse().ok()?;
        let patch = match parts.next() {
            Some(part) => part.parse().ok()?,
            None => 0,
        };
        Some(Self::new(major, minor, patch))
    }

    const fn next(self) -> Self {
        Self::new(self.major, self.minor, self.patch + 1)
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}.{}", self.major, self.minor, self.patch))
    }
}

/// The versions from one on, up to but not including another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Versions {
    from: ServerVersion,
    before: Option<ServerVersion>,
}

impl Versions {
    /// All of them: nothing is known.
    pub const ANY: Self = Self::since(0, 0, 0);

    /// That version and all later ones.
    pub const fn since(major: u16, minor: u16, patch: u16) -> Self {
        Self {
            from: ServerVersion::new(major, minor, patch),
            before: None,
        }
    }

    /// These versions, as far as they are earlier than the one given.
    pub const fn until(self, major: u16, minor: u16, patch: u16) -> Self {
        Self {
            from: self.from,
            before: Some(ServerVersion::new(major, minor, patch)),
        }
    }

    /// Exactly one version.
    pub const fn exactly(version: ServerVersion) -> Self {
        Self {
            from: version,
            before: Some(version.next()),
        }
    }

    /// The earliest version it may be.
    pub fn earliest(self) -> ServerVersion {
        self.from
    }

    /// Whether a version is among these.
    pub fn contains(self, version: ServerVersion) -> bool {
        version >= self.from && self.before.is_none_or(|before| version < before)
    }

    /// The versions in both, `None` where there are none.
    pub fn and(self, other: Self) -> Option<Self> {
        let from = self.from.max(other.from);
        let before = match (self.before, other.before) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, None) | (None, one) => one,
        };
        before
            .is_none_or(|before| from < before)
            .then_some(Self { from, before })
    }

    fn within(self, other: Self) -> bool {
        self.and(other) == Some(self)
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.before {
            Some(before) if before == self.from.next() => self.from.fmt(f),
            Some(before) => write!(f, "{} or later, before {before}", self.from),
            None if *self == Self::ANY => f.write_str("any version"),
            None => write!(f, "{} or later", self.from),
        }
    }
}

/// Whether a server can do something.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Support {
    /// Every version it may be can.
    Yes,
    /// No version it may be can.
    No,
    /// Some can: try, and take the refusal for the answer.
    Unknown,
}

impl Support {
    /// Whether a server of that range of versions belongs to those that can.
    fn of(known: Versions, capable: Versions) -> Self {
        match known.and(capable) {
            None => Self::No,
            Some(_) if known.within(capable) => Self::Yes,
            Some(_) => Self::Unknown,
        }
    }

    /// Whether it is worth trying.
    pub fn worth_trying(self) -> bool {
        self != Self::No
    }
}

/// The generation of the naming protocol, which decides how one talks to a
/// server at all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Generation {
    /// 1.x: HTTP, beats and UDP push.
    V1,
    /// 2.x: gRPC, and the HTTP of 1.x.
    V2,
    /// 3.x: gRPC, and the v3 HTTP API.
    V3,
}

impl Generation {
    fn of(known: Versions) -> Self {
        match known.earliest().major {
            0 | 1 => Self::V1,
            2 => Self::V2,
            _ => Self::V3,
        }
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V1 => "1.x",
            Self::V2 => "2.x",
            Self::V3 => "3.x",
        })
    }
}

/// The number of the first page of a list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FirstPage {
    /// Pages count from 0.
    Zero,
    /// Pages count from 1.
    One,
    /// Not known: page 0 and page 1 tell, being equal where pages count from 1.
    Unknown,
}

/// The call that reads all services of a namespace with their instances, as
/// they are registered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BulkApi {
    /// `GET /v1/ns/catalog/services?withInstances=true` (1.x and 2.x): health
    /// in `valid`, `ephemeral` unknown.
    Catalog(FirstPage),
    /// `GET /v3/admin/ns/service/list?withInstances=true` (3.x): needs a login
    /// unless the operator switched admin authentication off.
    Admin,
}

/// The call that lists the namespaces.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NamespaceApi {
    /// `GET /v1/console/namespaces` (1.x and 2.x).
    V1,
    /// `GET /v2/console/namespace/list` (2.2 and later 2.x).
    V2,
    /// `GET /v3/admin/core/namespace/list` (3.x), with a login.
    V3,
}

/// What a server can do, as far as its version tells. Each field names the
/// versions that can.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Features {
    /// Naming over gRPC at the HTTP port + 1000: 2.0 and later.
    pub grpc: Support,
    /// `BatchInstanceRequest`: 2.1.1 and later. Earlier ones answer errorCode 302.
    pub grpc_batch: Support,
    /// `PersistentInstanceRequest`: 2.3.0 and later.
    pub grpc_persistent: Support,
    /// TLS on the gRPC port: 2.2.1 and later.
    pub grpc_tls: Support,
    /// Naming fuzzy watch: 3.0 and later.
    pub fuzzy_watch: Support,
    /// The whole of `/v1/ns`: 1.x and 2.x.
    pub v1: Support,
    /// Register, deregister, beat, `instance/list` and `service/list` of
    /// `/v1/ns`: up to and including 3.1, which have nothing else of it by
    /// default; 3.2 has none.
    pub v1_client: Support,
    /// `/v2/ns` with the Result shape: 2.2.0 up to but not including 3.0. (2.0.4
    /// to 2.1 mix shapes; 3.0 and 3.1 answer 410 unless the operator asked for
    /// compatibility.)
    pub v2: Support,
    /// `/v3/client` and `/v3/admin`: 3.0 and later.
    pub v3: Support,
    /// `/v1/ns/upgrade/ops`: 2.0.2 to 2.1.2 only.
    pub upgrade_ops: Support,
    /// UDP push to HTTP subscribers: up to and including 3.1.
    pub udp_push: Support,
    /// Health set by hand on a cluster whose checker is NONE: works on 1.x. On
    /// 2.0.3 to 3.0.3 the call always fails (measured), and registering the
    /// instance again sets its health instead.
    pub manual_health: Support,
    /// `PUT /v1/ns/instance` changes the stored instance: 1.x. On 2.x and later
    /// it writes an override that outlives the instance by 60 s and wins over
    /// its publisher, so that it must not be used to update.
    pub update_in_place: Support,
    /// Ephemeral instances live at most 180 s without a beat, whatever their
    /// delete timeout says: 2.0 and later (measured on 2.0.3 to 2.2.4).
    pub beat_expiry_capped: Support,
    /// Metadata of more than 1,024 characters and names with spaces or CJK are
    /// refused: 2.3.0 and later by default.
    pub parameter_check: Support,
    /// The server fills in `instanceId` for gRPC registrations: 2.5 and later
    /// (measured on 2.5.1 and 3.0.3; 2.0.3 to 2.2.4 leave it absent).
    pub grpc_fills_instance_id: Support,
    /// The raw bulk read.
    pub bulk: BulkApi,
    /// The list of namespaces.
    pub namespaces: NamespaceApi,
    /// What identifies an instance registered over HTTP: its cluster counts on
    /// 1.x alone. (Over gRPC it always counts.)
    pub http_identity: Identity,
}

impl Features {
    /// What a server can do whose version is in that range.
    pub fn of(known: Versions) -> Self {
        let since = |major, minor, patch| Support::of(known, Versions::since(major, minor, patch));
        let before =
            |major, minor, patch| Support::of(known, Versions::ANY.until(major, minor, patch));
        Self {
            grpc: since(2, 0, 0),
            grpc_batch: since(2, 1, 1),
            grpc_persistent: since(2, 3, 0),
            grpc_tls: since(2, 2, 1),
            fuzzy_watch: since(3, 0, 0),
            v1: before(3, 0, 0),
            v1_client: before(3, 2, 0),
            v2: Support::of(known, Versions::since(2, 2, 0).until(3, 0, 0)),
            v3: since(3, 0, 0),
            upgrade_ops: Support::of(known, Versions::since(2, 0, 2).until(2, 1, 3)),
            udp_push: before(3, 2, 0),
            manual_health: before(2, 0, 0),
            update_in_place: before(2, 0, 0),
            beat_expiry_capped: since(2, 0, 0),
            parameter_check: since(2, 3, 0),
            grpc_fills_instance_id: since(2, 5, 0),
            bulk: bulk(known),
            namespaces: match since(3, 0, 0) {
                Support::Yes => NamespaceApi::V3,
                Support::No | Support::Unknown => NamespaceApi::V1,
            },
            http_identity: match before(2, 0, 0) {
                Support::Yes => Identity::AddressAndCluster,
                Support::No | Support::Unknown => Identity::Address,
            },
        }
    }
}

fn bulk(known: Versions) -> BulkApi {
    if Support::of(known, Versions::since(3, 0, 0)) == Support::Yes {
        return BulkApi::Admin;
    }
    BulkApi::Catalog(match Support::of(known, Versions::since(2, 0, 0)) {
        Support::No => FirstPage::Zero,
        Support::Yes => FirstPage::One,
        Support::Unknown => FirstPage::Unknown,
    })
}

/// What is known of a server after asking it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Negotiated {
    /// The exact version, where a page of the server tells it.
    pub version: Option<ServerVersion>,
    /// The versions it may be.
    pub known: Versions,
    /// How to talk to it.
    pub generation: Generation,
    /// What it can do.
    pub features: Features,
    /// How all this was found out, for people.
    pub how: String,
}

impl Negotiated {
    /// A server that told its version.
    pub fn exactly(version: ServerVersion, how: impl Into<String>) -> Self {
        Self {
            version: Some(version),
            ..Self::inferred(Versions::exactly(version), how)
        }
    }

    /// A server whose version follows from what it answers.
    pub fn inferred(known: Versions, how: impl Into<String>) -> Self {
        Self {
            version: None,
            known,
            generation: Generation::of(known),
            features: Features::of(known),
            how: how.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(text: &str) -> Features {
        Features::of(Versions::exactly(
            ServerVersion::parse(text).expect("a version"),
        ))
    }

    #[test]
    fn versions_are_read_with_their_suffixes_and_ordered_by_numbers() {
        assert_eq!(
            ServerVersion::parse("2.2.4-x86"),
            Some(ServerVersion::new(2, 2, 4))
        );
        assert_eq!(
            ServerVersion::parse(" v3.1.0-SNAPSHOT "),
            Some(ServerVersion::new(3, 1, 0))
        );
        assert_eq!(
            ServerVersion::parse("2.5"),
            Some(ServerVersion::new(2, 5, 0))
        );
        for bad in ["", "nacos", "2", "2.x", "1.2.y", "-1.0.0", "99999999.0"] {
            assert_eq!(ServerVersion::parse(bad), None, "{bad}");
        }
        assert!(ServerVersion::new(2, 10, 0) > ServerVersion::new(2, 9, 9));
    }

    #[test]
    fn ranges_narrow_and_contradictions_are_empty() {
        let two = Versions::since(2, 0, 0).until(3, 0, 0);
        let upgrade = Versions::since(2, 0, 2).until(2, 1, 3);
        assert_eq!(two.and(upgrade), Some(upgrade));
        assert_eq!(two.and(Versions::since(3, 0, 0)), None);
        assert_eq!(Versions::ANY.and(two), Some(two));
        assert!(upgrade.contains(ServerVersion::new(2, 1, 2)));
        assert!(!upgrade.contains(ServerVersion::new(2, 1, 3)));
        assert_eq!(two.to_string(), "2.0.0 or later, before 3.0.0");
        assert_eq!(
            Versions::exactly(ServerVersion::new(2, 1, 1)).to_string(),
            "2.1.1"
        );
    }

    #[test]
    fn the_table_at_exact_versions() {
        use Support::{No, Yes};
        for (version, grpc, batch, persistent, v1, v2, v3, upgrade) in [
            ("1.3.0", No, No, No, Yes, No, No, No),
            ("2.0.1", Yes, No, No, Yes, No, No, No),
            ("2.0.3", Yes, No, No, Yes, No, No, Yes),
            ("2.1.1", Yes, Yes, No, Yes, No, No, Yes),
            ("2.2.4", Yes, Yes, No, Yes, Yes, No, No),
            ("2.5.1", Yes, Yes, Yes, Yes, Yes, No, No),
            ("3.0.3", Yes, Yes, Yes, No, No, Yes, No),
            ("3.2.0", Yes, Yes, Yes, No, No, Yes, No),
        ] {
            let found = features(version);
            assert_eq!(
                (
                    found.grpc,
                    found.grpc_batch,
                    found.grpc_persistent,
                    found.v1,
                    found.v2,
                    found.v3,
                    found.upgrade_ops
                ),
                (grpc, batch, persistent, v1, v2, v3, upgrade),
                "{version}"
            );
        }
        assert_eq!(features("3.1.0").v1_client, Yes);
        assert_eq!(features("3.2.0").v1_client, No);
    }

    #[test]
    fn the_bulk_read_goes_by_version() {
        assert_eq!(features("1.4.8").bulk, BulkApi::Catalog(FirstPage::Zero));
        assert_eq!(features("2.0.3").bulk, BulkApi::Catalog(FirstPage::One));
        assert_eq!(features("3.0.3").bulk, BulkApi::Admin);
        assert_eq!(
            Features::of(Versions::ANY).bulk,
            BulkApi::Catalog(FirstPage::Unknown)
        );
    }

    #[test]
    fn what_the_range_cannot_tell_is_unknown() {
        // A 2.x server with the upgrade API may or may not know batches.
        let found = Features::of(Versions::since(2, 0, 2).until(2, 1, 3));
        assert_eq!(found.upgrade_ops, Support::Yes);
        assert_eq!(found.grpc, Support::Yes);
        assert_eq!(found.grpc_batch, Support::Unknown);
        assert!(found.grpc_batch.worth_trying());
        assert_eq!(found.grpc_persistent, Support::No);
    }
}

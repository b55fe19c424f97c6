//! Which of the ways to keep registrations alive is taken. Pure.

use syncline_contract::Hold;
use syncline_nacos::version::{Negotiated, Support};

use crate::config::HoldMode;

/// The way, and what an operator should know of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Resolved {
    pub(super) hold: Hold,
    /// What a crash of ours does.
    pub(super) crash: &'static str,
}

/// Decides, or says why what is asked for cannot be.
pub(super) fn resolve(
    mode: HoldMode,
    replicas: usize,
    server: &Negotiated,
) -> Result<Resolved, String> {
    let batches = server.features.grpc_batch;
    let hold = match mode {
        HoldMode::Persistent => Hold::Persistent,
        // Every version takes beats: 3.x by an API of its own.
        HoldMode::Beat => Hold::Beat,
        HoldMode::Connection if batches.worth_trying() => Hold::Connection,
        HoldMode::Connection => {
            return Err(format!(
                "`hold: connection` needs Nacos 2.1.1 or later, and this is {}, which takes one \
                 instance for each connection and service at most; use `beat`",
                server.known
            ));
        }
        HoldMode::Auto if replicas >= 2 && batches == Support::Yes => Hold::Connection,
        HoldMode::Auto => Hold::Beat,
    };
    let crash = crash(hold);
    Ok(Resolved { hold, crash })
}

fn crash(hold: Hold) -> &'static str {
    match hold {
        Hold::Connection => {
            "should every replica of Syncline die, its registrations are gone after half a second"
        }
        Hold::Beat => {
            "should Syncline die, its registrations turn unhealthy after a minute and go after three"
        }
        Hold::Persistent => {
            "should Syncline die, its registrations stay until it runs again or somebody removes them"
        }
        Hold::Written => "what is written stays",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_nacos::version::{ServerVersion, Versions};

    fn server(version: &str) -> Negotiated {
        let version = ServerVersion::parse(version).expect("a version");
        Negotiated::exactly(version, "a test")
    }

    fn held(mode: HoldMode, replicas: usize, version: &str) -> Option<Hold> {
        resolve(mode, replicas, &server(version))
            .ok()
            .map(|r| r.hold)
    }

    #[test]
    fn by_itself_it_goes_by_replicas_and_version() {
        use Hold::{Beat, Connection};
        for (version, one, two) in [
            ("1.3.0", Beat, Beat),
            ("2.0.3", Beat, Beat),
            ("2.1.1", Beat, Connection),
            ("3.0.3", Beat, Connection),
            ("3.2.0", Beat, Connection),
        ] {
            assert_eq!(held(HoldMode::Auto, 1, version), Some(one), "{version}");
            assert_eq!(held(HoldMode::Auto, 2, version), Some(two), "{version}");
        }
    }

    #[test]
    fn what_a_version_cannot_do_is_refused_and_named() {
        let refused = resolve(HoldMode::Connection, 2, &server("2.0.3")).expect_err("no batch");
        assert!(
            refused.contains("2.0.3") && refused.contains("2.1.1"),
            "{refused}"
        );
        assert_eq!(held(HoldMode::Connection, 1, "1.3.0"), None);
        assert_eq!(held(HoldMode::Beat, 1, "3.2.0"), Some(Hold::Beat));
        assert_eq!(
            held(HoldMode::Persistent, 1, "1.3.0"),
            Some(Hold::Persistent)
        );
    }

    #[test]
    fn a_version_that_hides_is_tried_only_where_it_was_asked_for() {
        let hidden = Negotiated::inferred(Versions::since(2, 0, 2).until(2, 1, 3), "a test");
        let hold = |mode| resolve(mode, 2, &hidden).map(|r| r.hold);
        assert_eq!(hold(HoldMode::Connection), Ok(Hold::Connection));
        assert_eq!(hold(HoldMode::Auto), Ok(Hold::Beat));
    }
}

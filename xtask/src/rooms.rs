//! The rooms of Syncline, in the order in which arrows may point (design §4, `ARCHITECTURE.md`).

/// What every connector's crate is named, up to the connector.
const CONNECTOR: &str = "syncline-connector-";

/// The only crate that tests alone may use.
pub(crate) const TESTKIT: &str = "syncline-testkit";

/// The simulator, which never ships either.
pub(crate) const SIM: &str = "syncline-sim";

/// A room may depend on the rooms before it. Connectors share a place, so that they cannot know each other.
const ORDER: [&str; 12] = [
    "syncline-model",
    "syncline-contract",
    "syncline-files",
    "syncline-nacos",
    "syncline-registry",
    "syncline-engine",
    CONNECTOR,
    "syncline-admin",
    "syncline",
    TESTKIT,
    SIM,
    "xtask",
];

/// The place of a crate in the order; `None` for a crate that is no room.
pub(crate) fn place(name: &str) -> Option<usize> {
    let room = if name.starts_with(CONNECTOR) {
        CONNECTOR
    } else {
        name
    };
    ORDER.iter().position(|known| *known == room)
}

/// Why a room must not depend on another, if it must not.
pub(crate) fn forbidden(from: &str, to: &str, dev: bool) -> Option<&'static str> {
    let (from_place, to_place) = (place(from)?, place(to)?);
    let is_connector = from.starts_with(CONNECTOR);
    match to {
        TESTKIT if dev || from == "xtask" => None,
        TESTKIT => Some("the testkit never ships: depend on it for tests only"),
        "syncline-engine" if is_connector => Some("connectors do not know the engine"),
        _ if is_connector && to_place == from_place => Some("connectors do not know each other"),
        _ if to_place >= from_place => Some("arrows point only to rooms above"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_point_up_only() {
        assert_eq!(forbidden("syncline-engine", "syncline-model", false), None);
        assert_eq!(forbidden("syncline-admin", "syncline-engine", false), None);
        assert_eq!(
            forbidden("syncline", "syncline-connector-file", false),
            None
        );
        assert_eq!(forbidden("xtask", "syncline", false), None);
        assert!(forbidden("syncline-model", "syncline-engine", false).is_some());
        assert!(forbidden("syncline-engine", "syncline-connector-nacos", true).is_some());
    }

    #[test]
    fn connectors_stand_alone() {
        let [file, nacos] = ["syncline-connector-file", "syncline-connector-nacos"];
        assert_eq!(
            forbidden(nacos, file, false),
            Some("connectors do not know each other")
        );
        assert_eq!(
            forbidden(nacos, "syncline-engine", true),
            Some("connectors do not know the engine")
        );
        assert_eq!(forbidden(nacos, "syncline-nacos", false), None);
    }

    #[test]
    fn the_testkit_is_for_tests() {
        assert_eq!(forbidden("syncline-model", TESTKIT, true), None);
        assert!(forbidden("syncline-model", TESTKIT, false).is_some());
        assert_eq!(forbidden("xtask", TESTKIT, false), None);
    }

    #[test]
    fn foreign_crates_have_no_place() {
        assert_eq!(place("tokio"), None);
        assert_eq!(forbidden("syncline-model", "tokio", false), None);
    }
}

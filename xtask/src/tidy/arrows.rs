//! Arrows between rooms point only up.

use super::Finding;
use crate::metadata::Package;
use crate::rooms;

pub(super) fn check(members: &[Package]) -> Vec<Finding> {
    members.iter().flat_map(check_room).collect()
}

fn check_room(room: &Package) -> Vec<Finding> {
    let place = format!("crate {}", room.name);
    if rooms::place(&room.name).is_none() {
        return vec![Finding::new(
            place,
            "is no room of the design: a new crate needs a reason and a place in `rooms.rs`",
        )];
    }
    let wrong = room.dependencies.iter().filter_map(|dependency| {
        let reason = rooms::forbidden(&room.name, &dependency.name, dependency.dev)?;
        Some(Finding::new(
            place.clone(),
            format!("must not depend on {}: {reason}", dependency.name),
        ))
    });
    wrong.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Dependency;

    fn room(name: &str, dependencies: &[(&str, bool)]) -> Package {
        let dependency = |&(name, dev): &(&str, bool)| Dependency {
            name: name.to_owned(),
            dev,
        };
        Package {
            id: name.to_owned(),
            name: name.to_owned(),
            version: "0.1.0".to_owned(),
            license: None,
            source: None,
            folder: "/w".into(),
            dependencies: dependencies.iter().map(dependency).collect(),
            has_library: true,
        }
    }

    #[test]
    fn a_tidy_workspace_has_no_findings() {
        let engine = room(
            "syncline-engine",
            &[
                ("syncline-model", false),
                ("tokio", false),
                ("syncline-testkit", true),
            ],
        );
        assert_eq!(check(&[room("syncline-model", &[]), engine]), []);
    }

    #[test]
    fn a_wrong_arrow_names_both_ends_and_the_reason() {
        let findings = check(&[room(
            "syncline-engine",
            &[("syncline-connector-file", false)],
        )]);
        let text = findings[0].to_string();
        assert!(
            text.starts_with("crate syncline-engine: must not depend on syncline-connector-file"),
            "{text}"
        );
    }

    #[test]
    fn an_unknown_crate_is_a_finding() {
        assert_eq!(check(&[room("syncline-extras", &[])]).len(), 1);
    }
}

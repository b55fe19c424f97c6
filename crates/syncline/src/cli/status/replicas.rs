//! What `status` says of the other replicas.

use std::time::Duration;

use syncline_admin::api;

use crate::output::number::plural;
use crate::output::palette::Palette;
use crate::output::time::spoken;

/// How long replicas may differ before it is told: every change makes them
/// differ for a moment.
const DIFFER_FOR: f64 = 6.0;

/// A line for the replica, and one for each of its links that is not as ours.
pub(super) fn text(peer: &api::Peer, palette: Palette) -> String {
    let remarks: Vec<String> = peer.links.iter().flat_map(remark).collect();
    let mut lines = Vec::new();
    match (&peer.lost, peer.heard_seconds_ago) {
        (Some(why), heard) => {
            let heard = heard.map_or_else(
                || "never heard".to_owned(),
                |ago| format!("last heard {} ago", seconds(ago)),
            );
            lines.push((true, format!("{heard}: {why}")));
        }
        (None, Some(ago)) if remarks.is_empty() => {
            let links = peer.links.len();
            let agrees = format!("heard {} ago, holds what we hold", seconds(ago));
            lines.push((false, format!("{agrees} ({})", plural(links, "link"))));
        }
        (None, _) => {}
    }
    lines.extend(remarks.into_iter().map(|remark| (true, remark)));
    let line = |(matters, what): (bool, String)| {
        let what = format!("replica {}: {what}", peer.address);
        match matters {
            true => format!("{} {what}\n", palette.changed("!")),
            false => format!("  {}\n", palette.dim(what)),
        }
    };
    lines.into_iter().map(line).collect()
}

fn remark(link: &api::PeerLink) -> Option<String> {
    let name = &link.name;
    if !link.same_rules {
        return Some(format!("{name} is configured otherwise there"));
    }
    if let Some(time) = link.differs_seconds.filter(|time| *time >= DIFFER_FOR) {
        let services = link.differing.iter();
        let services = services.map(|s| format!("{}/{}/{}", s.namespace, s.group, s.service));
        let services: Vec<_> = services.collect();
        let which = match services.is_empty() {
            true => String::new(),
            false => format!(", such as of {}", services.join(", ")),
        };
        return Some(format!(
            "{name} has held something else for {}{which}",
            seconds(time)
        ));
    }
    match link.seen_seconds_ago {
        Some(ago) if ago >= DIFFER_FOR => Some(format!(
            "{name} has not seen its source for {} there",
            seconds(ago)
        )),
        _ => None,
    }
}

fn seconds(time: f64) -> String {
    spoken(Duration::from_secs_f64(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> api::Peer {
        serde_json::from_str(text).expect("valid")
    }

    #[test]
    fn a_replica_that_agrees_has_one_quiet_line() {
        let peer = peer(
            r#"{"address":"b:8850","heard_seconds_ago":1.0,"links":[{"name":"copy",
            "seen_seconds_ago":0.5,"same_rules":true,"differs_seconds":2.0,"differing":[]}]}"#,
        );
        assert_eq!(
            text(&peer, Palette::PLAIN),
            "  replica b:8850: heard 1.0 s ago, holds what we hold (1 link)\n"
        );
    }

    #[test]
    fn what_is_wrong_is_said_link_by_link() {
        let peer = peer(
            r#"{"address":"b:8850","heard_seconds_ago":70.0,"lost":"connect to b:8850","links":[
            {"name":"x","same_rules":false,"differing":[]},
            {"name":"y","same_rules":true,"seen_seconds_ago":0.0,"differs_seconds":9.0,
             "differing":[{"namespace":"public","group":"G","service":"s"}]},
            {"name":"z","same_rules":true,"seen_seconds_ago":65.0,"differing":[]}]}"#,
        );
        assert_eq!(
            text(&peer, Palette::PLAIN),
            "\
! replica b:8850: last heard 1 min 10 s ago: connect to b:8850
! replica b:8850: x is configured otherwise there
! replica b:8850: y has held something else for 9.0 s, such as of public/G/s
! replica b:8850: z has not seen its source for 1 min 5 s there
"
        );
    }
}

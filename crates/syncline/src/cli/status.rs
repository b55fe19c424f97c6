//! `syncline status`: is all well?

use std::time::Duration;

use clap::Args;
use syncline_admin::api;

mod replicas;

use super::{Context, Exit, Usage};
use crate::output::describe::way;
use crate::output::number::grouped;
use crate::output::palette::{Palette, Tone};
use crate::output::safe;
use crate::output::table::{Cell, Table};
use crate::output::time::spoken;

/// How many problems of one endpoint are shown; the JSON has more.
const PROBLEMS_SHOWN: usize = 10;

/// Ask the running daemon how its links are
///
/// In step or behind, how long ago the source was seen, what is held and why.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  syncline status
  syncline status hz-to-sh -o json

Exit codes: 0 all well, 1 no daemon answers, 4 a link is behind, 5 the guard holds losses")]
pub struct StatusArgs {
    /// Only these links
    #[arg(value_name = "LINK")]
    pub links: Vec<String>,
}

impl StatusArgs {
    /// Asks and shows.
    ///
    /// # Errors
    /// When no daemon answers.
    pub async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let daemon = context.daemon()?;
        let mut status = daemon.status().await?;
        for name in &self.links {
            if !status.links.iter().any(|link| link.name == *name) {
                let known: Vec<_> = status.links.iter().map(|link| link.name.as_str()).collect();
                let known = known.join(", ");
                return Err(Usage(format!("there is no link `{name}`; there are: {known}")).into());
            }
        }
        if !self.links.is_empty() {
            status.links.retain(|link| self.links.contains(&link.name));
        }
        if context.screen.wants_data() {
            context.screen.data(&status)?;
        } else {
            let status = safe::answer(&status)?;
            context
                .screen
                .print(&text(&status, context.screen.palette))?;
        }
        Ok(exit(&status))
    }
}

fn text(status: &api::Status, palette: Palette) -> String {
    let mut table = Table::new()
        .column("LINK")
        .column("FROM → TO")
        .column("STATE")
        .count("SERVICES")
        .count("INSTANCES")
        .count("PENDING")
        .column("SEEN")
        .column("HOLD");
    for link in &status.links {
        table.row(link_row(link));
    }
    let mut text = table.render(palette);
    for endpoint in &status.endpoints {
        let doubts = endpoint.areas.iter().filter_map(|area| area.why.as_ref());
        for why in endpoint.down.iter().chain(doubts) {
            let sign = palette.changed("!");
            // A failure usually begins with the endpoint's name.
            let name = format!("{}: ", endpoint.name);
            let why = why.strip_prefix(&name).unwrap_or(why);
            text.push_str(&format!("{sign} {name}{why}\n"));
        }
    }
    for endpoint in &status.endpoints {
        if let Some(how) = &endpoint.learns {
            text.push_str(&format!("{}: {how}\n", endpoint.name));
        }
    }
    for endpoint in &status.endpoints {
        for problem in endpoint.problems.iter().take(PROBLEMS_SHOWN) {
            let sign = palette.changed("!");
            let service = service(&problem.service);
            text.push_str(&format!(
                "{sign} {}: {service} {}\n",
                endpoint.name, problem.what
            ));
        }
    }
    for what in &status.evacuated {
        let sign = palette.changed("!");
        text.push_str(&format!(
            "{sign} {what} is evacuated: its copies take no traffic; \
             syncline restore {what} puts them back\n"
        ));
    }
    for link in &status.links {
        text.push_str(&remarks(link, palette));
    }
    for peer in &status.peers {
        text.push_str(&replicas::text(peer, palette));
    }
    text
}

fn service(service: &api::ServiceName) -> String {
    format!(
        "{}/{}/{}",
        service.namespace, service.group, service.service
    )
}

fn link_row(link: &api::Link) -> [Cell; 8] {
    let tone = match link.state.as_str() {
        "in step" => Tone::Added,
        "starting" | "syncing" | "paused" => Tone::Changed,
        _ => Tone::Removed,
    };
    let seen = match (&link.view, link.complete_seconds_ago) {
        (Some(view), Some(ago)) => {
            format!("{view}, {} ago", spoken(Duration::from_secs_f64(ago)))
        }
        _ => match link.last_known_seconds_ago {
            Some(ago) => format!(
                "{} ago, before the start",
                spoken(Duration::from_secs_f64(ago))
            ),
            None => "not whole yet".to_owned(),
        },
    };
    let hold = link.target.as_ref().map_or("", |target| &target.hold);
    [
        link.name.as_str().into(),
        way(&link.from, &link.to).into(),
        Cell::new(tone, link.state.as_str()),
        grouped(link.services).into(),
        grouped(link.instances).into(),
        grouped(link.pending).into(),
        seen.into(),
        hold.into(),
    ]
}

fn remarks(link: &api::Link, palette: Palette) -> String {
    let mut text = String::new();
    let mut say =
        |what: String| text.push_str(&format!("{} {}: {what}\n", palette.changed("!"), link.name));
    for hold in &link.holds {
        let held = spoken(Duration::from_secs_f64(hold.held_seconds));
        let what = hold.service.as_ref().map_or_else(
            || "all losses of the link".to_owned(),
            |service| {
                format!(
                    "{}/{}/{}",
                    service.namespace, service.group, service.service
                )
            },
        );
        say(format!(
            "{what} held for {held}: {}; needs {}; syncline approve {}",
            hold.reason, hold.needs, hold.id
        ));
    }
    if waits_for_a_list(link) {
        say(format!(
            "{} stays as an earlier run left it until {} has been listed",
            link.to, link.from
        ));
    } else if let Some(aside) = &link.aside {
        say(format!("all its copies at {} are {aside}", link.to));
    }
    if link.shadowed > 0 {
        say(format!(
            "{} shadowed by natives at {}",
            link.shadowed, link.to
        ));
    }
    for problem in &link.problems {
        let service = &problem.service;
        let instance = problem.instance.as_deref().unwrap_or_default();
        say(format!(
            "{}/{}/{} {instance} {}",
            service.namespace, service.group, service.service, problem.what
        ));
    }
    for advice in link.target.iter().flat_map(|target| &target.advice) {
        text.push_str(&format!(
            "  {}\n",
            palette.dim(format!("{}: {advice}", link.to))
        ));
    }
    text
}

/// Whether nothing was written yet in this run because the target takes whole
/// lists and none was had.
fn waits_for_a_list(link: &api::Link) -> bool {
    let writes_lists = link.target.as_ref().is_some_and(|to| to.hold == "written");
    let matters = link.state == "source lost" || link.aside.is_some();
    writes_lists && matters && link.complete_seconds_ago.is_none()
}

fn exit(status: &api::Status) -> Exit {
    let links = &status.links;
    if links.iter().any(|link| !link.holds.is_empty()) {
        Exit::Held
    } else if links
        .iter()
        .any(|link| link.state != "in step" && link.state != "paused")
    {
        Exit::Partial
    } else {
        Exit::Ok
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_and_what_is_wrong_below_it() {
        let status: api::Status = serde_json::from_str(
            r#"{"version":"0.1.0","pid":1,"endpoints":[{"name":"hangzhou","down":"connection refused",
            "learns":"new names by fuzzy watch","areas":[],"services":0,"instances":0,"problems":[]}],"links":[{"name":"hz-to-sh",
            "from":"hangzhou","to":"shanghai","state":"source lost","view":"raw",
            "complete_seconds_ago":62.0,"services":2,"instances":1204,"pending":0,"shadowed":1,
            "holds":[],"problems":[]}]}"#,
        )
        .expect("valid");
        assert_eq!(
            text(&status, Palette::PLAIN),
            "\
LINK      FROM → TO            STATE        SERVICES  INSTANCES  PENDING  SEEN                HOLD
hz-to-sh  hangzhou → shanghai  source lost         2      1,204        0  raw, 1 min 2 s ago
! hangzhou: connection refused
hangzhou: new names by fuzzy watch
! hz-to-sh: 1 shadowed by natives at shanghai
"
        );
        assert_eq!(exit(&status), Exit::Partial);
    }

    #[test]
    fn the_last_known_good_has_an_age() {
        let status: api::Status = serde_json::from_str(
            r#"{"version":"0.1.0","pid":1,"endpoints":[],"links":[{"name":"hz-replica",
            "from":"hangzhou","to":"local","state":"source lost","last_known_seconds_ago":3725.0,
            "services":2,"instances":1204,"pending":0,"shadowed":0,"holds":[],"problems":[]}]}"#,
        )
        .expect("valid");
        let text = text(&status, Palette::PLAIN);
        assert!(text.contains("1 h 2 min ago, before the start"), "{text}");
    }
}

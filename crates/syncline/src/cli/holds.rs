//! `syncline holds`: what does the guard keep back, and why?

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use syncline_admin::api;

use super::{Context, Exit, Usage};
use crate::config::did_you_mean;
use crate::output::Format;
use crate::output::number::plural;
use crate::output::palette::{Palette, Tone};
use crate::output::safe;
use crate::output::table::{Cell, Table};
use crate::output::time::spoken;

/// How many instances of one hold are named; `-o wide` names all.
const NAMED: usize = 5;

/// List what the guard keeps back: which instances, why, and until when
///
/// While something is held, consumers keep what they have.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  syncline holds
  syncline holds hz-to-sh -o wide
  syncline holds 6bd735a96ca8395e -o json

Exit codes: 0 nothing is held, 1 no daemon answers, 5 something is held")]
pub struct HoldsArgs {
    /// Only these links, or these holds by their ids
    #[arg(value_name = "LINK")]
    pub links: Vec<String>,
}

impl HoldsArgs {
    /// Asks and shows.
    ///
    /// # Errors
    /// When no daemon answers, or it knows no such link or hold.
    pub async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let daemon = context.daemon()?;
        let mut holds = daemon.holds().await?;
        if !self.links.is_empty() {
            let status = daemon.status().await?;
            self.check(&status, &holds)?;
            let meant = |held: &api::HeldBack| {
                let names = [&held.link, &held.hold.id];
                names.into_iter().any(|name| self.links.contains(name))
            };
            holds.holds.retain(meant);
        }
        let exit = match holds.holds.is_empty() {
            true => Exit::Ok,
            false => Exit::Held,
        };
        if context.screen.wants_data() {
            context.screen.data(&holds)?;
        } else {
            let wide = context.screen.format == Format::Wide;
            let holds = safe::answer(&holds)?;
            let text = text(&holds.holds, wide, context.screen.palette);
            context.screen.print(&text)?;
        }
        Ok(exit)
    }

    fn check(&self, status: &api::Status, holds: &api::Holds) -> Result<(), Usage> {
        let links = status.links.iter().map(|link| link.name.as_str());
        let ids = holds.holds.iter().map(|held| held.hold.id.as_str());
        let known: BTreeSet<&str> = links.chain(ids).collect();
        for name in &self.links {
            if known.contains(name.as_str()) {
                continue;
            }
            let hint = did_you_mean(name, known.iter().copied())
                .unwrap_or_else(|| "`syncline holds` lists all that is held".to_owned());
            return Err(Usage(format!("there is no link or hold `{name}`; {hint}")));
        }
        Ok(())
    }
}

fn text(holds: &[api::HeldBack], wide: bool, palette: Palette) -> String {
    if holds.is_empty() {
        return "nothing is held\n".to_owned();
    }
    // Where all losses of a link wait, its services wait for the same.
    let frozen: BTreeSet<&str> = holds
        .iter()
        .filter(|held| held.hold.service.is_none())
        .map(|held| held.link.as_str())
        .collect();
    let shown = |held: &&api::HeldBack| {
        wide || held.hold.service.is_none() || !frozen.contains(held.link.as_str())
    };
    let mut table = Table::new()
        .column("HOLD")
        .column("LINK")
        .column("SINCE")
        .column("WHAT")
        .column("WHY");
    for held in holds.iter().filter(shown) {
        table.row(row(held));
    }
    let mut text = table.render(palette);
    for held in holds.iter().filter(shown) {
        text.push('\n');
        text.push_str(&story(held, wide, palette));
    }
    text
}

fn row(held: &api::HeldBack) -> [Cell; 5] {
    let hold = &held.hold;
    let since = spoken(Duration::from_secs_f64(hold.held_seconds));
    let why = match &hold.setting {
        Some(setting) => format!("{} (guard.{setting})", hold.reason),
        None => hold.reason.clone(),
    };
    [
        Cell::new(Tone::Changed, hold.id.as_str()),
        held.link.as_str().into(),
        format!("{since} ago").into(),
        what(held).into(),
        why.into(),
    ]
}

/// `remove 412 instances of 38 services`.
fn what(held: &api::HeldBack) -> String {
    let services: BTreeSet<_> = held.would_go.iter().map(|change| &change.service).collect();
    let removes = held.would_go.iter().all(|change| change.kind == "remove");
    let verb = if removes { "remove" } else { "take out of use" };
    let instances = plural(held.would_go.len(), "instance");
    match (&held.hold.service, services.len()) {
        (Some(service), _) => format!("{verb} {instances} of {}", name(service)),
        (None, many) => format!("{verb} {instances} of {}", plural(many, "service")),
    }
}

fn name(service: &api::ServiceName) -> String {
    format!(
        "{}/{}/{}",
        service.namespace, service.group, service.service
    )
}

/// What would go, what remains to happen, and what to type.
fn story(held: &api::HeldBack, wide: bool, palette: Palette) -> String {
    let hold = &held.hold;
    let mut text = format!("{}\n", palette.strong(&hold.id));
    let named = if wide { held.would_go.len() } else { NAMED };
    for change in held.would_go.iter().take(named) {
        let detail = match change.detail.is_empty() {
            true => String::new(),
            false => format!("   {}", change.detail),
        };
        text.push_str(&format!(
            "  {} {}   {}{detail}\n",
            palette.removed("-"),
            name(&change.service),
            change.address
        ));
    }
    let more = held.would_go.len().saturating_sub(named);
    if more > 0 {
        let more = format!("and {more} more; syncline holds {} -o wide", hold.id);
        text.push_str(&format!("  {}\n", palette.dim(more)));
    }
    text.push_str(&format!(
        "  until then consumers at {} keep them; it needs {}\n",
        held.to, hold.needs
    ));
    text.push_str(&format!(
        "  let it through: syncline approve {0} · refuse: syncline approve {0} --deny\n",
        hold.id
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(id: &str, service: Option<&str>, addresses: &[&str]) -> api::HeldBack {
        let name = |service: &str| api::ServiceName {
            namespace: "public".to_owned(),
            group: "G".to_owned(),
            service: service.to_owned(),
        };
        let change = |address: &&str| api::Change {
            kind: "remove".to_owned(),
            service: name(service.unwrap_or("orders")),
            address: (*address).to_owned(),
            cluster: "DEFAULT".to_owned(),
            before: None,
            after: None,
            detail: "gone from the source (raw)".to_owned(),
        };
        api::HeldBack {
            link: "hz-to-sh".to_owned(),
            from: "hangzhou".to_owned(),
            to: "shanghai".to_owned(),
            hold: api::Hold {
                id: id.to_owned(),
                service: service.map(name),
                reason: "the service would have no instance in use any more (of 2)".to_owned(),
                setting: Some("zero".to_owned()),
                needs: "2 more complete views over 30 s, or an approval".to_owned(),
                held_seconds: 3.2,
            },
            would_go: addresses.iter().map(change).collect(),
        }
    }

    #[test]
    fn a_hold_says_what_would_go_why_and_what_to_type() {
        let holds = [held("6bd735a96ca8395e", Some("orders"), &["10.0.0.1:80"])];
        assert_eq!(
            text(&holds, false, Palette::PLAIN),
            "\
HOLD              LINK      SINCE      WHAT                                   WHY
6bd735a96ca8395e  hz-to-sh  3.2 s ago  remove 1 instance of public/G/orders  \
             the service would have no instance in use any more (of 2) (guard.zero)

6bd735a96ca8395e
  - public/G/orders   10.0.0.1:80   gone from the source (raw)
  until then consumers at shanghai keep them; it needs 2 more complete views over 30 s, or an approval
  let it through: syncline approve 6bd735a96ca8395e · refuse: syncline approve 6bd735a96ca8395e --deny
"
            .replace("  \x20            the", "  the")
            .replace("WHAT                                   WHY", "WHAT                                  WHY")
        );
        assert_eq!(text(&[], false, Palette::PLAIN), "nothing is held\n");
    }

    #[test]
    fn a_frozen_link_is_one_hold_and_many_instances_are_counted() {
        let many: Vec<String> = (0..8).map(|n| format!("10.0.0.{n}:80")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let holds = [
            held("aaaaaaaaaaaaaaaa", None, &many),
            held("bbbbbbbbbbbbbbbb", Some("orders"), &many),
        ];
        let short = text(&holds, false, Palette::PLAIN);
        assert!(!short.contains("bbbbbbbbbbbbbbbb"), "{short}");
        assert!(
            short.contains("remove 8 instances of 1 service "),
            "{short}"
        );
        assert!(
            short.contains("and 3 more; syncline holds aaaaaaaaaaaaaaaa"),
            "{short}"
        );
        let wide = text(&holds, true, Palette::PLAIN);
        assert!(
            wide.contains("bbbbbbbbbbbbbbbb") && wide.contains("10.0.0.7:80"),
            "{wide}"
        );
    }
}

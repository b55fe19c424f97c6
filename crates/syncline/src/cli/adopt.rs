//! `syncline adopt`: take over what already stands at a target.

use clap::Args;
use syncline_admin::{AdoptQuery, api};
use syncline_model::scope::Pattern;

use super::{Context, Exit, Usage};
use crate::output::Format;
use crate::output::describe::way;
use crate::output::number::{grouped, plural};
use crate::output::palette::{Palette, Tone};
use crate::output::safe;
use crate::output::table::{Cell, Table};

/// How many instances of one link are shown; `-o wide` shows all.
const SHOWN: usize = 50;

/// Take over what already stands at a target, such as copies of nacos-sync
///
/// What an application or another tool registered at a target is left alone:
/// where a link wants the same, it gives way (`shadowed`). This takes such
/// instances into the ledger of the link that wants them there. The link writes
/// them as its own then, without a gap, and they follow the source from then
/// on, also when they go. Without --yes it only shows which.
///
/// Copies of nacos-sync, which are known by their metadata, are taken over
/// where they have what the link would write, but for their health. What bears
/// no mark of a copy may be an application's own, and is taken over only with
/// --natives; an application that still keeps it alive takes it back.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  syncline adopt                              what could be taken over, and what not, and why
  syncline adopt hz-to-sh --yes               what nacos-sync left at the target of a link
  syncline adopt --service 'order-*' --yes    only these services
  syncline adopt hz-to-sh --differing --yes   also what has other content by now

Each replica of an install has a ledger of its own and is asked by itself.

Exit codes: 0 done, or there is nothing to do, 1 no daemon answers, 3 only shown,
  4 done, and some copies were left")]
pub struct AdoptArgs {
    /// Only by this link
    #[arg(value_name = "LINK")]
    pub link: Option<String>,

    /// Only services with this name: a glob, or a regular expression after `re:`
    #[arg(long, value_name = "PATTERN")]
    pub service: Option<String>,

    /// Also what bears no mark of a copy
    #[arg(long)]
    pub natives: bool,

    /// Also what has other content than the link would write
    #[arg(long)]
    pub differing: bool,

    /// Do it
    #[arg(long)]
    pub yes: bool,
}

impl AdoptArgs {
    /// Shows, or tells the daemon.
    ///
    /// # Errors
    /// When no daemon answers, or it knows no such link.
    pub async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        if let Some(pattern) = &self.service {
            Pattern::parse(pattern).map_err(|error| Usage(error.to_string()))?;
        }
        let daemon = context.daemon()?;
        let query = AdoptQuery {
            link: self.link,
            service: self.service,
            natives: self.natives,
            differing: self.differing,
        };
        let found = match self.yes {
            true => daemon.adopt(&query).await?,
            false => daemon.adoption(&query).await?,
        };
        let screen = &context.screen;
        if screen.wants_data() {
            screen.data(&found)?;
        } else {
            let wide = screen.format == Format::Wide;
            let safe = safe::answer(&found)?;
            screen.print(&text(&safe, self.yes, wide, screen.palette))?;
        }
        Ok(exit(&found, self.yes))
    }
}

fn candidates(found: &api::Adoption) -> impl Iterator<Item = &api::Candidate> {
    found.links.iter().flat_map(|link| &link.candidates)
}

fn exit(found: &api::Adoption, yes: bool) -> Exit {
    let adopted = candidates(found).any(|it| it.obstacle.is_none());
    let left = candidates(found).any(|it| it.obstacle.is_some() && it.by != "unknown");
    match (yes, adopted, left) {
        (false, true, _) => Exit::Pending,
        (true, _, true) => Exit::Partial,
        _ => Exit::Ok,
    }
}

fn text(found: &api::Adoption, yes: bool, wide: bool, palette: Palette) -> String {
    let mut text = String::new();
    for link in &found.links {
        let name = palette.strong(&link.name);
        text.push_str(&format!("{name}  {}\n", way(&link.from, &link.to)));
        if link.late {
            text.push_str(&format!(
                "{} it was still being read when the time was over\n",
                palette.changed("!")
            ));
        }
        if !link.candidates.is_empty() {
            text.push_str(&table(link, yes, wide).render(palette));
        }
        let shown = if wide { usize::MAX } else { SHOWN };
        if let Some(more) = link.candidates.len().checked_sub(shown).filter(|n| *n > 0) {
            let more = format!("and {} more; -o wide shows all", grouped(more));
            text.push_str(&format!("{}\n", palette.dim(more)));
        }
    }
    text.push_str(&totals(found, yes));
    text
}

/// `2 instances would be taken over, 1 not; nothing was done: add --yes`.
fn totals(found: &api::Adoption, yes: bool) -> String {
    let all = candidates(found).count();
    let adopted = candidates(found).filter(|it| it.obstacle.is_none()).count();
    if all == 0 {
        return "nothing stands there that a link could take over\n".to_owned();
    }
    let verb = match (yes, adopted) {
        (false, _) => "would be",
        (true, 1) => "was",
        (true, _) => "were",
    };
    let mut line = format!("{} {verb} taken over", plural(adopted, "instance"));
    if adopted < all {
        line.push_str(&format!(", {} not", grouped(all - adopted)));
    }
    if !yes && adopted > 0 {
        line.push_str("; nothing was done, --yes does it");
    }
    line.push('\n');
    line
}

fn table(link: &api::LinkAdoption, yes: bool, wide: bool) -> Table {
    let mut table = Table::new()
        .column("SERVICE")
        .column("INSTANCE")
        .column("LEFT BY")
        .column(if yes { "DONE" } else { "PLAN" });
    let shown = if wide { usize::MAX } else { SHOWN };
    for candidate in link.candidates.iter().take(shown) {
        let service = &candidate.service;
        let service = format!(
            "{}/{}/{}",
            service.namespace, service.group, service.service
        );
        let instance = match candidate.cluster.as_str() {
            "DEFAULT" => candidate.address.clone(),
            cluster => format!("{}@{cluster}", candidate.address),
        };
        let by = match candidate.by.as_str() {
            "unknown" => "-",
            known => known,
        };
        let (tone, what) = match &candidate.obstacle {
            None if yes => (Tone::Added, "taken over".to_owned()),
            None => (Tone::Added, "take over".to_owned()),
            Some(why) => (Tone::Dim, format!("leave: {why}")),
        };
        table.row([
            service.into(),
            instance.into(),
            by.into(),
            Cell::new(tone, what),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(obstacle: Option<&str>) -> api::Adoption {
        let candidate = |address: &str, by: &str, obstacle: Option<&str>| api::Candidate {
            service: api::ServiceName {
                namespace: "public".to_owned(),
                group: "G".to_owned(),
                service: "orders".to_owned(),
            },
            address: address.to_owned(),
            cluster: "DEFAULT".to_owned(),
            by: by.to_owned(),
            obstacle: obstacle.map(str::to_owned),
        };
        api::Adoption {
            links: vec![api::LinkAdoption {
                name: "hz-to-sh".to_owned(),
                from: "hangzhou".to_owned(),
                to: "shanghai".to_owned(),
                late: false,
                candidates: vec![
                    candidate("10.0.0.1:80", "nacos-sync", None),
                    candidate("10.0.0.2:80", "nacos-sync", obstacle),
                    candidate("10.0.0.3:80", "unknown", Some("it bears no mark of a copy")),
                ],
            }],
        }
    }

    #[test]
    fn a_plan_says_what_is_taken_over_and_what_is_left_and_why() {
        assert_eq!(
            text(
                &found(Some("the source does not show it")),
                false,
                false,
                Palette::PLAIN
            ),
            "\
hz-to-sh  hangzhou → shanghai
SERVICE          INSTANCE     LEFT BY     PLAN
public/G/orders  10.0.0.1:80  nacos-sync  take over
public/G/orders  10.0.0.2:80  nacos-sync  leave: the source does not show it
public/G/orders  10.0.0.3:80  -           leave: it bears no mark of a copy
1 instance would be taken over, 2 not; nothing was done, --yes does it
"
        );
        let done = text(&found(None), true, false, Palette::PLAIN);
        assert!(
            done.ends_with("2 instances were taken over, 1 not\n"),
            "{done}"
        );
        let none = api::Adoption { links: Vec::new() };
        assert_eq!(
            text(&none, false, false, Palette::PLAIN),
            "nothing stands there that a link could take over\n"
        );
    }

    #[test]
    fn the_exit_code_tells_what_is_left_to_do() {
        let left = found(Some("the source does not show it"));
        assert_eq!(exit(&left, false), Exit::Pending);
        assert_eq!(exit(&left, true), Exit::Partial);
        assert_eq!(
            exit(&found(None), true),
            Exit::Ok,
            "natives are nobody's task"
        );
        assert_eq!(exit(&api::Adoption { links: Vec::new() }, false), Exit::Ok);
    }
}

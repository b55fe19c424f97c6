//! `syncline evacuate` and `syncline restore`: take copies out of use when
//! where they lead is lost, and put them back.

use clap::Args;
use syncline_admin::{ControlClient, api};

use super::{Context, Exit, Usage};
use crate::output::number::plural;
use crate::output::palette::Palette;
use crate::output::safe;

/// How many services that would be empty are named; `-o json` has all.
const NAMED: usize = 20;

/// Take copies out of use at their targets, also while their source is down
///
/// For when a site is lost and consumers elsewhere must not try it any more:
/// every copy that is named stands at weight 0 (and unhealthy, where the target
/// can say so). Nothing is removed, the guard is not asked, and it lasts, also
/// over restarts, until `syncline restore`. Without --yes it only shows what
/// would be done.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  syncline evacuate link:hz-to-sh            what would be done
  syncline evacuate link:hz-to-sh --yes      all that the link writes
  syncline evacuate origin:hangzhou --yes    all that was first registered there, on every link
  syncline evacuate cluster:hz-a --yes       all copies in a cluster at the targets

Replicas that know each other (`peers`) tell it on.

Exit codes: 0 done, or there is nothing to do, 1 no daemon answers, 3 only shown")]
pub struct EvacuateArgs {
    /// link:NAME, origin:NAME or cluster:NAME; a bare name is a link
    #[arg(value_name = "WHAT", required = true)]
    pub what: Vec<String>,

    /// Do it
    #[arg(long)]
    pub yes: bool,
}

/// Put evacuated copies back into use, as their source says they are
///
/// While the source is down they come back as it last showed them. Without
/// --yes it only shows what would be done.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  syncline restore link:hz-to-sh
  syncline restore link:hz-to-sh --yes
  syncline restore --all --yes

`syncline status` shows what is evacuated.

Exit codes: 0 done, or there is nothing to do, 1 no daemon answers, 3 only shown")]
pub struct RestoreArgs {
    /// link:NAME, origin:NAME or cluster:NAME; a bare name is a link
    #[arg(value_name = "WHAT", required_unless_present = "all")]
    pub what: Vec<String>,

    /// All that is evacuated
    #[arg(long, conflicts_with = "what")]
    pub all: bool,

    /// Do it
    #[arg(long)]
    pub yes: bool,
}

impl EvacuateArgs {
    /// Shows, or tells the daemon.
    ///
    /// # Errors
    /// When no daemon answers, or it knows nothing of that name.
    pub async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let daemon = context.daemon()?;
        all(context, &daemon, &self.what, (true, self.yes)).await
    }
}

impl RestoreArgs {
    /// Shows, or tells the daemon.
    ///
    /// # Errors
    /// When no daemon answers, or it knows nothing of that name.
    pub async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let daemon = context.daemon()?;
        let what = match self.all {
            true => daemon.status().await?.evacuated,
            false => self.what,
        };
        if what.is_empty() && !context.screen.wants_data() {
            context.screen.line("nothing is evacuated")?;
        }
        all(context, &daemon, &what, (false, self.yes)).await
    }
}

/// Looks at all before anything is done, so that a wrong name leaves everything
/// as it is.
async fn all(
    context: &Context,
    daemon: &ControlClient,
    words: &[String],
    (on, yes): (bool, bool),
) -> anyhow::Result<Exit> {
    let mut concerned = Vec::with_capacity(words.len());
    for word in words {
        concerned.push(daemon.evacuation(&named(word)?).await?);
    }
    let mut exit = Exit::Ok;
    for evacuation in &concerned {
        if !yes && evacuation.evacuated != on {
            exit = Exit::Pending;
        }
        match yes {
            true => tell(context, daemon, evacuation, on).await?,
            false => show(context, evacuation, on)?,
        }
    }
    Ok(exit)
}

fn named(word: &str) -> Result<String, Usage> {
    match word.split_once(':') {
        None if !word.is_empty() => Ok(format!("link:{word}")),
        Some(("link" | "origin" | "cluster", name)) if !name.is_empty() => Ok(word.to_owned()),
        _ => Err(Usage(format!(
            "`{word}` names nothing to evacuate; expected link:NAME, origin:NAME or cluster:NAME"
        ))),
    }
}

async fn tell(
    context: &Context,
    daemon: &ControlClient,
    evacuation: &api::Evacuation,
    on: bool,
) -> anyhow::Result<()> {
    let answer = daemon.evacuate(&evacuation.what, on).await?;
    if context.screen.wants_data() {
        return context.screen.item(&answer);
    }
    let mut line = answer.done;
    if evacuation.evacuated != on {
        line.push_str(&format!(": {}", copies(evacuation)));
    }
    context.screen.line(&line)?;
    let deferred = evacuation.links.iter().filter(|link| link.deferred);
    for link in deferred {
        context
            .screen
            .line(&deferral(link, context.screen.palette))?;
    }
    Ok(())
}

/// That a file is not written yet.
fn deferral(link: &api::EvacuatedLink, palette: Palette) -> String {
    let (sign, to, from) = (palette.changed("!"), &link.to, &link.from);
    let what =
        format!("{to} is written again only once {from} has been listed; until then it stays");
    format!("{sign} {}: {what}", link.name)
}

fn show(context: &Context, evacuation: &api::Evacuation, on: bool) -> anyhow::Result<()> {
    let screen = &context.screen;
    if screen.wants_data() {
        return screen.item(evacuation);
    }
    screen.print(&text(&safe::answer(evacuation)?, on, screen.palette))?;
    Ok(())
}

/// `412 instances of 38 services`.
fn copies(evacuation: &api::Evacuation) -> String {
    let sum = |of: fn(&api::EvacuatedLink) -> usize| evacuation.links.iter().map(of).sum();
    let instances: usize = sum(|link| link.instances);
    let services: usize = sum(|link| link.services);
    format!(
        "{} of {}",
        plural(instances, "instance"),
        plural(services, "service")
    )
}

/// What would be done, and what to type.
fn text(evacuation: &api::Evacuation, on: bool, palette: Palette) -> String {
    let what = &evacuation.what;
    let name = palette.strong(what);
    if evacuation.evacuated == on {
        let state = if on { "is already" } else { "is not" };
        return format!("{name} {state} evacuated\n");
    }
    let verb = match on {
        true => "take out of use",
        false => "put back into use",
    };
    let mut text = format!("{name} would {verb} {}\n", copies(evacuation));
    for link in &evacuation.links {
        let instances = plural(link.instances, "instance");
        let services = plural(link.services, "service");
        text.push_str(&format!(
            "  {}  {} → {}   {instances} of {services}\n",
            link.name, link.from, link.to
        ));
        if on {
            text.push_str(&emptied(link, palette));
        }
        if link.deferred {
            text.push_str(&format!("  {}\n", deferral(link, palette)));
        }
    }
    let command = match on {
        true => "evacuate",
        false => "restore",
    };
    text.push_str(&format!(
        "nothing was done; do it: syncline {command} {what} --yes\n"
    ));
    text
}

/// Services of which consumers would have nothing left.
fn emptied(link: &api::EvacuatedLink, palette: Palette) -> String {
    let mut text = String::new();
    for service in link.emptied.iter().take(NAMED) {
        text.push_str(&format!(
            "  {} {}/{}/{} would have nothing else in use at {}\n",
            palette.changed("!"),
            service.namespace,
            service.group,
            service.service,
            link.to
        ));
    }
    let more = link.emptied.len().saturating_sub(NAMED);
    if more > 0 {
        let more = format!("and {more} more; -o json names all");
        text.push_str(&format!("  {}\n", palette.dim(more)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evacuation(emptied: usize, evacuated: bool) -> api::Evacuation {
        let service = |nth| api::ServiceName {
            namespace: "public".to_owned(),
            group: "G".to_owned(),
            service: format!("s{nth}"),
        };
        api::Evacuation {
            what: "link:hz-to-sh".to_owned(),
            evacuated,
            links: vec![api::EvacuatedLink {
                name: "hz-to-sh".to_owned(),
                from: "hangzhou".to_owned(),
                to: "shanghai".to_owned(),
                services: 38,
                instances: 1_412,
                emptied: (0..emptied).map(service).collect(),
                deferred: false,
            }],
        }
    }

    #[test]
    fn a_preview_says_how_much_and_what_consumers_would_lack() {
        assert_eq!(
            text(&evacuation(1, false), true, Palette::PLAIN),
            "\
link:hz-to-sh would take out of use 1,412 instances of 38 services
  hz-to-sh  hangzhou → shanghai   1,412 instances of 38 services
  ! public/G/s0 would have nothing else in use at shanghai
nothing was done; do it: syncline evacuate link:hz-to-sh --yes
"
        );
        let many = text(&evacuation(25, false), true, Palette::PLAIN);
        assert!(many.contains("and 5 more; -o json names all"), "{many}");
        assert_eq!(
            text(&evacuation(1, true), true, Palette::PLAIN),
            "link:hz-to-sh is already evacuated\n"
        );
        let back = text(&evacuation(1, true), false, Palette::PLAIN);
        assert!(
            back.starts_with("link:hz-to-sh would put back into use 1,412"),
            "{back}"
        );
        assert!(!back.contains('!'), "{back}");
    }

    #[test]
    fn a_bare_name_is_a_link_and_other_kinds_are_refused() {
        assert_eq!(named("hz-to-sh").as_deref(), Ok("link:hz-to-sh"));
        assert_eq!(named("cluster:a:b").as_deref(), Ok("cluster:a:b"));
        for bad in ["", "link:", "service:x", ":x"] {
            assert!(named(bad).is_err(), "{bad}");
        }
    }
}

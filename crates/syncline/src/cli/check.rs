//! `syncline check`: is a configuration right?

mod reached;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{Context, Exit};
use crate::config::{self, Config, Problem};
use crate::daemon::reach;
use crate::output::number::plural;
use crate::output::progress::Progress;
use crate::output::table::Table;

/// Check a configuration and say all that is wrong with it
///
/// Each problem comes with its line, its column and, where a name was meant that
/// exists, that name. Variables and files that the configuration refers to must
/// be there. Then every endpoint is asked what it is, and what permissions hide
/// is said with what to grant or to name.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  syncline check                        the configuration that run would take
  syncline check conf.d                 all files of a folder as one
  syncline check new.yaml --offline     without asking any server
  syncline check new.yaml -o json       for a pipeline

Exit codes: 0 right, 1 an endpoint does not answer, 2 wrong, 4 permissions show
only a part of what is selected")]
pub struct CheckArgs {
    /// The configuration, instead of that of --config
    pub path: Option<PathBuf>,

    /// Ask no server
    #[arg(long)]
    pub offline: bool,
}

use reached::{ReachedRow, exit};

/// What `check` says to programs.
#[derive(Serialize)]
struct Answer<'a> {
    configuration: String,
    problems: &'a [Problem],
    endpoints: Vec<EndpointRow<'a>>,
    links: Vec<LinkRow<'a>>,
    reached: Vec<ReachedRow>,
}

#[derive(Serialize)]
struct EndpointRow<'a> {
    name: &'a str,
    kind: &'static str,
    place: String,
}

#[derive(Serialize)]
struct LinkRow<'a> {
    name: &'a str,
    from: &'a str,
    to: &'a str,
    mode: config::Mode,
}

impl CheckArgs {
    /// Reads the configuration and says what it says.
    ///
    /// # Errors
    /// With all that is wrong with it.
    pub async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = match self.path {
            Some(path) => path,
            None => context.config_path()?,
        };
        let configuration = path.display().to_string();
        let read = config::load(&path, &context.env());
        let reached: Vec<ReachedRow> = match &read {
            Ok(config) if !self.offline => {
                let progress = Progress::begin("check", "asking every endpoint");
                let reached = reach(config).await;
                drop(progress);
                reached.iter().map(ReachedRow::of).collect()
            }
            _ => Vec::new(),
        };
        let exit = exit(&reached);
        if context.screen.wants_data() {
            let (config, problems) = match &read {
                Ok(config) => (Some(config), &[][..]),
                Err(error) => (None, error.problems()),
            };
            context.screen.data(&Answer {
                configuration,
                problems,
                endpoints: config.map(endpoints).unwrap_or_default(),
                links: config.map(links).unwrap_or_default(),
                reached,
            })?;
            return Ok(if read.is_ok() { exit } else { Exit::Usage });
        }
        let config = read?;
        context
            .screen
            .print(&text(&configuration, &config, context))?;
        if !reached.is_empty() {
            let palette = context.screen.palette;
            context.screen.print(&reached::text(&reached, palette))?;
        }
        Ok(exit)
    }
}

fn text(configuration: &str, config: &Config, context: &Context) -> String {
    let palette = context.screen.palette;
    let right = palette.added("right");
    let endpoints_count = plural(config.endpoints.len(), "endpoint");
    let links_count = plural(config.links.len(), "link");
    let mut text = format!("{configuration} is {right}: {endpoints_count}, {links_count}\n");
    if !config.endpoints.is_empty() {
        let mut table = Table::new()
            .column("ENDPOINT")
            .column("KIND")
            .column("PLACE");
        for row in endpoints(config) {
            table.row([row.name.into(), row.kind.into(), row.place.into()]);
        }
        text.push_str(&format!("\n{}", table.render(palette)));
    }
    if !config.links.is_empty() {
        let mut table = Table::new()
            .column("LINK")
            .column("FROM")
            .column("TO")
            .column("MODE");
        for row in links(config) {
            table.row([
                row.name.into(),
                row.from.into(),
                row.to.into(),
                row.mode.as_str().into(),
            ]);
        }
        text.push_str(&format!("\n{}", table.render(palette)));
    }
    text
}

fn endpoints(config: &Config) -> Vec<EndpointRow<'_>> {
    config
        .endpoints
        .iter()
        .map(|(name, endpoint)| EndpointRow {
            name: name.as_str(),
            kind: endpoint.kind(),
            place: endpoint.place(),
        })
        .collect()
}

fn links(config: &Config) -> Vec<LinkRow<'_>> {
    config
        .links
        .iter()
        .map(|link| LinkRow {
            name: link.name.as_str(),
            from: link.from.as_str(),
            to: link.to.as_str(),
            mode: link.strategy.mode,
        })
        .collect()
}

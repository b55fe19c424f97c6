//! `syncline journal show`: the lines, or what a target had been given.

use clap::Args;
use serde::Serialize;
use syncline_engine::journal::{AsOf, Content, Given, GivenInstance, JournalEntry, Record};
use syncline_model::MARK_KEY;

use super::{Context, Exit, Lines};
use crate::cli::when::{When, local, utc};
use crate::output::number::plural;
use crate::output::safe::safe;
use crate::output::table::Table;

/// How many lines are shown unless told otherwise.
const SHOWN: usize = 50;

/// Show the last lines, or with --at what a target had been given at a time
///
/// `--at` does again in mind all that was confirmed before that time. What was
/// given before the journal begins and never changed since is not in it.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  syncline journal show --since 10m
  syncline journal show orders --link hz-to-sh -o json
  syncline journal show --at 14:03 orders
  syncline journal show --at 2026-11-23T14:03:21Z public/DEFAULT_GROUP/orders

Exit codes: 0 shown, 1 nothing is known of it")]
pub struct ShowArgs {
    /// Only this service
    #[arg(value_name = "SERVICE", conflicts_with = "service")]
    pub of: Option<String>,

    /// Which lines.
    #[command(flatten)]
    pub lines: Lines,

    /// What a target had been given of a service at this time
    #[arg(long, value_name = "TIME", conflicts_with_all = ["since", "until", "last"])]
    pub at: Option<When>,

    /// So many of the last lines
    #[arg(long, value_name = "NUMBER", default_value_t = SHOWN)]
    pub last: usize,
}

/// One line, for programs.
#[derive(Serialize)]
struct LineData<'a> {
    number: u64,
    at: String,
    #[serde(flatten)]
    entry: &'a JournalEntry,
}

impl<'a> LineData<'a> {
    fn of(record: &'a Record) -> Self {
        Self {
            number: record.number,
            at: utc(record.entry.at_ms),
            entry: &record.entry,
        }
    }
}

/// What a target had been given, for programs.
#[derive(Serialize)]
struct AsOfData<'a> {
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    journal_reaches_back_to: Option<String>,
    /// Whether the journal has all lines from its first on.
    whole: bool,
    given: &'a [Given],
}

impl ShowArgs {
    pub(super) fn run(mut self, context: &Context) -> anyhow::Result<Exit> {
        self.lines.service = self.of.take().or(self.lines.service);
        match (self.at, &self.lines.service) {
            (None, _) => self.show_lines(context),
            (Some(at), Some(service)) => self.show_given(context, service, at),
            (Some(_), None) => {
                Err(crate::cli::Usage("--at needs a SERVICE to tell of".to_owned()).into())
            }
        }
    }

    fn show_lines(&self, context: &Context) -> anyhow::Result<Exit> {
        let search = context.journal()?.search(self.lines.filter())?;
        let mut records = search.take(self.last).collect::<Result<Vec<_>, _>>()?;
        records.reverse();
        if context.screen.wants_data() {
            let lines: Vec<_> = records.iter().map(LineData::of).collect();
            context.screen.data(&lines)?;
        } else if records.is_empty() {
            context.screen.line("no lines")?;
        } else {
            context
                .screen
                .print(&table(&records).render(context.screen.palette))?;
        }
        Ok(match records.is_empty() {
            true => Exit::Failure,
            false => Exit::Ok,
        })
    }

    fn show_given(&self, context: &Context, service: &str, at: When) -> anyhow::Result<Exit> {
        let link = self.lines.link.as_deref();
        let answer = context.journal()?.given_at(service, link, at.0)?;
        if context.screen.wants_data() {
            context.screen.data(&AsOfData {
                at: utc(at.0),
                journal_reaches_back_to: answer.oldest.map(|reach| utc(reach.at_ms)),
                whole: answer.unread == 0 && answer.oldest.is_none_or(|reach| reach.is_whole()),
                given: &answer.given,
            })?;
        } else {
            let mut text = given_text(service, &answer, at);
            for given in &answer.given {
                text.push_str(&instances(given).render(context.screen.palette));
            }
            context.screen.print(&text)?;
        }
        Ok(match answer.given.is_empty() {
            true => Exit::Failure,
            false => Exit::Ok,
        })
    }
}

fn table(records: &[Record]) -> Table {
    let mut table = Table::new()
        .column("TIME")
        .column("WHAT")
        .column("LINK")
        .column("SERVICE")
        .column("INSTANCE")
        .column("");
    for record in records {
        let entry = &record.entry;
        let what = match entry.change {
            Some(change) => format!("{} {}", entry.kind.as_str(), change.as_str()),
            None => entry.kind.as_str().to_owned(),
        };
        let service = entry.service.as_ref().map(ToString::to_string);
        table.row([
            local(entry.at_ms).into(),
            what.into(),
            entry.link.clone().unwrap_or_default().into(),
            service.unwrap_or_default().into(),
            entry.instance.clone().unwrap_or_default().into(),
            entry.note.clone().unwrap_or_default().into(),
        ]);
    }
    table
}

/// What is told above the instances.
fn given_text(service: &str, answer: &AsOf, at: When) -> String {
    let mut text = String::new();
    if answer.given.is_empty() {
        text.push_str(&format!("nothing is known of {}\n", safe(service)));
    }
    for given in &answer.given {
        let target = given.target.as_deref().unwrap_or("its target");
        let line = format!(
            "{target} had been given {} of {} on link {} at {}",
            plural(given.instances.len(), "instance"),
            given.service,
            given.link,
            local(at.0)
        );
        text.push_str(&format!("{}\n", safe(&line)));
    }
    if let Some(reach) = answer.oldest.filter(|reach| !reach.is_whole()) {
        text.push_str(&format!(
            "the journal reaches back to {}; what was given before and never changed since is not in it\n",
            local(reach.at_ms)
        ));
    }
    if answer.unread > 0 {
        text.push_str("parts of the journal cannot be read; see syncline journal verify\n");
    }
    text
}

fn instances(given: &Given) -> Table {
    let mut table = Table::new()
        .column("INSTANCE")
        .count("WEIGHT")
        .column("HEALTH")
        .column("SINCE")
        .column("METADATA")
        .column("");
    for instance in &given.instances {
        let content = instance.content.as_ref();
        let since = instance
            .since_ms
            .map_or("before the journal".to_owned(), local);
        table.row([
            instance.instance.as_str().into(),
            content
                .map_or("?".to_owned(), |content| content.weight.to_string())
                .into(),
            health(content).into(),
            since.into(),
            content.map(metadata).unwrap_or_default().into(),
            doubt(instance).into(),
        ]);
    }
    table
}

fn health(content: Option<&Content>) -> &'static str {
    match content {
        Some(content) if !content.enabled => "disabled",
        Some(content) if content.healthy == Some(false) => "unhealthy",
        Some(_) => "healthy",
        None => "?",
    }
}

/// What its publisher says of it, without our mark.
fn metadata(content: &Content) -> String {
    let pairs = content.metadata.iter().filter(|(key, _)| *key != MARK_KEY);
    let pairs: Vec<_> = pairs.map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(", ")
}

fn doubt(instance: &GivenInstance) -> &'static str {
    match instance.certain {
        true => "",
        false => "not certain: no outcome is known of the last write before",
    }
}

//! `syncline list`: what is registered?

mod origins;

use std::time::Instant;

use clap::Args;
use serde::Serialize;
use syncline_contract::source::SourceReport;

use super::reading::{Reading, Whole};
use super::route::Selection;
use super::{Context, Exit};
use crate::output::list::{self, InstancesRow, ServiceRow};
use crate::output::safe::safe;
use crate::output::time::spoken;

/// List the services of a registry, or their instances
///
/// Instances are shown with --service or --instances.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  syncline list nacos://127.0.0.1:8848
  syncline list nacos://nacos@10.0.0.1/prod?group=G_TRADE
  syncline list hangzhou --service 'order-*' -o wide
  syncline list local --origins
  syncline list nacos://127.0.0.1 -o json | jq '.services[] | select(.healthy < .total)'

Exit codes: 0 all was read, 1 failed, 2 wrong usage, 4 a part could not be read")]
pub struct ListArgs {
    /// A URL such as nacos://host:8848, or a name from the configuration
    pub endpoint: String,

    /// What of it.
    #[command(flatten)]
    pub selection: Selection,

    /// Show the instances of every service
    #[arg(short, long)]
    pub instances: bool,

    /// Show who registered each instance: asks the running daemon about one of
    /// its embedded registries
    #[arg(long, conflicts_with_all = ["instances", "exclude", "where"])]
    pub origins: bool,
}

/// What `list` says to programs.
#[derive(Serialize)]
struct Answer<Row> {
    source: String,
    reading: String,
    complete: bool,
    doubts: Vec<Doubt>,
    advice: Vec<String>,
    services: Vec<Row>,
}

#[derive(Serialize)]
struct Doubt {
    r#where: String,
    why: String,
}

impl ListArgs {
    /// Reads the registry and shows what is there.
    ///
    /// # Errors
    /// When nothing of it could be read.
    pub async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        if self.origins {
            return origins::run(context, &self.endpoint, &self.selection).await;
        }
        let shows_instances = self.instances || !self.selection.service.is_empty();
        let reading = Reading::of(context, &self.endpoint, self.selection)?;
        let begun = Instant::now();
        let report = reading.describe().await?;
        let whole = reading.list().await;
        if let Some(why) = whole.failure() {
            anyhow::bail!("cannot read {}: {why}", reading.word);
        }
        let how = format!("{report}, {}", spoken(begun.elapsed()));
        if shows_instances {
            show_instances(context, &report, &whole, &how)?;
        } else {
            show_services(context, &report, &whole, &how)?;
        }
        let complete = whole.doubts().is_empty();
        Ok(if complete { Exit::Ok } else { Exit::Partial })
    }
}

fn show_services(
    context: &Context,
    report: &SourceReport,
    whole: &Whole,
    how: &str,
) -> anyhow::Result<()> {
    let screen = &context.screen;
    let rows: Vec<_> = whole
        .services
        .iter()
        .map(|listed| ServiceRow::of(&listed.service, &listed.view, &listed.rejected))
        .collect();
    if screen.wants_data() {
        return screen.data(&answer(report, whole, rows));
    }
    let mut text = String::new();
    if !rows.is_empty() {
        text.push_str(&list::services(&rows, screen.palette));
    }
    text.push_str(&list::summary(rows.iter(), how, screen.palette));
    text.push_str(&remarks(context, report, whole));
    text.push_str(&nothing(context, rows.len()));
    screen.print(&text)?;
    Ok(())
}

fn show_instances(
    context: &Context,
    report: &SourceReport,
    whole: &Whole,
    how: &str,
) -> anyhow::Result<()> {
    let screen = &context.screen;
    let rows: Vec<_> = whole
        .services
        .iter()
        .map(|listed| InstancesRow::of(&listed.service, &listed.view, &listed.rejected))
        .collect();
    if screen.wants_data() {
        return screen.data(&answer(report, whole, rows));
    }
    let mut text = list::instances(&rows, screen.format, screen.width, screen.palette);
    let services = rows.iter().map(|row| &row.service);
    text.push_str(&list::summary(services, how, screen.palette));
    if rows.iter().any(InstancesRow::leaves_open) {
        let legend = "  ?  this view cannot tell";
        text.push_str(&format!("{}\n", screen.palette.dim(legend)));
    }
    text.push_str(&remarks(context, report, whole));
    text.push_str(&nothing(context, rows.len()));
    screen.print(&text)?;
    Ok(())
}

/// What to do where nothing was found.
fn nothing(context: &Context, found: usize) -> String {
    if found > 0 {
        return String::new();
    }
    let hint = "  nothing matches; without --namespace, --group and --service all is listed";
    format!("{}\n", context.screen.palette.dim(hint))
}

fn answer<Row>(report: &SourceReport, whole: &Whole, services: Vec<Row>) -> Answer<Row> {
    let doubts = whole.doubts();
    Answer {
        source: report.product.clone(),
        reading: report.reading.clone(),
        complete: doubts.is_empty(),
        doubts: doubts
            .into_iter()
            .map(|(r#where, why)| Doubt { r#where, why })
            .collect(),
        advice: report.advice.clone(),
        services,
    }
}

/// What could not be read, and what would help.
fn remarks(context: &Context, report: &SourceReport, whole: &Whole) -> String {
    let palette = context.screen.palette;
    let doubts = whole.doubts().into_iter().map(|(place, why)| {
        let sign = palette.changed("!");
        let doubt = format!("{place}: {why}");
        format!("{sign} {}\n", safe(&doubt))
    });
    let advice = report
        .advice
        .iter()
        .map(|advice| format!("  {}\n", palette.dim(safe(advice))));
    doubts.chain(advice).collect()
}

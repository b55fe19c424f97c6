//! `syncline verify`: is everything where it should be?

use std::time::Duration;

use clap::Args;
use syncline_admin::api;

use super::{Context, Exit};
use crate::output::Format;
use crate::output::describe::way;
use crate::output::number::{grouped, plural};
use crate::output::palette::{Palette, Tone};
use crate::output::safe;
use crate::output::table::{Cell, Table, cut};
use crate::output::time::spoken;

/// How many differences of one link are shown; `-o wide` shows all.
const SHOWN: usize = 50;

/// A value is cut to this width; `-o wide` shows it whole.
const VALUE_WIDTH: usize = 30;

/// Compare source, ledger and target now, field by field
///
/// Both sides are read again, and each instance is looked at on all three: what
/// the source shows, what the ledger says the target was given, and what the
/// target shows. What differs is told with its reason. Nothing is written
/// because of it. A file is not read back; the ledger stands for it.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  syncline verify
  syncline verify hz-to-sh -o json

Exit codes: 0 nothing differs but what natives shadow, 1 no daemon answers,
  3 something differs and will be written, 4 something differs and stays so
  (drift, paused, evacuated, left out, failing, a source or target not read whole),
  5 the guard holds losses")]
pub struct VerifyArgs {
    /// Only this link
    #[arg(value_name = "LINK")]
    pub link: Option<String>,
}

impl VerifyArgs {
    /// Asks and shows.
    ///
    /// # Errors
    /// When no daemon answers, or it knows no such link.
    pub async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let daemon = context.daemon()?;
        let found = daemon.verify(self.link.as_deref()).await?;
        let screen = &context.screen;
        if screen.wants_data() {
            screen.data(&found)?;
        } else {
            let safe = safe::answer(&found)?;
            let wide = screen.format == Format::Wide;
            screen.print(&text(&safe, wide, screen.palette))?;
        }
        Ok(exit(&found))
    }
}

fn exit(found: &api::Verification) -> Exit {
    let differences = || found.links.iter().flat_map(|link| &link.differences);
    let any = |outlook: &str| differences().any(|it| it.outlook == outlook);
    let in_part = |link: &api::LinkVerification| link.late || link.doubt.is_some();
    if any("held") {
        Exit::Held
    } else if any("stays") || found.links.iter().any(in_part) {
        Exit::Partial
    } else if any("passes") {
        Exit::Pending
    } else {
        Exit::Ok
    }
}

fn text(found: &api::Verification, wide: bool, palette: Palette) -> String {
    let mut text = String::new();
    for link in &found.links {
        let name = palette.strong(&link.name);
        let seen = palette.dim(format!("({})", seen(link)));
        let way = way(&link.from, &link.to);
        text.push_str(&format!("{name}  {way}   {seen}\n"));
        let sign = palette.changed("!");
        if let Some(doubt) = &link.doubt {
            // A failure usually begins with the endpoint's name.
            let doubt = doubt
                .strip_prefix(&format!("{}: ", link.from))
                .unwrap_or(doubt);
            let from = &link.from;
            text.push_str(&format!("{sign} {from} was not read whole: {doubt}\n"));
        }
        if link.late {
            text.push_str(&format!(
                "{sign} it was still being read when the time was over\n"
            ));
        }
        if !link.differences.is_empty() {
            text.push_str(&table(link, wide).render(palette));
        }
        let shown = if wide { usize::MAX } else { SHOWN };
        if let Some(more) = link.differences.len().checked_sub(shown).filter(|n| *n > 0) {
            let more = format!("and {} more; -o wide shows all", grouped(more));
            text.push_str(&format!("{}\n", palette.dim(more)));
        }
        text.push_str(&format!("{}\n", totals(link, palette)));
    }
    text
}

fn seen(link: &api::LinkVerification) -> String {
    let ago = |seconds: Option<f64>| {
        seconds.map_or_else(
            || "not read whole yet".to_owned(),
            |seconds| format!("read {} ago", spoken(Duration::from_secs_f64(seconds))),
        )
    };
    let target = match link.target_is_read {
        true => ago(link.target_seconds_ago),
        false => "not read back".to_owned(),
    };
    format!("source {}, target {target}", ago(link.source_seconds_ago))
}

/// `1,204 instances are the same, 2 differ`.
fn totals(link: &api::LinkVerification, palette: Palette) -> String {
    let same = match link.same {
        1 => "1 instance is the same".to_owned(),
        many => format!("{} are the same", plural(many, "instance")),
    };
    match link.differences.len() {
        0 if link.doubt.is_some() => format!("{same}, none is known to differ"),
        0 => format!("{same} on all sides, {}", palette.added("none differs")),
        1 => format!("{same}, 1 differs"),
        many => format!("{same}, {} differ", grouped(many)),
    }
}

fn table(link: &api::LinkVerification, wide: bool) -> Table {
    let mut table = Table::new()
        .column("SERVICE")
        .column("INSTANCE")
        .column("FIELD")
        .column("SOURCE")
        .column("LEDGER")
        .column("TARGET")
        .column("WHY");
    let shown = if wide { usize::MAX } else { SHOWN };
    for difference in link.differences.iter().take(shown) {
        let tone = match difference.outlook.as_str() {
            "right" => Tone::Dim,
            "stays" => Tone::Removed,
            _ => Tone::Changed,
        };
        let service = &difference.service;
        let service = format!(
            "{}/{}/{}",
            service.namespace, service.group, service.service
        );
        let instance = match difference.cluster.as_str() {
            "DEFAULT" => difference.address.clone(),
            cluster => format!("{}@{cluster}", difference.address),
        };
        let mut first = Some((service, instance, difference.detail.clone()));
        let target_is_read = link.target_is_read;
        let none = api::FieldDifference {
            field: String::new(),
            source: None,
            ledger: None,
            target: None,
        };
        let fields = match difference.fields.is_empty() {
            true => std::slice::from_ref(&none),
            false => &difference.fields,
        };
        for field in fields {
            let (service, instance, why) = first.take().unwrap_or_default();
            let said = |value: &Option<String>| match value {
                Some(value) if wide => value.clone(),
                Some(value) => cut(value, VALUE_WIDTH),
                None => "-".to_owned(),
            };
            let target = match target_is_read {
                true => said(&field.target),
                false => String::new(),
            };
            table.row([
                service.into(),
                instance.into(),
                field.field.as_str().into(),
                said(&field.source).into(),
                said(&field.ledger).into(),
                target.into(),
                Cell::new(tone, why),
            ]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(outlook: &str, why: &str) -> api::Verification {
        let field = |field: &str, values: [Option<&str>; 3]| {
            let [source, ledger, target] = values.map(|value| value.map(str::to_owned));
            api::FieldDifference {
                field: field.to_owned(),
                source,
                ledger,
                target,
            }
        };
        api::Verification {
            links: vec![api::LinkVerification {
                name: "hz-to-sh".to_owned(),
                from: "hangzhou".to_owned(),
                to: "shanghai".to_owned(),
                late: false,
                doubt: None,
                source_seconds_ago: Some(0.4),
                target_is_read: true,
                target_seconds_ago: Some(0.1),
                same: 1_204,
                differences: vec![api::Difference {
                    service: api::ServiceName {
                        namespace: "public".to_owned(),
                        group: "G".to_owned(),
                        service: "orders".to_owned(),
                    },
                    address: "10.0.0.1:80".to_owned(),
                    cluster: "DEFAULT".to_owned(),
                    fields: vec![
                        field("weight", [Some("1"), Some("1"), Some("5")]),
                        field("metadata.zone", [Some("a"), Some("a"), None]),
                    ],
                    why: why.to_owned(),
                    detail: "drift: changed at the target by another".to_owned(),
                    outlook: outlook.to_owned(),
                }],
            }],
        }
    }

    #[test]
    fn what_differs_is_told_field_by_field() {
        assert_eq!(
            text(&found("stays", "drift"), false, Palette::PLAIN),
            "\
hz-to-sh  hangzhou → shanghai   (source read 0.4 s ago, target read 0.1 s ago)
SERVICE          INSTANCE     FIELD          SOURCE  LEDGER  TARGET  WHY
public/G/orders  10.0.0.1:80  weight         1       1       5       drift: changed at the target by another
                              metadata.zone  a       a       -
1,204 instances are the same, 1 differs
"
        );
    }

    #[test]
    fn the_exit_code_tells_what_becomes_of_it() {
        for (outlook, code) in [
            ("right", Exit::Ok),
            ("passes", Exit::Pending),
            ("stays", Exit::Partial),
            ("held", Exit::Held),
        ] {
            assert_eq!(exit(&found(outlook, "")), code, "{outlook}");
        }
        let mut doubtful = found("right", "");
        doubtful.links[0].doubt = Some("connection refused".to_owned());
        assert_eq!(exit(&doubtful), Exit::Partial);
    }
}

//! `syncline journal verify`: is it what was written?

use clap::Args;
use serde::Serialize;
use syncline_engine::journal::{Problem, Verification};

use super::{Context, Exit};
use crate::output::number::plural;

/// Check that every line is whole and chained to the one before it
///
/// What this cannot find alone is a journal rewritten from some line on to its
/// end, or cut there: keep the head that is shown elsewhere, and compare.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  syncline journal verify
  syncline journal verify -o json

Exit codes: 0 sound, 1 damaged or rewritten")]
pub struct VerifyArgs {}

/// What programs are told.
#[derive(Serialize)]
struct Answer<'a> {
    sound: bool,
    segments: usize,
    records: u64,
    first: Option<u64>,
    last: Option<u64>,
    head: Option<&'a str>,
    unfinished_bytes: u64,
    problems: Vec<String>,
    more_problems: u64,
}

impl VerifyArgs {
    pub(super) fn run(&self, context: &Context) -> anyhow::Result<Exit> {
        let found = context.journal()?.verify()?;
        if context.screen.wants_data() {
            context.screen.data(&Answer {
                sound: found.is_sound(),
                segments: found.segments,
                records: found.records,
                first: found.first,
                last: found.last,
                head: found.head.as_deref(),
                unfinished_bytes: found.unfinished_bytes,
                problems: found.problems.iter().map(problem).collect(),
                more_problems: found.more_problems,
            })?;
        } else {
            context.screen.print(&text(&found))?;
        }
        Ok(match found.is_sound() {
            true => Exit::Ok,
            false => Exit::Failure,
        })
    }
}

fn text(found: &Verification) -> String {
    let mut text = String::new();
    for wrong in &found.problems {
        text.push_str(&format!("! {}\n", problem(wrong)));
    }
    if found.more_problems > 0 {
        text.push_str(&format!("! and {} more\n", found.more_problems));
    }
    let verdict = match found.is_sound() {
        true => "sound",
        false => "not what was written",
    };
    let records = usize::try_from(found.records).unwrap_or(usize::MAX);
    text.push_str(&format!(
        "{verdict}: {} in {}\n",
        plural(records, "record"),
        plural(found.segments, "segment")
    ));
    if let Some(head) = &found.head {
        text.push_str(&format!("head {head}\n"));
    }
    text
}

fn problem(problem: &Problem) -> String {
    match problem {
        Problem::Damaged { path, from, bytes } => {
            format!(
                "{}: {bytes} bytes from {from} on are no record",
                path.display()
            )
        }
        Problem::NoHead { path } => format!("{} does not begin as a segment", path.display()),
        Problem::Jump { expected, found } => {
            format!("record {expected} should follow, and {found} does")
        }
        Problem::Unchained { number } => {
            format!("record {number} is not chained to the one before it")
        }
    }
}

//! `syncline why`: why is it as it is?

mod story;

use clap::Args;
use serde::Serialize;
use syncline_admin::api;
use syncline_engine::journal::{JournalEntry, JournalReader, Question, Story};

use super::when::{When, utc};
use super::{Context, Exit};
use crate::config::did_you_mean;
use crate::output::Format;
use crate::output::safe::safe;

/// How many steps of a story are told; `-o wide` tells all.
const TOLD: usize = 20;

/// Explain what was done to an instance or a service, and why
///
/// From the journal in the state folder, the newest first: which source showed
/// it, with whose eyes, which rule decided, and how it ended. It needs no running
/// daemon; where one runs, it is asked what is held and shadowed now.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  syncline why 10.1.9.4:8080
  syncline why legacy-api --since 2h
  syncline why public/DEFAULT_GROUP/legacy-api --link hz-to-sh -o json

Exit codes: 0 explained, 1 nothing is known of it")]
pub struct WhyArgs {
    /// An instance (host, host:port, host:port@cluster) or a service (its name,
    /// group@@name, namespace/group/name)
    #[arg(value_name = "WHAT")]
    pub what: String,

    /// Only on this link
    #[arg(long, value_name = "LINK")]
    pub link: Option<String>,

    /// Nothing older, such as 2h, 14:03 or 2026-11-23T14:03
    #[arg(long, value_name = "TIME")]
    pub since: Option<When>,

    /// Nothing younger
    #[arg(long, value_name = "TIME")]
    pub until: Option<When>,
}

/// What programs are told.
#[derive(Serialize)]
struct Answer<'a> {
    what: &'a str,
    /// The newest first.
    steps: Vec<story::StepData<'a>>,
    /// What keeps its links from going on.
    lasting: Vec<&'a JournalEntry>,
    /// What is held of it now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    holds: Vec<&'a api::HeldBack>,
    #[serde(skip_serializing_if = "Option::is_none")]
    journal_reaches_back_to: Option<String>,
    unreadable: Vec<String>,
}

impl WhyArgs {
    /// Reads the journal and tells.
    ///
    /// # Errors
    /// When there is no journal, or it cannot be read.
    pub async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let reader = context.journal()?;
        let question = Question {
            about: self.what.clone(),
            link: self.link.clone(),
            from_ms: self.since.map(|when| when.0),
            until_ms: self.until.map(|when| when.0),
        };
        let story = read(reader, question).await?;
        let daemon = context.daemon()?;
        // No daemon, no holds: the journal says the rest.
        let holds = daemon.holds().await.ok();
        let runs = holds.is_some();
        let holds = holds.map(|holds| holds.holds).unwrap_or_default();
        let held = holds.iter().filter(|held| self.is_about(held));
        let held: Vec<&api::HeldBack> = held.collect();
        let known = !story.steps.is_empty() || !held.is_empty();
        if context.screen.wants_data() {
            context.screen.data(&Answer {
                what: &self.what,
                steps: story.steps.iter().rev().map(story::data).collect(),
                lasting: story.lasting.iter().map(|record| &record.entry).collect(),
                holds: held,
                journal_reaches_back_to: story.oldest.map(|reach| utc(reach.at_ms)),
                unreadable: story.unread.iter().map(ToString::to_string).collect(),
            })?;
        } else if known {
            let told = match context.screen.format {
                Format::Wide => usize::MAX,
                _ => TOLD,
            };
            let palette = context.screen.palette;
            let text = story::text(&self.what, &story, &held, (told, runs), palette);
            context.screen.print(&text)?;
        } else {
            context.screen.print(&self.nothing(&story))?;
        }
        Ok(if known { Exit::Ok } else { Exit::Failure })
    }

    fn is_about(&self, held: &api::HeldBack) -> bool {
        let on_link = self.link.as_ref().is_none_or(|link| *link == held.link);
        on_link
            && held.would_go.iter().any(|change| {
                let service = &change.service;
                let (host, _) = change.address.rsplit_once(':').unwrap_or_default();
                let names = [
                    change.address.clone(),
                    host.to_owned(),
                    service.service.clone(),
                    format!("{}@@{}", service.group, service.service),
                    format!(
                        "{}/{}/{}",
                        service.namespace, service.group, service.service
                    ),
                ];
                names.contains(&self.what)
            })
    }

    fn nothing(&self, story: &Story) -> String {
        let mut text = format!("nothing is known of {}", safe(&self.what));
        let named = story.services.iter().map(String::as_str);
        let short = named.clone().filter_map(|name| name.rsplit('/').next());
        if let Some(hint) = did_you_mean(&self.what, named.chain(short)) {
            text.push_str(&format!("; {}", safe(&hint)));
        }
        text.push('\n');
        if let Some(reach) = story.oldest {
            let at = super::when::local(reach.at_ms);
            text.push_str(&format!("the journal reaches back to {at}\n"));
        } else {
            text.push_str("the journal is empty\n");
        }
        text
    }
}

/// Reads on a thread that may block.
async fn read(reader: JournalReader, question: Question) -> anyhow::Result<Story> {
    let read = move || reader.story(&question);
    Ok(tokio::task::spawn_blocking(read).await??)
}

impl Context {
    /// The journal of the state folder that is meant.
    ///
    /// # Errors
    /// When there is a configuration and something is wrong with it, or no
    /// daemon ever ran with that folder.
    pub(super) fn journal(&self) -> anyhow::Result<JournalReader> {
        let folder = self.state_folder()?.join("journal");
        anyhow::ensure!(
            folder.is_dir(),
            "there is no journal at {}, so `syncline run` never ran with this state folder",
            folder.display()
        );
        Ok(JournalReader::new(&folder))
    }
}

//! The command line: one file for each command, with its arguments, its help
//! and what it does.
//!
//! Nothing is decided here that a library user would miss: a command reads its
//! arguments, asks the rooms that know, and shows the answer.

pub mod adopt;
pub mod approve;
pub mod check;
pub mod completions;
pub mod context;
pub mod demo;
pub mod evacuate;
pub mod exit;
pub mod holds;
pub mod journal;
pub mod list;
pub mod log;
pub mod man;
pub mod pause;
pub mod plan;
mod reading;
pub mod route;
pub mod run;
pub mod schema;
pub mod serve;
pub mod status;
mod stop;
pub mod sync;
pub mod trigger;
pub mod verify;
pub mod version;
pub mod watch;
pub mod when;
pub mod why;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::output::Format;
use crate::output::screen::Colour;

pub use context::Context;
pub use exit::{Exit, Hinted, Usage, report};

const AFTER_HELP: &str = "\
Endpoints are names from the configuration, or URLs:
  nacos://[user@]host[:port][,host...][/namespace][?group=G&service=order-*&...]
  nacos+https://...    file:services.json    file:folder/    embedded:[address]
  prometheus-file:targets/nacos.json
  The password comes from NACOS_PASSWORD, or is asked for.

Exit codes:
  0  done; nothing to do        3  only shown: changes are pending
  1  failed                     4  done in part: something could not be read or written
  2  wrong usage or             5  held: the guard keeps losses back
     configuration

Try: syncline list nacos://127.0.0.1:8848";

/// Keeps every consumer's service list in step with Nacos.
#[derive(Clone, Debug, Parser)]
#[command(name = "syncline", version, about, after_help = AFTER_HELP)]
#[command(infer_subcommands = true, max_term_width = 100)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of all commands")]
pub struct Global {
    /// The form of the answer: table, wide, json or yaml
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORM",
        default_value = "table"
    )]
    #[arg(hide_possible_values = true)]
    pub output: Format,

    /// When to use colours: auto, always or never; NO_COLOR turns them off too
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    #[arg(hide_possible_values = true)]
    pub color: Colour,

    /// Log more to the standard error output; twice for still more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,

    /// The configuration: a YAML file or a folder of them [default:
    /// syncline.yaml here, or /etc/syncline]
    #[arg(
        short,
        long,
        global = true,
        value_name = "PATH",
        env = "SYNCLINE_CONFIG"
    )]
    pub config: Option<PathBuf>,

    /// The folder of the ledger, the cache and the journal
    #[arg(long, global = true, value_name = "FOLDER", env = "SYNCLINE_STATE")]
    pub state: Option<PathBuf>,
}

/// What to do. The arguments of each command say what it is for.
#[derive(Clone, Debug, Subcommand)]
#[expect(
    missing_docs,
    reason = "a comment here would replace the command's own help"
)]
pub enum Command {
    Demo(demo::DemoArgs),
    Run(run::RunArgs),
    Sync(sync::SyncArgs),
    Plan(plan::PlanArgs),
    Status(status::StatusArgs),
    Trigger(trigger::TriggerArgs),
    Verify(verify::VerifyArgs),
    Holds(holds::HoldsArgs),
    Approve(approve::ApproveArgs),
    Pause(pause::PauseArgs),
    Resume(pause::ResumeArgs),
    Evacuate(evacuate::EvacuateArgs),
    Restore(evacuate::RestoreArgs),
    Adopt(adopt::AdoptArgs),
    Why(why::WhyArgs),
    Journal(journal::JournalArgs),
    List(list::ListArgs),
    Watch(watch::WatchArgs),
    Serve(serve::ServeArgs),
    Check(check::CheckArgs),
    Schema(schema::SchemaArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
    Version(version::VersionArgs),
}

/// Does what the command line says.
///
/// # Errors
/// When it could not be done; [`report`] shows why.
pub async fn run(cli: Cli) -> anyhow::Result<Exit> {
    let context = Context::new(cli.global);
    if !matches!(cli.command, Command::Run(_)) {
        log::start(context.global.verbose, None, &context.env());
    }
    match cli.command {
        Command::Demo(args) => args.run(&context).await,
        Command::Run(args) => args.run(&context).await,
        Command::Sync(args) => args.run(&context).await,
        Command::Plan(args) => args.run(&context).await,
        Command::Status(args) => args.run(&context).await,
        Command::Trigger(args) => args.run(&context).await,
        Command::Verify(args) => args.run(&context).await,
        Command::Holds(args) => args.run(&context).await,
        Command::Approve(args) => args.run(&context).await,
        Command::Pause(args) => args.run(&context).await,
        Command::Resume(args) => args.run(&context).await,
        Command::Evacuate(args) => args.run(&context).await,
        Command::Restore(args) => args.run(&context).await,
        Command::Adopt(args) => args.run(&context).await,
        Command::Why(args) => args.run(&context).await,
        Command::Journal(args) => args.run(&context).await,
        Command::List(args) => args.run(&context).await,
        Command::Watch(args) => args.run(&context).await,
        Command::Serve(args) => args.run(&context).await,
        Command::Check(args) => args.run(&context).await,
        Command::Schema(args) => args.run(&context),
        Command::Completions(args) => args.run(&context),
        Command::Man(args) => args.run(&context),
        Command::Version(args) => args.run(&context),
    }
}

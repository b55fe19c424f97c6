//! `syncline demo`: see it work, without any server.

use clap::Args;
use syncline_contract::Period;

use super::{Context, Exit};
use crate::demo::{DemoOptions, play};

/// See it work, without any server
///
/// Starts two embedded registries, registers services in one over the real
/// protocol, changes them, and shows each change arrive in the other and in a
/// file, with its delay. Ctrl-C ends it and cleans up.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  syncline demo
  syncline demo --for 10s")]
pub struct DemoArgs {
    /// End by itself after this time, such as 10s
    #[arg(long, value_name = "TIME")]
    pub r#for: Option<Period>,
}

impl DemoArgs {
    /// Plays the demo.
    ///
    /// # Errors
    /// When it could not be set up, or a change did not arrive.
    pub async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        // Gone with all that is in it when this function ends, however it ends.
        let folder = tempfile::Builder::new()
            .prefix("syncline-demo-")
            .tempdir()?;
        let palette = context.screen.palette;
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let interrupt = tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                stop.send_replace(true);
            }
        });
        let options = DemoOptions {
            lasts: self.r#for.map(Period::get),
            palette,
            folder: folder.path().to_owned(),
            stopped,
        };
        let summary = play(options, &mut |line| Ok(context.screen.line(line)?)).await?;
        interrupt.abort();
        context
            .screen
            .print(&format!("\n{}", summary.render(palette)))?;
        context.screen.line("")?;
        context
            .screen
            .line("Next: syncline list nacos://HOST:8848 looks into a Nacos of yours")?;
        Ok(match summary.wrong_removals {
            0 => Exit::Ok,
            _ => Exit::Failure,
        })
    }
}

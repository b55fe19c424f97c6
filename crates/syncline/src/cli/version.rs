//! `syncline version`: which one is this?

use clap::Args;
use serde::Serialize;

use super::{Context, Exit};

/// Print the version and what is built in
#[derive(Clone, Debug, Args)]
pub struct VersionArgs {}

#[derive(Serialize)]
struct Answer {
    version: &'static str,
    endpoints: &'static [&'static str],
    target: String,
}

impl VersionArgs {
    /// Prints the version.
    ///
    /// # Errors
    /// When it cannot be printed.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let answer = Answer {
            version: env!("CARGO_PKG_VERSION"),
            endpoints: &[
                "nacos",
                "embedded",
                "file",
                "prometheus-file",
                "prometheus-http",
                "template",
                "dns",
                "webhook",
                "xds",
            ],
            target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        };
        if context.screen.wants_data() {
            context.screen.data(&answer)?;
        } else {
            context.screen.line(&format!(
                "syncline {} ({}) with {}",
                answer.version,
                answer.target,
                answer.endpoints.join(", ")
            ))?;
        }
        Ok(Exit::Ok)
    }
}

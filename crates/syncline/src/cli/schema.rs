//! `syncline schema`: the JSON Schema of configuration files.

use clap::Args;

use super::{Context, Exit};
use crate::config;

/// Print the JSON Schema of configuration files
///
/// With it editors complete keys and mark mistakes.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example, for editors with the YAML language server:
  syncline schema > syncline.schema.json
  # yaml-language-server: $schema=syncline.schema.json   (first line of syncline.yaml)")]
pub struct SchemaArgs {}

impl SchemaArgs {
    /// Prints the schema; JSON unless YAML is asked for.
    ///
    /// # Errors
    /// When it cannot be printed.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.screen.data(&config::schema())?;
        Ok(Exit::Ok)
    }
}

//! A daemon that carries one Nacos into one file, and a consumer of the file.

use super::process::{Setup, Syncline};
use super::reader::Reader;

/// Starts both. `source` says where the Nacos is, as its endpoint has it;
/// `settings` are lines that the link, named `to-file`, has besides.
pub(crate) fn start(source: &str, settings: &str) -> anyhow::Result<(Syncline, Reader)> {
    let setup = Setup::new()?;
    let file = Reader::of(&setup.file("services.json"));
    let settings = settings.lines().map(|line| format!("    {line}\n"));
    let daemon = setup.run(&format!(
        "endpoints:
  source: {{ kind: nacos, {source} }}
  file: {{ kind: file, path: services.json }}
links:
  - name: to-file
    from: source
    to: file
{}",
        settings.collect::<String>()
    ))?;
    Ok((daemon, file))
}

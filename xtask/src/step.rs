//! Running other programs, with their time.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs a command with its output shown, under a heading. Whether it succeeded, and how long it took.
pub(crate) fn run(heading: &str, command: &mut Command) -> anyhow::Result<(bool, Duration)> {
    println!("\n== {heading}");
    let start = Instant::now();
    let status = command
        .status()
        .with_context(|| format!("{heading}: start {:?}", command.get_program()))?;
    let took = start.elapsed();
    println!(
        "== {heading}: {} in {}",
        if status.success() { "ok" } else { "FAILED" },
        minutes(took)
    );
    Ok((status.success(), took))
}

/// Whether a program is on the path.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| is_program(&folder.join(program)))
}

fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// A duration as a reader wants it: seconds below a minute, else minutes.
pub(crate) fn minutes(duration: Duration) -> String {
    match duration.as_secs() {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        _ => format!("{:.1} min", duration.as_secs_f64() / 60.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(minutes(Duration::from_millis(1_234)), "1.2 s");
        assert_eq!(minutes(Duration::from_secs(90)), "1.5 min");
    }
}

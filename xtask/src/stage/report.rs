//! What was measured, with where and when: on the terminal, and in a page of `docs`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::table::Table;

/// Says what is going on, beside the figures.
pub fn say(line: &str) {
    eprintln!("   {line}");
}

/// What one measurement found.
#[derive(Debug)]
pub struct Report {
    /// The page under `docs` that keeps it.
    pub page: &'static str,
    /// The measurement's name, and that of its place in the page.
    pub name: &'static str,
    /// What was found.
    pub tables: Vec<Table>,
}

/// Under which circumstances.
#[derive(Debug)]
pub struct Circumstances {
    text: String,
}

impl Circumstances {
    /// Notes them, before a measurement begins. `sizes` says how large it is, such as "full sizes".
    pub fn note(sizes: &str) -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let value = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            let value = line.and_then(|line| line.split_once(':'));
            value.map_or("unknown".to_owned(), |(_, value)| value.trim().to_owned())
        };
        let cpu = value(&read("/proc/cpuinfo"), "model name");
        let memory = value(&read("/proc/meminfo"), "MemTotal");
        let load = read("/proc/loadavg");
        let load = load.split(' ').next().unwrap_or("unknown").to_owned();
        Self {
            text: format!(
                "{}, commit {}; {cores} cores ({cpu}), {memory} of memory, load {load} before the run; {sizes}.",
                jiff::Zoned::now().date(),
                commit(),
            ),
        }
    }
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(arguments);
        let output = command.output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    match git(&["status", "--porcelain", "--untracked-files=no"]) {
        Some(changes) if changes.is_empty() => commit,
        _ => format!("{commit} with changes"),
    }
}

impl Report {
    /// The report as Markdown.
    pub fn text(&self, circumstances: &Circumstances) -> String {
        let tables: Vec<String> = self.tables.iter().map(Table::to_string).collect();
        format!("{}\n\n{}", circumstances.text, tables.join("\n"))
    }

    /// Puts the report into its place in the page, where the one before it stood.
    pub fn write(&self, circumstances: &Circumstances) -> anyhow::Result<PathBuf> {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
        let path = docs.join(self.page);
        let page =
            std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let page = put(&page, self.name, &self.text(circumstances))
            .with_context(|| format!("{} has no place for {}", path.display(), self.name))?;
        std::fs::write(&path, page).with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }
}

/// Replaces what stands between a measurement's two marks.
fn put(page: &str, name: &str, text: &str) -> Option<String> {
    let begin = format!("<!-- {name} -->\n");
    let (before, rest) = page.split_once(&begin)?;
    let end = format!("<!-- end of {name} -->");
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}{}\n{end}{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_takes_the_place_of_the_one_before() {
        let page = "a\n<!-- x -->\nold\n<!-- end of x -->\nb\n";
        assert_eq!(
            put(page, "x", "new\n").unwrap(),
            "a\n<!-- x -->\nnew\n<!-- end of x -->\nb\n"
        );
        assert_eq!(put(page, "y", "new"), None);
        assert_eq!(put("<!-- x -->\nhalf", "x", "new"), None);
    }
}

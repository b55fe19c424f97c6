//! The files that rules read.

use std::path::Path;

use anyhow::Context as _;

/// Folders that hold nothing of ours.
const PASSED_BY: [&str; 4] = ["target", "state", "node_modules", "recordings"];

/// A text file of the repository.
#[derive(Debug)]
pub(super) struct File {
    /// From the root, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

impl File {
    /// The name without folders.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The folder's path, empty at the root.
    pub(super) fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

/// Every Rust source and every Markdown page, in order of path. Hidden folders are passed by.
pub(super) fn read(root: &Path) -> anyhow::Result<Vec<File>> {
    let mut files = Vec::new();
    collect(root, "", &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<File>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let entry = entry.with_context(|| format!("list {}", folder.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry
            .file_type()
            .with_context(|| format!("look at {path}"))?;
        if kind.is_dir() && !name.starts_with('.') && !PASSED_BY.contains(&name.as_str()) {
            collect(&entry.path(), &format!("{path}/"), files)?;
        } else if kind.is_file() && (name.ends_with(".rs") || name.ends_with(".md")) {
            let text =
                std::fs::read_to_string(entry.path()).with_context(|| format!("read {path}"))?;
            files.push(File { path, text });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sources_and_pages_but_not_what_was_built() {
        let root = tempfile::tempdir().unwrap();
        for path in [
            "a/src/lib.rs",
            "README.md",
            "target/x.rs",
            ".git/y.md",
            "a/data.json",
        ] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "text").unwrap();
        }
        let files = read(root.path()).unwrap();
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["README.md", "a/src/lib.rs"]);
        assert_eq!((files[1].name(), files[1].folder()), ("lib.rs", "a/src"));
        assert_eq!(files[0].folder(), "");
    }
}

//! The demo, over its outage and the deploy after it.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStdout, Command};

/// Longer than the demo waits for any change.
const PATIENCE: Duration = Duration::from_secs(90);

struct Told {
    lines: Lines<BufReader<ChildStdout>>,
    all: String,
}

impl Told {
    /// Reads on until a line tells of something.
    async fn until(&mut self, what: &str) {
        loop {
            let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("no `{what}` after:\n{}", self.all));
            let line = line.expect("text");
            let line = line.unwrap_or_else(|| panic!("ends before `{what}`:\n{}", self.all));
            self.all.push_str(&line);
            self.all.push('\n');
            if line.contains(what) {
                return;
            }
        }
    }
}

#[tokio::test]
async fn the_demo_goes_on_after_its_outage_and_ends_when_it_is_told_to() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_syncline"))
        .arg("demo")
        .env_remove("SYNCLINE_LOG")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the command runs");
    let stdout = child.stdout.take().expect("a pipe");
    let mut told = Told {
        lines: BufReader::new(stdout).lines(),
        all: String::new(),
    };
    told.until("An outage").await;
    told.until("missed meanwhile: 0").await;
    told.until("A rolling deploy").await;
    told.until("healthy → unhealthy").await;
    told.until("  - 10.").await;
    let pid = child.id().expect("it runs").to_string();
    let told_to_end = Command::new("kill").args(["-INT", &pid]).status().await;
    assert!(told_to_end.expect("kill runs").success());
    told.until("wrong removals: 0").await;
    let ended = tokio::time::timeout(PATIENCE, child.wait()).await;
    assert_eq!(ended.expect("it ends").expect("a status").code(), Some(0));
}

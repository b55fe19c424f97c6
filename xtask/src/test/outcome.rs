//! How tests went, by what libtest prints.

use std::io::{BufRead as _, BufReader, Read};
use std::ops::AddAssign;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// Counts, and the names behind them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) passed: u32,
    pub(super) failed: u32,
    /// Could not run here. Not in `passed`.
    pub(super) skipped: u32,
    /// The tests that failed.
    pub(super) failures: Vec<String>,
    /// Why tests were skipped, a line each.
    pub(super) skips: Vec<String>,
    /// Tests of another tier: neither passed nor skipped.
    pub(super) other_tier: Vec<String>,
}

impl Outcome {
    /// Something that ended without telling how its tests went.
    pub(super) fn crashed(what: &str) -> Self {
        Self {
            failed: 1,
            failures: vec![format!("{what} did not finish")],
            ..Self::default()
        }
    }

    /// Takes in a line that libtest printed. Whether it was the line with the result.
    fn read(&mut self, line: &str) -> bool {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.passed += count(counts, "passed");
            self.failed += count(counts, "failed");
            self.skipped += count(counts, "ignored");
            return true;
        }
        let test = line
            .strip_prefix("test ")
            .and_then(|rest| rest.strip_suffix(" ... FAILED"));
        self.failures.extend(test.map(str::to_owned));
        if let Some(test) = line
            .strip_prefix("test ")
            .filter(|rest| rest.contains(" ... ignored"))
        {
            self.skips.push(test.to_owned());
        }
        false
    }

    /// Moves tests that returned early from "passed" to where the testkit's log says that they belong.
    pub(super) fn subtract_skips(&mut self, log: &str) {
        for line in log.lines() {
            if let Some(skip) = line.strip_prefix("SKIPPED ") {
                self.skipped += 1;
                self.skips.push(skip.to_owned());
            } else if let Some(test) = line.strip_prefix("NOT IN TIER ") {
                self.other_tier.push(test.to_owned());
            } else {
                continue;
            }
            self.passed = self.passed.saturating_sub(1);
        }
    }
}

impl AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.failures.extend(other.failures);
        self.skips.extend(other.skips);
        self.other_tier.extend(other.other_tier);
    }
}

/// The number before a word, as in `3 passed; 1 failed`.
fn count(counts: &str, word: &str) -> u32 {
    let words: Vec<&str> = counts
        .split([' ', ';'])
        .filter(|word| !word.is_empty())
        .collect();
    let number = words
        .windows(2)
        .find(|pair| pair[1] == word)
        .and_then(|pair| pair[0].parse().ok());
    number.unwrap_or(0)
}

/// Runs a test program, shows what it prints, and counts. A program that hangs or crashes is one failure more.
pub(super) fn observe(
    what: &str,
    command: &mut Command,
    deadline: Duration,
) -> anyhow::Result<Outcome> {
    let mut program = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {what}"))?;
    let lines = lines_of(program.stdout.take().context("the program has an output")?);
    let end = Instant::now() + deadline;
    let mut outcome = Outcome::default();
    let mut told = false;
    loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                println!("{line}");
                told |= outcome.read(&line);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                println!("{what} hangs: ended after {deadline:?}");
                program.kill().with_context(|| format!("end {what}"))?;
                told = false;
                break;
            }
        }
    }
    let succeeded = program
        .wait()
        .with_context(|| format!("wait for {what}"))?
        .success();
    if !told || (!succeeded && outcome.failed == 0) {
        outcome += Outcome::crashed(what);
    }
    Ok(outcome)
}

/// The lines of an output, read on a thread of their own so that waiting for them can end.
fn lines_of(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if sender
                .send(String::from_utf8_lossy(&line).into_owned())
                .is_err()
            {
                return;
            }
        }
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, deadline: Duration) -> Outcome {
        observe("script", Command::new("sh").args(["-c", script]), deadline).unwrap()
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn counts_what_libtest_tells() {
        let outcome = shell(
            "echo 'test a::b ... FAILED'; echo 'test c ... ignored, slow'; echo 'test d ... ok'
             echo 'test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s'
             exit 101",
            LONG,
        );
        assert_eq!((outcome.passed, outcome.failed, outcome.skipped), (2, 1, 1));
        assert_eq!(outcome.failures, ["a::b"]);
        assert_eq!(outcome.skips, ["c ... ignored, slow"]);
    }

    #[test]
    fn a_crash_is_a_failure() {
        assert_eq!(shell("echo 'test a ... ok'; kill -9 $$", LONG).failed, 1);
        assert_eq!(
            shell(
                "echo 'test result: ok. 3 passed; 0 failed; 0 ignored'; exit 1",
                LONG
            )
            .failed,
            1
        );
    }

    #[test]
    fn a_hang_is_a_failure() {
        let outcome = shell("exec sleep 1000", Duration::from_millis(50));
        assert_eq!(outcome.failures, ["script did not finish"]);
    }

    #[test]
    fn skipped_tests_do_not_count_as_passed() {
        let mut outcome = Outcome {
            passed: 5,
            ..Outcome::default()
        };
        outcome.subtract_skips("SKIPPED a: no java\nNOT IN TIER b\nsomething else\n");
        assert_eq!((outcome.passed, outcome.skipped), (3, 1));
        assert_eq!(
            (outcome.skips, outcome.other_tier),
            (vec!["a: no java".to_owned()], vec!["b".to_owned()])
        );
    }
}

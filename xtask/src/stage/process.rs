//! Processes, and what they use: `/proc`, so that a server and Syncline are measured alike.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::{Child, ChildStdin, Command};

/// `USER_HZ`, in which the kernel counts CPU time for programs; 100 on every machine that Linux runs our servers on.
const TICKS_PER_SECOND: u64 = 100;

/// What a process has used since its start, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// User and system time of all its threads.
    pub cpu: Duration,
    /// Resident memory at this moment.
    pub resident_bytes: u64,
    /// The most resident memory that it ever had.
    pub peak_bytes: u64,
}

impl Usage {
    /// Reads the usage of a running process.
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let read = |file| {
            let path = format!("/proc/{pid}/{file}");
            std::fs::read_to_string(&path).with_context(|| format!("read {path}"))
        };
        Self::parse(&read("stat")?, &read("status")?)
            .with_context(|| format!("understand /proc/{pid}"))
    }

    fn parse(stat: &str, status: &str) -> Option<Self> {
        // The program's name may hold anything; what follows its parenthesis is plain.
        let (_, after_name) = stat.rsplit_once(')')?;
        let mut fields = after_name.split_whitespace().skip(11);
        let user: u64 = fields.next()?.parse().ok()?;
        let system: u64 = fields.next()?.parse().ok()?;
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        Some(Self {
            cpu: Duration::from_millis((user + system) * 1000 / TICKS_PER_SECOND),
            resident_bytes: kib("VmRSS:")? * 1024,
            peak_bytes: kib("VmHWM:")? * 1024,
        })
    }

    /// The CPU time since an earlier look.
    pub fn cpu_since(&self, earlier: &Self) -> Duration {
        self.cpu.saturating_sub(earlier.cpu)
    }
}

/// A process that we started. It is killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pid: u32,
    /// Closes when we end, however we end.
    _input: Option<ChildStdin>,
}

impl Process {
    /// Starts a process.
    pub fn spawn(what: &str, command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {what}"))?;
        let pid = child
            .id()
            .with_context(|| format!("{what} ended at once"))?;
        let input = child.stdin.take();
        Ok(Self {
            child,
            pid,
            _input: input,
        })
    }

    /// What it has used.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        Usage::of(self.pid)
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> anyhow::Result<Option<String>> {
        let status = self.child.try_wait().context("look after a process")?;
        Ok(status.map(|status| status.to_string()))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal by its name, such as `STOP`.
    pub async fn signal(&self, name: &str) -> anyhow::Result<()> {
        let mut kill = Command::new("kill");
        kill.args(["-s", name, &self.pid.to_string()]);
        let sent = kill.status().await.context("run kill")?;
        anyhow::ensure!(sent.success(), "a process takes no {name}");
        Ok(())
    }

    /// Kills it as a power cut would (`kill -9`), and waits until it is gone.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("kill a process")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_behind_a_strange_name() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 8 0 1 2 3";
        let status = "Name:\ta\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        let usage = Usage::parse(stat, status).unwrap();
        assert_eq!(usage.cpu, Duration::from_secs(3));
        assert_eq!(usage.resident_bytes, 1 << 20);
        assert_eq!(usage.peak_bytes, 2 << 20);
        assert_eq!(Usage::parse("42 (a", status), None);
        assert_eq!(Usage::parse(stat, "Name:\ta\n"), None);
    }

    #[test]
    fn our_own_usage_can_be_read() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.resident_bytes > 0 && usage.peak_bytes >= usage.resident_bytes);
    }
}

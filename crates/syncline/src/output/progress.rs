//! Bars for long work, while a terminal looks; silence otherwise.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::safe::safe;

/// How far a piece of work has come. It draws on the standard error output if
/// that is a terminal, and leaves nothing behind.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Work whose size is not known yet, such as `reading hangzhou`. The
    /// subject is the link that works.
    pub fn begin(subject: &str, what: &str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10))
            .with_style(style("{prefix}  {spinner} {msg}  {elapsed}"))
            .with_prefix(safe(subject).into_owned())
            .with_message(safe(what).into_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar }
    }

    /// Says what is being done now.
    pub fn say(&self, what: &str) {
        self.bar.set_message(safe(what).into_owned());
    }

    /// From here on there is a known number of things to do.
    pub fn out_of(&self, total: usize) {
        self.bar.set_length(total as u64);
        self.bar.set_style(style(
            "{prefix}  {bar:32.green/dim}  {human_pos} / {human_len}  {per_sec}  ~{eta}",
        ));
    }

    /// So many of them are done.
    pub fn set(&self, done: usize) {
        self.bar.set_position(done as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("█░")
}

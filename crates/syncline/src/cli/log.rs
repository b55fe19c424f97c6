//! Log lines, to the standard error output. What stands in them comes from
//! others, so that nothing in them begins a line or colours one.

use std::fmt::Debug;
use std::io::{self, IsTerminal, Write};

use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

use crate::config::{Env, Log, LogFormat};
use crate::output::safe;

/// The variable that says what is logged, before everything else.
const VARIABLE: &str = "SYNCLINE_LOG";

/// Starts logging. The first caller in a process decides; commands that read
/// their settings from a configuration call it once they have it.
pub fn start(verbose: u8, settings: Option<&Log>, env: Env<'_>) {
    let level = match (verbose, settings) {
        (0, Some(log)) => log.level.clone(),
        (0, None) => "warn".to_owned(),
        (1, _) => "info".to_owned(),
        (2, _) => "debug".to_owned(),
        _ => "trace".to_owned(),
    };
    let level = env(VARIABLE).unwrap_or(level);
    let no_colour = env("NO_COLOR").is_some_and(|value| !value.is_empty());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::builder().parse_lossy(level))
        .with_ansi(io::stderr().is_terminal() && !no_colour);
    let started = match settings.map(|log| log.format) {
        Some(LogFormat::Json) => builder.json().with_writer(|| Json(io::stderr())).try_init(),
        Some(LogFormat::Text) | None => builder
            .fmt_fields(debug_fn(field).delimited(" "))
            .with_writer(io::stderr)
            .try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}

/// One field of a line of text: the message as it is, others with their names.
fn field(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> std::fmt::Result {
    let value = format!("{value:?}");
    let value = safe::safe(&value);
    match field.name() {
        "message" => write!(writer, "{value}"),
        name => write!(writer, "{name}={value}"),
    }
}

/// Takes whole lines of JSON, and leaves nothing in them that a terminal obeys.
struct Json<W>(W);

impl<W: Write> Write for Json<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        self.0.write_all(safe::json(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::output::safe::tests::HOSTILE;

    /// What was written, for a test to read.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Page {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("no panic").clone()).expect("UTF-8")
        }
    }

    /// One line for each hostile text: in the message, in a field as it is, in a
    /// field of a span and as an error.
    fn say_all() {
        for hostile in HOSTILE {
            let span = tracing::error_span!("link", name = %hostile);
            let _in_it = span.enter();
            let error: Box<dyn std::error::Error> = hostile.into();
            tracing::error!(service = %hostile, note = hostile, error, "lost {hostile}");
        }
    }

    #[test]
    fn a_line_of_text_stays_one_whatever_it_says() {
        for ansi in [false, true] {
            let page = Page::default();
            let writer = page.clone();
            let subscriber = tracing_subscriber::fmt()
                .with_ansi(ansi)
                .fmt_fields(debug_fn(field).delimited(" "))
                .with_writer(move || writer.clone())
                .finish();
            tracing::subscriber::with_default(subscriber, say_all);
            let text = page.text();
            assert_eq!(text.lines().count(), HOSTILE.len(), "{text}");
            for (line, hostile) in text.lines().zip(HOSTILE) {
                let plain = console::strip_ansi_codes(line);
                let safe = safe::safe(hostile);
                assert!(
                    plain.contains(&format!("lost {safe} service={safe}")),
                    "{line:?}"
                );
                assert_eq!(safe::safe(&plain), plain, "{line:?}");
            }
        }
    }

    #[test]
    fn a_line_of_json_stays_one_and_says_what_was_said() {
        let page = Page::default();
        let writer = page.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_writer(move || Json(writer.clone()))
            .finish();
        tracing::subscriber::with_default(subscriber, say_all);
        let text = page.text();
        assert_eq!(text.lines().count(), HOSTILE.len(), "{text}");
        for (line, hostile) in text.lines().zip(HOSTILE) {
            assert_eq!(safe::safe(line), line);
            let said: serde_json::Value = serde_json::from_str(line).expect("JSON");
            assert_eq!(said["fields"]["service"], hostile);
            assert_eq!(said["fields"]["message"], format!("lost {hostile}"));
        }
    }
}

//! Whoever registers an instance chooses names and metadata. None of them
//! begins a line of the log or of an answer, colours one or turns it around.

use serde_json::{Value, json};

use super::fake::{Fake, Listed, Speech, but, good};
use super::process::{Setup, said};

/// Each would be a line, a colour, a title or another order of reading.
const HOSTILE: [&str; 6] = [
    "orders\n2026-11-23T09:00:00Z  INFO syncline: FORGED",
    "pay\r\u{1b}[2K\u{1b}[1AFORGED",
    "red\u{1b}[31mFORGED\u{1b}[0m",
    "title\u{1b}]0;FORGED\u{7}",
    "user\u{202e}DEGROF\u{2066}\u{200b}",
    "c1\u{9b}2J\u{85}FORGED\u{2028}FORGED",
];

fn does_something(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// For each hostile text a service of that name, with the text in its metadata
/// and with an instance that nobody can use.
fn hostile() -> Vec<Listed> {
    let listed = HOSTILE.iter().map(|text| {
        let told = but(good("10.0.0.1"), "metadata", json!({ *text: *text }));
        let broken = but(good("10.0.0.2"), "port", json!(text));
        Listed::new(text, vec![told, broken])
    });
    listed.collect()
}

#[tokio::test]
async fn no_name_forges_a_line_of_the_log_or_of_an_answer() -> anyhow::Result<()> {
    let source = Fake::serve(Speech::Nacos(hostile())).await?;
    let mut daemon = Setup::new()?.run(&format!(
        "log: {{ level: trace }}
endpoints:
  source: {{ kind: nacos, servers: [\"{}\"] }}
  file: {{ kind: file, path: services.json }}
links:
  - {{ name: l, from: source, to: file }}
",
        source.address
    ))?;
    daemon
        .is(|status| {
            status
                .links
                .iter()
                .any(|link| link.services == HOSTILE.len())
        })
        .await?;
    daemon.in_step().await?;
    source.says(Speech::Nacos(Vec::new()));
    daemon.command(&["trigger"]).await?;
    daemon
        .is(|status| status.links.iter().any(|link| !link.holds.is_empty()))
        .await?;

    let list = format!("nacos://{}", source.address);
    let commands: [&[&str]; 8] = [
        &["status"],
        &["plan"],
        &["holds", "-o", "wide"],
        &["journal", "show"],
        &["why", "10.0.0.1"],
        &["why", HOSTILE[0], "-o", "wide"],
        &["list", &list],
        &["list", &list, "-s", "*", "-o", "wide"],
    ];
    for (nth, arguments) in commands.into_iter().enumerate() {
        if nth == 6 {
            source.says(Speech::Nacos(hostile()));
        }
        let text = said(&daemon.command(arguments).await?);
        assert!(!text.is_empty(), "{arguments:?}");
        // Names are there, and do nothing.
        let lines: Vec<&str> = text.lines().collect();
        let quiet = text.chars().all(|c| c == '\n' || !does_something(c));
        assert!(quiet, "{arguments:?}: {text:?}");
        let forged = lines
            .iter()
            .find(|line| line.starts_with("2026-11-23T09:00:00Z"));
        assert_eq!(forged, None, "{arguments:?}: {text}");

        // With colours the words are the same, so no name has any.
        let mut coloured = arguments.to_vec();
        coloured.extend(["--color", "always"]);
        let coloured = said(&daemon.command(&coloured).await?);
        let plain = console::strip_ansi_codes(&coloured);
        assert!(
            plain.chars().all(|c| c == '\n' || !does_something(c)),
            "{plain:?}"
        );
        assert_eq!(plain.lines().count(), lines.len(), "{arguments:?}: {plain}");

        // Programs are told what the names are, in characters that do nothing.
        for form in ["json", "yaml"] {
            let mut data = arguments.to_vec();
            data.extend(["-o", form]);
            let data = data.into_iter().filter(|word| *word != "wide");
            let mut data: Vec<&str> = data.collect();
            data.dedup();
            let text = said(&daemon.command(&data).await?);
            assert!(
                text.chars().all(|c| c == '\n' || !does_something(c)),
                "{text:?}"
            );
            if form == "json" {
                serde_json::from_str::<Value>(&text)?;
            }
        }
    }
    daemon.stop().await?;
    let log = daemon.log();
    assert!(
        log.contains("orders\\n2026"),
        "the names were logged: {log}"
    );
    for line in log.lines() {
        assert!(!line.chars().any(does_something), "{line:?}");
        assert!(
            !line.contains("syncline: FORGED") || line.contains("orders\\n"),
            "{line}"
        );
        assert!(line.starts_with("20") && line.contains("Z "), "{line:?}");
    }
    Ok(())
}

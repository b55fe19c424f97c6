//! The page about compatibility: made from the lists that the tests hold the
//! registry to, so that it says neither more nor less.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use axum::body::Body;
use axum::http::Request;

use super::calls::{CALLS, Call, In};
use super::differences::{ALL, Differences, LIVE};
use crate::http::Front;
use crate::registry::Registry;
use crate::settings::Settings;

const PAGE: &str = "../../docs/reference/nacos-compatibility.md";

/// What is between a line with one of these and the next mark is made here.
const CALLS_MARK: &str = "<!-- made by a test: calls -->";
const DIFFERENCES_MARK: &str = "<!-- made by a test: differences -->";
const END_MARK: &str = "<!-- end -->";

#[test]
fn the_page_says_what_the_tests_know() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = std::fs::read_to_string(&path).expect("a page");
    let made = with_part(&page, CALLS_MARK, &calls());
    let parts = ALL.map(differences);
    let made = with_part(&made, DIFFERENCES_MARK, &parts.join("\n"));
    if std::env::var_os("SYNCLINE_BLESS").is_some() {
        std::fs::write(&path, &made).expect("the page can be written");
        return;
    }
    assert!(
        page == made,
        "{PAGE} is stale; make it anew with `SYNCLINE_BLESS=1 cargo test -p syncline-registry page`"
    );
}

#[tokio::test]
async fn every_call_is_there_in_the_versions_that_have_it() {
    for (version, generation) in [
        ("1.4.8", In::ONE),
        ("2.1.1", In::EARLY_TWO),
        ("2.2.4", In::TWO),
        ("2.5.1", In::TWO),
        ("3.0.3", In::THREE),
    ] {
        let settings = Settings {
            version: version.parse().expect("one that is presented"),
            ..Settings::default()
        };
        let front = Front::new(&Registry::new(settings), super::PORT);
        for call in CALLS {
            let wanted = call.presented.contains(generation);
            for method in call.methods {
                let uri = format!("/nacos{}", call.path);
                let request = Request::builder().method(*method).uri(uri);
                let request = request.body(Body::empty()).expect("a request");
                let answer = front.answer(request).await;
                let status = answer.status().as_u16();
                let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await;
                let body = body.expect("a body in memory");
                let body = String::from_utf8_lossy(&body);
                // What is merely not found is said otherwise.
                let unknown = matches!(status, 404 | 405 | 501) && body.contains("\"timestamp\"");
                let step = format!("{version}: {method} {}", call.path);
                assert_eq!(unknown, !wanted, "{step}: {status} {body}");
            }
        }
    }
}

/// The page with one part made anew.
fn with_part(page: &str, mark: &str, part: &str) -> String {
    let (before, rest) = page.split_once(mark).expect("the mark of the part");
    let (_, after) = rest.split_once(END_MARK).expect("the mark of its end");
    format!("{before}{mark}\n\n{part}\n{END_MARK}{after}")
}

fn calls() -> String {
    let mut table = String::from("| path | methods | 1.x | 2.0, 2.1 | 2.2 to 2.5 | 3.x |\n");
    table += "|---|---|---|---|---|---|\n";
    for Call {
        path,
        methods,
        presented,
    } in CALLS
    {
        let generations = [In::ONE, In::EARLY_TWO, In::TWO, In::THREE];
        let there = generations.map(|generation| match presented.contains(generation) {
            true => "yes",
            false => "no",
        });
        let (methods, there) = (methods.join(", "), there.join(" | "));
        let written = writeln!(table, "| `{path}` | {methods} | {there} |");
        written.expect("a text takes what is written");
    }
    table
}

fn differences(of: &Differences) -> String {
    let beside = match of.recording {
        LIVE => ", beside a running server",
        _ => "",
    };
    let mut part = format!("### Presenting {}{beside}\n\n", of.version);
    if !of.missing.is_empty() {
        let paths = of.missing.iter();
        let paths: Vec<String> = paths
            .map(|path| format!("`{}`", path.trim_start_matches("/nacos")))
            .collect();
        part += &format!(
            "Not answered, or not by every method that was tried: {}.\n\n",
            paths.join(", ")
        );
    }
    // The same reason is said once.
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (reason, notes) in of.different {
        reasons.entry(reason).or_default().extend(*notes);
    }
    part += match of.recording {
        LIVE => "| why | where, by a part of the call |\n|---|---|\n",
        _ => "| why | where, by the names of the recorded steps |\n|---|---|\n",
    };
    for (reason, notes) in reasons {
        let notes = notes.join("; ").replace('|', "\\|").replace('$', "");
        part += &format!("| {reason} | {notes} |\n");
    }
    part
}

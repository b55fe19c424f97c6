//! The page about compatibility: made from the lists that the tests hold the
//! registry to, so that it says neither more nor less.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use axum::body::Body;
use axum::http::Request;
use tower::ServiceExt;

use super::calls::{CALLS, Call, In};
use super::differences::{Differences, OF_2_2_4, OF_2_5_1, OF_3_0_3};
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
    let parts = [OF_2_2_4, OF_2_5_1, OF_3_0_3].map(|of| differences(&of));
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
    for (version, three) in [("2.2.4", false), ("2.5.1", false), ("3.0.3", true)] {
        let settings = Settings {
            version: version.parse().expect("one that is presented"),
            ..Settings::default()
        };
        let routes = crate::http::routes(Registry::new(settings), super::PORT);
        for call in CALLS {
            let wanted = match call.presented {
                In::All => true,
                In::Two => !three,
                In::Three => three,
            };
            for method in call.methods {
                let uri = format!("/nacos{}", call.path);
                let request = Request::builder().method(*method).uri(uri);
                let request = request.body(Body::empty()).expect("a request");
                let answer = routes.clone().oneshot(request).await.expect("infallible");
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
    let mut table = String::from("| path | methods | 2.x | 3.x |\n|---|---|---|---|\n");
    for Call {
        path,
        methods,
        presented,
    } in CALLS
    {
        let yes = |there: bool| if there { "yes" } else { "no" };
        let (two, three) = (*presented != In::Three, *presented != In::Two);
        let methods = methods.join(", ");
        let (two, three) = (yes(two), yes(three));
        let written = writeln!(table, "| `{path}` | {methods} | {two} | {three} |");
        written.expect("a text takes what is written");
    }
    table
}

fn differences(of: &Differences) -> String {
    let mut part = format!("### Presenting {}\n\n", of.version);
    if !of.missing.is_empty() {
        let paths = of.missing.iter();
        let paths: Vec<String> = paths
            .map(|path| format!("`{}`", path.trim_start_matches("/nacos")))
            .collect();
        part += &format!(
            "Not answered, or not by every recorded method: {}.\n\n",
            paths.join(", ")
        );
    }
    // The same reason is said once.
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (reason, notes) in of.different {
        reasons.entry(reason).or_default().extend(*notes);
    }
    part += "| why | where, by the names of the recorded steps |\n|---|---|\n";
    for (reason, notes) in reasons {
        let notes = notes.join("; ").replace('|', "\\|").replace('$', "");
        part += &format!("| {reason} | {notes} |\n");
    }
    part
}

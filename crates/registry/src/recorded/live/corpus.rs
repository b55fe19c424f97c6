//! The calls of the differential run, read from `corpus.txt`.

use std::collections::BTreeMap;

use serde_json::Value;

const CORPUS: &str = include_str!("corpus.txt");

/// One line of the corpus, with one of its alternatives.
pub(super) struct Step {
    /// The line, by which differences name it.
    pub(super) note: String,
    pub(super) act: Act,
}

pub(super) enum Act {
    Http {
        method: String,
        path: String,
        query: BTreeMap<String, String>,
        form: Option<BTreeMap<String, String>>,
        agent: Option<String>,
    },
    /// A connection begins with this setup.
    Open(String, Value),
    /// A request on a connection, by its type.
    Call(String, String, Value),
    Close(String),
    Settle,
}

pub(super) fn steps() -> Vec<Step> {
    let lines = CORPUS.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.flat_map(alternatives).map(step).collect()
}

/// A line with each of the texts that stand between `<` and `>` in it.
fn alternatives(line: &str) -> Vec<String> {
    let parts = line
        .split_once('<')
        .filter(|(_, rest)| !rest.starts_with('-'))
        .and_then(|(before, rest)| Some((before, rest.split_once('>')?)));
    let Some((before, (each, after))) = parts else {
        return vec![line.to_owned()];
    };
    let each = each.split('|');
    each.flat_map(|one| alternatives(&format!("{before}{one}{after}")))
        .collect()
}

fn step(line: String) -> Step {
    let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
    let act = match verb {
        "settle" => Act::Settle,
        "close" => Act::Close(rest.to_owned()),
        "open" => {
            let (connection, setup) = rest.split_once(' ').expect("a connection and its setup");
            Act::Open(connection.to_owned(), json(setup))
        }
        "grpc" => {
            let mut parts = rest.splitn(3, ' ').map(str::to_owned);
            let mut next = || parts.next().expect("a connection, a type and a body");
            Act::Call(next(), next(), json(&next()))
        }
        method => http(method, rest),
    };
    Step { note: line, act }
}

fn http(method: &str, rest: &str) -> Act {
    let (rest, agent) = match rest.split_once(" as ") {
        Some((rest, agent)) => (rest, Some(agent.to_owned())),
        None => (rest, None),
    };
    let (rest, form) = match rest.split_once(" <- ") {
        Some((rest, form)) => (rest, Some(pairs(form))),
        None => (rest, None),
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    Act::Http {
        method: method.to_owned(),
        path: format!("/nacos{path}"),
        query: pairs(query),
        form,
        agent,
    }
}

fn pairs(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').expect("a name and a value"));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

#[test]
fn the_corpus_has_some_hundred_calls_and_each_once_between_settlings() {
    let steps = steps();
    let is_call = |step: &&Step| matches!(step.act, Act::Http { .. } | Act::Call(..));
    let calls = steps.iter().filter(is_call).count();
    assert!(calls > 300, "{calls}");
    assert_eq!(alternatives("a<b|c>d"), ["abd", "acd"]);
    assert_eq!(alternatives("a <- f=1"), ["a <- f=1"]);
}

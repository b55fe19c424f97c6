//! Operators see what is held, decide, and ask why: the commands against a
//! running daemon, and against what a dead one left behind.

use std::process::Output;

use anyhow::Context as _;
use serde_json::Value;

use crate::daemon::application::Application;
use crate::daemon::feed;
use crate::daemon::process::said;
use crate::daemon::registry::Embedded;
use crate::daemon::seen::{Service, instances};

/// Longer than any test, so that only an operator lets a hold through.
const CAREFUL: &str = "guard: { zero: { views: 99, over: 1h } }";

/// What a command said to a program.
fn data(output: &Output) -> anyhow::Result<Value> {
    serde_json::from_slice(&output.stdout).with_context(|| said(output))
}

#[track_caller]
fn ends_with(code: i32, output: &Output) -> String {
    let said = said(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_is_listed_with_its_instances_refused_approved_and_explained() -> anyhow::Result<()>
{
    let source = Embedded::serve().await?;
    let orders = Service::plain("orders");
    let mut application = Application::at(source.nacos).await?;
    application.put_all(&orders, &instances(2)).await?;
    let (mut daemon, file) = feed::start(&source.nacos.servers(), CAREFUL)?;
    daemon.in_step().await?;
    file.sees_exactly(&orders, &instances(2)).await?;
    let none = daemon.command(&["holds"]).await?;
    assert_eq!(ends_with(0, &none), "nothing is held\n");

    application.leave(&orders).await?;
    daemon.is(|status| status.links[0].state == "held").await?;
    let listed = daemon.command(&["holds", "to-file", "-o", "json"]).await?;
    ends_with(5, &listed);
    let held = data(&listed)?["holds"][0].clone();
    let id = held["id"].as_str().context("an id")?.to_owned();
    assert_eq!(held["link"], "to-file");
    assert_eq!(held["setting"], "zero");
    let going = held["would_go"].as_array().context("a list")?;
    let going: Vec<_> = going.iter().map(|c| c["address"].as_str()).collect();
    assert_eq!(going, [Some("10.0.0.1:80"), Some("10.0.0.2:80")]);

    let text = ends_with(5, &daemon.command(&["holds"]).await?);
    for part in [
        "10.0.0.1:80",
        "guard.zero",
        "(of 2)",
        &format!("syncline approve {id}"),
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let status = ends_with(5, &daemon.command(&["status"]).await?);
    assert!(
        status.contains(&format!("syncline approve {id}")),
        "{status}"
    );
    let log = daemon.log();
    assert!(log.contains("WARN") && log.contains(&format!("syncline approve {id}")));

    // Whoever mistypes an id is told the right one, and nothing goes.
    let wrong = format!("{}f", &id[..15]);
    let wrong = if wrong == id {
        format!("{}0", &id[..15])
    } else {
        wrong
    };
    let refused = ends_with(1, &daemon.command(&["approve", &wrong]).await?);
    assert!(
        refused.contains(&format!("did you mean `{id}`?")),
        "{refused}"
    );
    let unknown = ends_with(2, &daemon.command(&["holds", "to-fil"]).await?);
    assert!(unknown.contains("did you mean `to-file`?"), "{unknown}");

    ends_with(0, &daemon.command(&["approve", &id, "--deny"]).await?);
    let denied = ends_with(5, &daemon.command(&["holds"]).await?);
    assert!(denied.contains("an operator denied"), "{denied}");
    let why = ends_with(0, &daemon.command(&["why", "10.0.0.1:80"]).await?);
    assert!(
        why.contains("held by the guard") && why.contains("denied"),
        "{why}"
    );

    ends_with(0, &daemon.command(&["approve", &id]).await?);
    file.sees_exactly(&orders, &[]).await?;
    daemon.in_step().await?;
    let why = ends_with(0, &daemon.command(&["why", "10.0.0.2:80"]).await?);
    let first = why.lines().next().unwrap_or_default();
    assert!(
        first.contains("orders  on link to-file: removed from file at "),
        "{why}"
    );
    for part in [
        "gone from the source",
        "as seen at source (raw)",
        "rule: removal.policy: delete",
        "approved by an operator",
        "rule: guard.zero",
        "added to file",
        "confirmed after",
    ] {
        assert!(why.contains(part), "{part} is not in {why}");
    }
    let order = [
        why.find("  removed from file   "),
        why.find("  added to file   "),
    ];
    assert!(order[0] < order[1], "the newest first: {why}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_link_writes_nothing_until_it_is_resumed() -> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let (orders, pay) = (Service::plain("orders"), Service::plain("pay"));
    let mut application = Application::at(source.nacos).await?;
    application.put_all(&orders, &instances(1)).await?;
    let (mut daemon, file) = feed::start(&source.nacos.servers(), CAREFUL)?;
    daemon.in_step().await?;
    ends_with(0, &daemon.command(&["pause", "to-file"]).await?);
    daemon
        .is(|status| status.links[0].state == "paused")
        .await?;
    application.put_all(&pay, &instances(1)).await?;
    daemon
        .is(|status| status.endpoints[0].services == 2)
        .await?;
    file.sees_exactly(&pay, &[]).await?;
    let why = ends_with(0, &daemon.command(&["why", "orders"]).await?);
    assert!(why.contains("to-file is paused"), "{why}");
    ends_with(0, &daemon.command(&["resume", "to-file"]).await?);
    file.sees_exactly(&pay, &instances(1)).await?;
    let unknown = ends_with(1, &daemon.command(&["pause", "nope"]).await?);
    assert!(unknown.contains("there are: to-file"), "{unknown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journal_of_a_killed_daemon_still_answers() -> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let orders = Service::plain("orders");
    let mut application = Application::at(source.nacos).await?;
    application.put_all(&orders, &instances(3)).await?;
    let (mut daemon, file) = feed::start(
        &source.nacos.servers(),
        "guard: { zero: { views: 1, over: 0s } }",
    )?;
    daemon.in_step().await?;
    for round in 0..3 {
        let changed = instances(1)[0].clone().with("round", &round.to_string());
        application.put(&orders, &changed).await?;
        file.sees_exactly(&orders, &application.all(&orders))
            .await?;
        daemon.in_step().await?;
        daemon.kill().await?;
        daemon.restart()?;
        daemon.in_step().await?;
    }
    application.remove(&orders, "10.0.0.3:80").await?;
    file.sees_exactly(&orders, &application.all(&orders))
        .await?;
    daemon.in_step().await?;
    daemon.kill().await?;

    let sound = ends_with(0, &daemon.command(&["journal", "verify"]).await?);
    assert!(sound.starts_with("sound: "), "{sound}");
    let why = daemon
        .command(&["why", "10.0.0.3:80", "-o", "json"])
        .await?;
    ends_with(0, &why);
    let why = data(&why)?;
    assert_eq!(why["steps"][0]["change"], "remove");
    assert_eq!(why["steps"][0]["outcome"], "applied");
    assert_eq!(why["steps"][0]["cause"]["view"], "raw");
    let nothing = ends_with(1, &daemon.command(&["why", "order"]).await?);
    assert!(
        nothing.contains("nothing is known of order; did you mean `orders`?"),
        "{nothing}"
    );

    // Every effect has its line before and after, over all runs.
    let export = daemon.command(&["journal", "export"]).await?;
    ends_with(0, &export);
    let mut open = std::collections::BTreeSet::new();
    let (mut intents, mut starts) = (0, 0);
    for line in String::from_utf8(export.stdout)?.lines() {
        let line: Value = serde_json::from_str(line)?;
        let entry = &line["entry"];
        let effect = entry["effect"].as_u64();
        match (entry["kind"].as_str().context("a kind")?, effect) {
            ("started", _) => {
                starts += 1;
                open.clear();
            }
            ("intent" | "take_up", effect) => {
                intents += 1;
                open.insert(effect.context("an effect")?);
            }
            ("applied" | "failed" | "dropped", effect) => {
                let effect = effect.context("an effect")?;
                assert!(open.remove(&effect), "an outcome without an intent: {line}");
            }
            _ => {}
        }
    }
    assert_eq!(starts, 4, "a run begins with a line of its own");
    assert!(intents > 3 + 3, "only {intents} intents");
    assert!(open.is_empty(), "the last run left {open:?} open");

    let now = daemon.command(&["journal", "show", "--at", "0s", "orders", "-o", "json"]);
    let now = data(&now.await?)?;
    let given = now["given"][0]["instances"].as_array().context("a list")?;
    let given: Vec<_> = given.iter().map(|i| i["instance"].as_str()).collect();
    assert_eq!(given, [Some("10.0.0.1:80"), Some("10.0.0.2:80")]);
    assert_eq!(
        now["given"][0]["instances"][0]["content"]["metadata"]["round"],
        "2"
    );
    let shown = ends_with(
        0,
        &daemon.command(&["journal", "show", "--last", "5"]).await?,
    );
    assert!(
        shown.contains("intent remove") && shown.contains("10.0.0.3:80"),
        "{shown}"
    );
    let wrong = ends_with(
        2,
        &daemon
            .command(&["journal", "show", "--at", "soon", "x"])
            .await?,
    );
    assert!(wrong.contains("a time is how long ago"), "{wrong}");
    Ok(())
}

#[tokio::test]
async fn without_a_journal_that_is_said() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("syncline.yaml"), "links: []\n")?;
    for command in [&["why", "orders"][..], &["journal", "verify"]] {
        let output = crate::daemon::process::syncline(folder.path(), command).await?;
        let said = ends_with(1, &output);
        assert!(said.contains("there is no journal at "), "{said}");
    }
    Ok(())
}

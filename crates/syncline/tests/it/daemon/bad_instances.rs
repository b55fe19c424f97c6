//! Instances that make no sense: quarantined with their reason, while the rest
//! goes on and nothing is removed for it.

use serde_json::{Value, json};
use syncline_admin::api;

use super::fake::{Fake, Speech, but, good, services};
use super::feed;
use super::process::Syncline;
use super::reader::Reader;
use super::seen::{Instance, Service};

async fn start(instances: Vec<Value>) -> anyhow::Result<(Fake, Syncline, Reader)> {
    let source = Fake::serve(speech(instances)).await?;
    let (daemon, file) = feed::start(
        &format!("servers: [\"{}\"]", source.address),
        "guard: { zero: { views: 1, over: 0s } }",
    )?;
    Ok((source, daemon, file))
}

fn speech(instances: Vec<Value>) -> Speech {
    Speech::Nacos(services("orders", instances))
}

fn at(ip: &str) -> Instance {
    Instance::at(&format!("{ip}:80"))
}

/// Whether the status says what is wrong with an instance.
fn says(status: &api::Status, instance: &str, why: &str) -> bool {
    let problems = status.endpoints.iter().flat_map(|e| &e.problems);
    let links = status.links.iter().flat_map(|l| &l.problems);
    problems
        .chain(links)
        .map(|p| format!("{} {}", p.instance.as_deref().unwrap_or_default(), p.what))
        .any(|text| text.contains(instance) && text.contains(why))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_is_quarantined_with_its_reason_and_the_others_arrive() -> anyhow::Result<()> {
    let (_source, mut daemon, file) = start(vec![
        but(good("10.0.0.1"), "port", json!(0)),
        but(good("10.0.0.2"), "port", json!(70_000)),
        but(good("10.0.0.3"), "weight", json!("NaN")),
        but(good("10.0.0.4"), "weight", json!(-1.0)),
        but(good("10.0.0.5"), "metadata", Value::Null),
        but(good("10.0.0.6"), "metadata", json!({ "a": null, "b": "c" })),
        but(good("10.0.0.7"), "ip", json!("")),
        json!("no instance at all"),
        good("10.0.0.9"),
    ])
    .await?;
    let good = [
        at("10.0.0.5"),
        at("10.0.0.6").with("b", "c"),
        at("10.0.0.9"),
    ];
    file.sees_exactly(&Service::plain("orders"), &good).await?;
    for (instance, why) in [
        ("10.0.0.1:0", "port"),
        ("10.0.0.2:70000", "port"),
        ("10.0.0.3:80", "NaN"),
        ("10.0.0.4:80", "weight"),
        ("", "address"),
        ("no instance at all", ""),
    ] {
        daemon.is(|status| says(status, instance, why)).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_stops_making_sense_stays_as_it_was() -> anyhow::Result<()> {
    let orders = Service::plain("orders");
    let all = || vec![good("10.0.0.1"), good("10.0.0.2"), good("10.0.0.3")];
    let (source, mut daemon, file) = start(all()).await?;
    file.sees_exactly(&orders, &[at("10.0.0.1"), at("10.0.0.2"), at("10.0.0.3")])
        .await?;
    let before = file.mark();

    // One goes bad; another changes, a third one comes.
    source.says(speech(vec![
        but(good("10.0.0.1"), "weight", json!("NaN")),
        but(good("10.0.0.2"), "weight", json!(3.0)),
        good("10.0.0.3"),
        good("10.0.0.4"),
    ]));
    let wanted = [
        at("10.0.0.1"),
        at("10.0.0.2").weighing(3.0),
        at("10.0.0.3"),
        at("10.0.0.4"),
    ];
    file.sees_exactly(&orders, &wanted).await?;
    daemon
        .is(|status| says(status, "10.0.0.1:80", "NaN"))
        .await?;

    // While it cannot be told what the bad one is, nothing is taken away.
    source.says(speech(vec![
        but(good("10.0.0.1"), "weight", json!("NaN")),
        but(good("10.0.0.2"), "weight", json!(4.0)),
        good("10.0.0.4"),
    ]));
    file.sees(|document| document[&orders].iter().any(|i| i.weight == 4.0))
        .await?;
    daemon
        .is(|status| says(status, "10.0.0.1:80", "NaN"))
        .await?;
    file.always_listed(
        before,
        &orders,
        &["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"],
    )?;

    // All is well again, and what went meanwhile goes.
    source.says(speech(vec![
        good("10.0.0.1"),
        good("10.0.0.2"),
        good("10.0.0.4"),
    ]));
    file.sees_exactly(&orders, &[at("10.0.0.1"), at("10.0.0.2"), at("10.0.0.4")])
        .await?;
    daemon.is(|status| !says(status, "10.0.0.1:80", "")).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_listed_twice_is_there_once() -> anyhow::Result<()> {
    let orders = Service::plain("orders");
    let (source, mut daemon, file) =
        start(vec![good("10.0.0.1"), good("10.0.0.1"), good("10.0.0.2")]).await?;
    file.sees_exactly(&orders, &[at("10.0.0.1"), at("10.0.0.2")])
        .await?;

    // Two that contradict each other: one of them stands, whichever it is.
    source.says(speech(vec![
        good("10.0.0.1"),
        but(good("10.0.0.1"), "weight", json!(5.0)),
        but(good("10.0.0.2"), "weight", json!(2.0)),
    ]));
    file.sees(|document| document[&orders].contains(&at("10.0.0.2").weighing(2.0)))
        .await?;
    let shown = &file.now()[&orders];
    assert!(super::seen::shows_once(shown, "10.0.0.1:80"), "{shown:#?}");
    file.always_listed(1, &orders, &["10.0.0.1:80", "10.0.0.2:80"])?;
    daemon.in_step().await?;
    Ok(())
}

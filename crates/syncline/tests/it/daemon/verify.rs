//! Source, ledger and target compared, as an operator asks for it.

use serde_json::Value;

use super::application::Application;
use super::process::{Setup, Syncline, said};
use super::registry::{Embedded, Nacos};
use super::seen::{Instance, Service, instances};

async fn verify(daemon: &Syncline, arguments: &[&str]) -> anyhow::Result<(Option<i32>, String)> {
    let arguments = [&["verify"], arguments].concat();
    let output = daemon.command(&arguments).await?;
    Ok((output.status.code(), said(&output)))
}

/// The reasons by address, of all links.
async fn whys(daemon: &Syncline) -> anyhow::Result<Vec<(String, String)>> {
    let (_, text) = verify(daemon, &["-o", "json"]).await?;
    let found: Value = serde_json::from_str(&text)?;
    let links = found["links"].as_array().into_iter().flatten();
    let differences = links.flat_map(|link| link["differences"].as_array().into_iter().flatten());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(differences
        .map(|it| (text(&it["address"]), text(&it["why"])))
        .collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_tells_what_differs_why_and_by_its_exit_code() -> anyhow::Result<()> {
    let (source, target) = (Embedded::serve().await?, Embedded::serve().await?);
    let orders = Service::plain("orders");
    let mut application = Application::at(source.nacos).await?;
    application.put_all(&orders, &instances(3)).await?;
    let setup = Setup::new()?;
    let mut daemon = setup.run(&format!(
        "endpoints:
  near: {{ kind: nacos, {} }}
  far: {{ kind: nacos, {}, hold: connection }}
  file: {{ kind: file, path: services.json }}
links:
  - {{ name: near-far, from: near, to: far }}
  - {{ name: near-file, from: near, to: file }}
",
        source.nacos.servers(),
        target.nacos.servers()
    ))?;
    daemon.in_step().await?;
    let (code, text) = verify(&daemon, &[]).await?;
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(
        text.matches("3 instances are the same on all sides")
            .count(),
        2,
        "{text}"
    );
    assert!(text.contains("target not read back"), "{text}");

    // An operator changes our copy in the target's console.
    let ours = Instance::at("10.0.0.1:80").weighing(7.0);
    operator_weighs(target.nacos, &orders, &ours).await?;
    let (code, text) = verify(&daemon, &["near-far"]).await?;
    assert_eq!(code, Some(4), "{text}");
    let line = text.lines().find(|line| line.contains("10.0.0.1:80"));
    let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
    assert_eq!(
        words[1..6],
        ["10.0.0.1:80", "weight", "1", "1", "7"],
        "{text}"
    );
    assert!(
        text.contains("drift: changed at the target by another"),
        "{text}"
    );
    assert!(
        text.contains("2 instances are the same, 1 differs"),
        "{text}"
    );
    operator_weighs(target.nacos, &orders, &Instance::at("10.0.0.1:80")).await?;

    // A paused link lags behind.
    daemon.command(&["pause", "near-file"]).await?;
    application.put_all(&orders, &instances(4)).await?;
    daemon.is(|status| status.links[0].instances == 4).await?;
    let paused = ("10.0.0.4:80".to_owned(), "paused".to_owned());
    assert_eq!(whys(&daemon).await?, [paused]);
    daemon.command(&["resume", "near-file"]).await?;
    daemon.in_step().await?;

    // What the guard holds is there and should not be.
    application.leave(&orders).await?;
    daemon
        .is(|status| status.links.iter().all(|link| !link.holds.is_empty()))
        .await?;
    let (code, text) = verify(&daemon, &[]).await?;
    assert_eq!(code, Some(5), "{text}");
    assert!(text.contains("held by the guard: hold "), "{text}");

    // With the source dead, what it said last is compared, and that is told.
    source.die().await;
    daemon
        .is(|status| status.endpoints[1].down.is_some())
        .await?;
    let (code, text) = verify(&daemon, &["near-far"]).await?;
    assert!(code == Some(4) || code == Some(5), "{code:?}: {text}");
    assert!(text.contains("! near was not read whole: "), "{text}");
    let (code, text) = verify(&daemon, &["near-fra"]).await?;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("there are: near-far, near-file"), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_nobody_remembers_is_told() -> anyhow::Result<()> {
    let (source, target) = (Embedded::serve().await?, Embedded::serve().await?);
    let orders = Service::plain("orders");
    let mut application = Application::at(source.nacos).await?;
    application.put_all(&orders, &instances(3)).await?;
    let mut daemon = Setup::new()?.run(&format!(
        "endpoints:
  near: {{ kind: nacos, {} }}
  far: {{ kind: nacos, {}, hold: persistent }}
links:
  - {{ name: l, from: near, to: far }}
",
        source.nacos.servers(),
        target.nacos.servers()
    ))?;
    daemon.in_step().await?;
    daemon.stop().await?;
    // The ledger is lost, and only who we are is known.
    for file in std::fs::read_dir(daemon.state())? {
        let file = file?.path();
        if file.extension().is_some_and(|kind| kind == "redb") {
            std::fs::remove_file(file)?;
        }
    }
    application.put_all(&orders, &instances(2)).await?;
    daemon.restart()?;
    daemon.in_step().await?;
    let stray = ("10.0.0.3:80".to_owned(), "stray".to_owned());
    assert_eq!(whys(&daemon).await?, [stray]);
    let (code, text) = verify(&daemon, &[]).await?;
    assert_eq!(code, Some(4), "{text}");
    assert!(
        text.contains("bears our mark, and the ledger does not know it"),
        "{text}"
    );
    Ok(())
}

/// As the console does: the metadata of the instance, and so our mark, stays.
async fn operator_weighs(at: Nacos, service: &Service, it: &Instance) -> anyhow::Result<()> {
    let (ip, port) = it.ip_and_port();
    let weight = it.weight.to_string();
    let query = [
        ("namespaceId", service.namespace.as_str()),
        ("groupName", service.group.as_str()),
        ("serviceName", service.name.as_str()),
        ("clusterName", it.cluster.as_str()),
        ("ip", ip),
        ("port", port),
        ("weight", &weight),
        ("enabled", "true"),
        ("ephemeral", "true"),
    ];
    at.call("PUT", "instance", &query).await?;
    Ok(())
}

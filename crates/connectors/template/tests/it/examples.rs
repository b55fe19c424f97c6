//! The templates among the examples, read by those for whom they are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use syncline_connector_template::Context;
use syncline_contract::FilePath;
use syncline_model::{Instance, Port, ServiceKey, ServiceSet, Weight};
use syncline_testkit::run;

use super::world::{World, render, weighted};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../examples/templates")
}

fn shop() -> syncline_contract::Snapshot {
    let at = |host: &str, port| Instance::new(host, Port::new(port).expect("not zero"));
    let mut away = at("10.0.0.3", 8080);
    away.enabled = false;
    let order = vec![
        at("10.0.0.1", 8080),
        weighted(at("10.0.0.2", 8080), 2.5),
        away,
    ];
    let mut pay = at("fd00::1", 9090);
    pay.weight = Weight::ZERO;
    let set = |instances| Arc::new(ServiceSet::new(instances));
    [
        (
            ServiceKey::new("public", "DEFAULT_GROUP", "order-service"),
            set(order),
        ),
        (ServiceKey::new("prod", "G_TRADE", "Pay:1"), set(vec![pay])),
    ]
    .into()
}

/// What an example's template gives, with a piece of it replaced for the test.
async fn rendered(template: &str, file: &str, context: Context) -> anyhow::Result<World> {
    let mut world = World::new(file, context, "");
    world.config.template = FilePath::new(folder().join(template));
    render(&world.output(), &shop())
        .await
        .map_err(anyhow::Error::msg)?;
    Ok(world)
}

/// Whether a program lets a file pass.
fn passes(words: &[&str]) -> anyhow::Result<()> {
    let ran = Command::new(words[0]).args(&words[1..]).output()?;
    let said =
        String::from_utf8_lossy(&ran.stderr).into_owned() + &String::from_utf8_lossy(&ran.stdout);
    anyhow::ensure!(ran.status.success(), "{said}");
    Ok(())
}

#[tokio::test]
async fn nginx_takes_its_part() -> anyhow::Result<()> {
    if !run::require_program("nginx") {
        return Ok(());
    }
    let world = rendered("nginx.conf.j2", "part.conf", Context::Nginx).await?;
    let part = world.config.path.as_path().display().to_string();
    world.write(
        "nginx.conf",
        &format!("pid {part}.pid; error_log stderr; events {{}} http {{ access_log off; include {part}; }}"),
    );
    passes(&[
        "nginx",
        "-t",
        "-q",
        "-c",
        &world.path("nginx.conf").display().to_string(),
    ])?;
    assert_eq!(world.file().matches("upstream ").count(), 2);
    Ok(())
}

#[tokio::test]
async fn haproxy_takes_the_whole() -> anyhow::Result<()> {
    if !run::require_program("haproxy") {
        return Ok(());
    }
    let world = rendered("haproxy.cfg.j2", "haproxy.cfg", Context::Haproxy).await?;
    passes(&[
        "haproxy",
        "-c",
        "-f",
        &world.config.path.as_path().display().to_string(),
    ])?;
    assert_eq!(world.file().matches("    server ").count(), 4);
    Ok(())
}

#[tokio::test]
async fn hosts_and_variables_are_as_their_readers_want_them() -> anyhow::Result<()> {
    let world = rendered("hosts.j2", "hosts", Context::Hosts).await?;
    assert_eq!(
        world.file(),
        "10.0.0.1 order-service.nacos\n10.0.0.2 order-service.nacos\n"
    );
    let world = rendered("services.env.j2", "services.env", Context::Shell).await?;
    assert_eq!(world.file(), "ORDER_SERVICE=10.0.0.1:8080,10.0.0.2:8080\n");
    Ok(())
}

//! Files in a folder, one for each service.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use syncline_testkit::eventually;

use super::PATIENCE;
use super::application::Application;
use super::process::Setup;
use super::registry::Embedded;
use super::seen::{Instance, Service};

/// What the files of a folder, or of folders in it, say: the services, and how
/// many instances each has. Fails where one of them is no whole document.
fn said(folder: &Path) -> anyhow::Result<BTreeSet<(String, usize)>> {
    let mut said = BTreeSet::new();
    for path in files(folder)? {
        // It may go between the look at the folder and the look at it.
        let Ok(bytes) = std::fs::read(&path) else {
            continue;
        };
        let document: serde_json::Value = serde_json::from_slice(&bytes)?;
        let service = document["service"].as_str().unwrap_or_default().to_owned();
        let instances = document["instances"].as_array().map_or(0, Vec::len);
        said.insert((service, instances));
    }
    Ok(said)
}

/// The documents below a folder; whatever else lies there is no consumer's
/// business.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|kind| kind == "json") {
            found.push(path);
        }
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_service_has_a_file_as_long_as_it_is_there() -> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let mut application = Application::at(source.nacos).await?;
    let (orders, pay) = (
        Service::plain("orders"),
        Service::new("public", "G/x", "pay:v1"),
    );
    application
        .put(&orders, &Instance::at("10.0.0.1:80"))
        .await?;
    let setup = Setup::new()?;
    let folder = setup.file("services");
    let mut daemon = setup.run(&format!(
        "endpoints:
  source: {{ kind: nacos, servers: [\"{}\"] }}
  folder: {{ kind: file, path: services, layout: per-service }}
links:
  - {{ name: link, from: source, to: folder, guard: {{ zero: {{ views: 1, over: 0s }} }} }}
",
        source.nacos.http
    ))?;
    let says = async |wanted: &[(&str, usize)]| {
        let wanted: BTreeSet<_> = wanted.iter().map(|(s, n)| ((*s).to_owned(), *n)).collect();
        eventually(PATIENCE, || async {
            said(&folder).is_ok_and(|said| said == wanted)
        })
        .await;
    };
    daemon.in_step().await?;
    says(&[("orders", 1)]).await;
    application.put(&pay, &Instance::at("10.0.0.1:80")).await?;
    application.put(&pay, &Instance::at("10.0.0.2:80")).await?;
    says(&[("orders", 1), ("pay:v1", 2)]).await;
    application.leave(&orders).await?;
    says(&[("pay:v1", 2)]).await;

    // A file that somebody took away or spoiled is made good with the next start.
    daemon.stop().await?;
    for path in files(&folder)? {
        std::fs::write(path, "spoiled")?;
    }
    daemon.restart()?;
    says(&[("pay:v1", 2)]).await;
    Ok(())
}

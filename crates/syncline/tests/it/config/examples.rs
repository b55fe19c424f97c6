//! Every example in the repository loads.

use std::path::PathBuf;

use super::env;
use syncline::config::{self, Endpoint, Mode};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

fn load(name: &str) -> config::Config {
    match config::load(&folder().join(name), &env) {
        Ok(config) => config,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn every_example_loads_and_its_links_mean_something() {
    let mut seen = 0;
    for entry in std::fs::read_dir(folder()).expect("the examples") {
        let path = entry.expect("an example").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let is_yaml = path.extension().is_some_and(|e| e == "yaml");
        if !is_yaml && !path.is_dir() {
            continue;
        }
        let config = load(&name);
        assert!(!config.links.is_empty(), "{name}");
        for link in &config.links {
            assert!(link.scope().is_ok() && link.mapping().is_ok(), "{name}");
        }
        seen += 1;
    }
    assert!(seen >= 6, "only {seen} examples were found");
}

#[test]
fn the_bridge_says_what_it_seems_to_say() {
    let config = load("bridge.yaml");
    let Some(Endpoint::Nacos(hangzhou)) = config.endpoints.get("hangzhou") else {
        panic!("hangzhou is not Nacos");
    };
    assert_eq!(hangzhou.servers.len(), 3);
    let password = hangzhou.password.as_ref().map(|password| password.expose());
    assert_eq!(password, Some("hunter2"));
    let link = &config.links[0];
    assert_eq!(link.strategy.mode, Mode::Realtime);
    assert_eq!(link.removal.grace.to_string(), "5s");
    let scope = link.scope().expect("a scope");
    assert!(scope.selects_namespace(&"prod-cn".into()));
    assert!(!scope.selects_namespace(&"test".into()));
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn a_folder_is_read_as_one_and_paths_are_those_of_its_files() {
    let config = load("teams");
    let names: Vec<_> = config.links.iter().map(|link| link.name.as_str()).collect();
    assert_eq!(names, ["orders", "payments"]);
    let scope = config.links[1].scope().expect("a scope");
    let services = scope.literal_services().expect("a list");
    let services: Vec<_> = services.iter().map(|name| name.as_str()).collect();
    assert_eq!(services, ["payment-service", "refund-service"]);
}

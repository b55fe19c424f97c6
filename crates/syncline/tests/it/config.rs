//! Configurations: what loads, and all that is said of what does not.

mod examples;
mod loading;
mod problems;
mod schema;

use std::path::Path;

use syncline::config::{self, Config};

/// Variables that tests may refer to.
fn env(name: &str) -> Option<String> {
    match name {
        "NACOS_PASSWORD" => Some("hunter2".to_owned()),
        "PORT" => Some("18848".to_owned()),
        _ => None,
    }
}

fn parse(text: &str) -> Result<Config, String> {
    config::parse("syncline.yaml", Path::new("/etc/syncline"), text, &env)
        .map_err(|error| error.to_string())
}

/// The text of all problems without their headline.
fn problems(text: &str) -> String {
    let said = parse(text).expect_err("problems");
    let (_, said) = said.split_once("\n\n").expect("a headline");
    said.to_owned()
}

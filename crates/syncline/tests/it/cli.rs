//! The command as a user meets it.

mod demo;
mod looking;
mod operating;
pub(crate) mod serving;

use std::path::Path;
use std::process::{Command, Output};

fn syncline(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_syncline"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("SYNCLINE_CONFIG")
        .env_remove("SYNCLINE_LOG")
        .env_remove("NO_COLOR")
        .output()
        .expect("the command runs")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn folder_with(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("syncline.yaml"), text).expect("a file");
    folder
}

const RIGHT: &str = "\
endpoints:
  hangzhou: { kind: nacos, servers: [10.0.0.1:8848, 10.0.0.2:8848] }
  out: { kind: file, path: out.json }
links:
  - { name: hz-out, from: hangzhou, to: out }
";

#[test]
fn check_says_what_a_configuration_says() {
    let folder = folder_with(RIGHT);
    let output = syncline(folder.path(), &["check", "--offline"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let expected = format!(
        "\
syncline.yaml is right: 2 endpoints, 1 link

ENDPOINT  KIND   PLACE
hangzhou  nacos  10.0.0.1:8848, 10.0.0.2:8848
out       file   {}/out.json

LINK    FROM      TO   MODE
hz-out  hangzhou  out  realtime
",
        folder.path().display()
    );
    assert_eq!(out(&output), expected);
}

#[test]
fn check_ends_with_2_and_says_all_on_the_error_output() {
    let folder = folder_with("linkz: []\nlog: { level: info, fromat: json }\n");
    let output = syncline(folder.path(), &["check"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(out(&output), "");
    assert_eq!(
        err(&output),
        "\
error: 2 problems in syncline.yaml

  syncline.yaml:1:1   unknown key `linkz`, did you mean `links`?
        1 | linkz: []
          | ^^^^^
  syncline.yaml:2:21  unknown key `fromat`, did you mean `format`?
        2 | log: { level: info, fromat: json }
          |                     ^^^^^^
"
    );
}

#[test]
fn check_answers_programs() {
    let folder = folder_with("linkz: []\n");
    let output = syncline(folder.path(), &["check", "-o", "json"]);
    assert_eq!(output.status.code(), Some(2));
    let answer: serde_json::Value = serde_json::from_str(&out(&output)).expect("JSON");
    assert_eq!(
        answer["problems"],
        serde_json::json!([{
            "place": "syncline.yaml:1:1",
            "message": "unknown key `linkz`, did you mean `links`?",
        }])
    );
    let folder = folder_with(RIGHT);
    let output = syncline(folder.path(), &["check", "--offline", "-o", "yaml"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(out(&output).contains("mode: realtime"), "{}", out(&output));
}

#[test]
fn colour_is_there_only_where_it_is_wanted() {
    let folder = folder_with("linkz: []\n");
    let plain = syncline(folder.path(), &["check"]);
    assert!(!err(&plain).contains('\u{1b}'));
    let coloured = syncline(folder.path(), &["check", "--color", "always"]);
    assert!(
        err(&coloured).contains("\u{1b}[31merror:\u{1b}[0m"),
        "{}",
        err(&coloured)
    );
}

#[test]
fn without_a_configuration_the_way_to_one_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    if Path::new("/etc/syncline").exists() {
        return;
    }
    let output = syncline(folder.path(), &["check"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        err(&output),
        "error: there is no syncline.yaml here and none in /etc/syncline; name one with --config\n"
    );
}

#[test]
fn wrong_usage_ends_with_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = syncline(folder.path(), &["frobnicate"]);
    assert_eq!(output.status.code(), Some(2));
    let output = syncline(folder.path(), &["check", "--colour"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("--color"), "{}", err(&output));
}

#[test]
fn help_shows_examples_and_exit_codes() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = out(&syncline(folder.path(), &["--help"]));
    assert!(
        root.contains("Exit codes:") && root.contains("5  held"),
        "{root}"
    );
    let check = out(&syncline(folder.path(), &["check", "--help"]));
    assert!(check.contains("Examples:"), "{check}");
}

#[test]
fn completions_know_every_command() {
    let folder = tempfile::tempdir().expect("a folder");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = out(&syncline(folder.path(), &["completions", shell]));
        for command in ["check", "schema", "man", "version"] {
            assert!(script.contains(command), "{shell} lacks {command}");
        }
    }
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let page = out(&syncline(folder.path(), &["man"]));
    assert!(page.contains(".TH syncline 1"), "{page}");
    let output = syncline(folder.path(), &["man", "--folder", "man1"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    for name in ["syncline.1", "syncline-check.1", "syncline-man.1"] {
        assert!(folder.path().join("man1").join(name).is_file(), "{name}");
    }
}

#[test]
fn the_version_is_the_packages() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = out(&syncline(folder.path(), &["version"]));
    assert!(
        said.starts_with(concat!("syncline ", env!("CARGO_PKG_VERSION"), " (")),
        "{said}"
    );
    let answer = out(&syncline(folder.path(), &["version", "-o", "json"]));
    let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(answer["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_reader_who_leaves_early_is_no_failure() {
    use std::io::Read;
    use std::process::Stdio;
    let mut child = Command::new(env!("CARGO_BIN_EXE_syncline"))
        .args(["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command runs");
    // Closed before the command writes, or at the latest while it does.
    drop(child.stdout.take());
    let mut said = String::new();
    child
        .stderr
        .take()
        .expect("a pipe")
        .read_to_string(&mut said)
        .expect("text");
    assert_eq!(child.wait().expect("an end").code(), Some(0), "{said}");
    assert_eq!(said, "");
}

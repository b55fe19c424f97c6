//! The page of commands is the help of the commands.

use clap::{Command, CommandFactory};
use syncline::cli::Cli;

use super::root;

const PATH: &str = "docs/reference/commands.md";

const HEAD: &str = "\
# Commands

What `syncline help COMMAND` says. Options of all commands are shown with the first one only; each command takes them.
This page is made from the commands themselves; a test fails when it is stale, and makes it anew with `SYNCLINE_BLESS=1`.
";

#[test]
fn the_page_of_commands_is_fresh() {
    let fresh = render();
    let path = root().join(PATH);
    if std::env::var_os("SYNCLINE_BLESS").is_some() {
        std::fs::write(&path, &fresh).expect("the page is written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == fresh,
        "{PATH} is stale; make it anew with `SYNCLINE_BLESS=1 cargo test -p syncline docs`"
    );
}

fn render() -> String {
    // A child is rendered before the options of its parent have come down to it.
    let program = Cli::command();
    let children: Vec<Command> = program.get_subcommands().cloned().collect();
    let mut text = HEAD.to_owned();
    text += &section(program, "syncline");
    for child in children {
        let name = format!("syncline {}", child.get_name());
        text += &section(child, &name);
    }
    text
}

fn section(command: Command, name: &str) -> String {
    let help = command
        .bin_name(name)
        .term_width(100)
        .max_term_width(100)
        .mut_args(|argument| argument.hide_env_values(true))
        .render_long_help()
        .to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    format!(
        "\n## `{name}`\n\n```\n{}\n```\n",
        lines.join("\n").trim_end()
    )
}

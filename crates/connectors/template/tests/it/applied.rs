//! From rendered to applied, with commands that fail, hang and come back.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

use syncline_connector_template::Context;
use syncline_contract::Period;
use syncline_testkit::eventually;

use super::world::{World, list, local, render, words};

const LINES: &str = "{% for i in service('order').instances %}\n{{ i.address }}\n{% endfor %}\n";

/// A consumer that takes the file over unless `refuse` is there, and notes each
/// time what it runs with.
fn world() -> World {
    let mut world = World::new("out.txt", Context::Plain, LINES);
    let folder = world.path("");
    let script = "test ! -e DIR/refuse && cat DIR/out.txt > DIR/runs && echo >> DIR/reloads";
    world.config.reload = words(&folder, &["sh", "-c", script]);
    world.config.check = words(&folder, &["sh", "-c", "! grep -q 10.0.0.66 \"$0\"", "{}"]);
    world
}

fn order(last: u8) -> syncline_contract::Snapshot {
    let instance =
        syncline_model::Instance::new(format!("10.0.0.{last}").as_str(), local(80).key.port);
    list("order", vec![instance])
}

fn reloads(world: &World) -> usize {
    world.read("reloads").lines().count()
}

#[tokio::test]
async fn what_is_rendered_is_applied_once() {
    let world = world();
    let output = world.output();
    for _ in 0..3 {
        render(&output, &order(1)).await.expect("applied");
    }
    assert_eq!(world.file(), "10.0.0.1:80\n");
    assert_eq!((world.read("runs"), reloads(&world)), (world.file(), 1));
    render(&output, &order(2)).await.expect("applied");
    assert_eq!(
        (world.read("runs").as_str(), reloads(&world)),
        ("10.0.0.2:80\n", 2)
    );
    // Nor after a restart.
    drop(output);
    render(&world.output(), &order(2)).await.expect("applied");
    assert_eq!(reloads(&world), 2);
}

#[tokio::test]
async fn a_refused_check_leaves_file_and_consumer_alone() {
    let world = world();
    let output = world.output();
    render(&output, &order(1)).await.expect("applied");
    let said = render(&output, &order(66)).await.expect_err("refused");
    assert!(
        said.contains("the check does not let it pass: sh ended with exit status: 1"),
        "{said}"
    );
    assert_eq!(
        (world.file().as_str(), reloads(&world)),
        ("10.0.0.1:80\n", 1)
    );
    render(&output, &order(2)).await.expect("applied");
    assert_eq!(world.read("runs"), "10.0.0.2:80\n");
}

#[tokio::test]
async fn a_failed_reload_is_undone_and_tried_again_until_it_is_applied() {
    let world = world();
    let output = world.output();
    render(&output, &order(1)).await.expect("applied");
    world.write("refuse", "");
    let said = render(&output, &order(2)).await.expect_err("refused");
    assert!(
        said.contains("the reload fails, and the former file is back in place"),
        "{said}"
    );
    assert_eq!(world.file(), "10.0.0.1:80\n");
    // The same content rests for a while, and its reason is told meanwhile.
    assert_eq!(render(&output, &order(2)).await.expect_err("rests"), said);
    std::fs::remove_file(world.path("refuse")).expect("removed");
    let applied = async || render(&output, &order(2)).await.is_ok();
    eventually(Duration::from_secs(20), applied).await;
    assert_eq!(world.read("runs"), "10.0.0.2:80\n");
    assert_eq!(world.file(), "10.0.0.2:80\n");
}

/// The bytes are in place and the process died before the reload went well.
#[tokio::test]
async fn a_reload_that_a_crash_left_out_is_made_up_for() {
    let world = world();
    render(&world.output(), &order(1)).await.expect("applied");
    world.write("refuse", "");
    render(&world.output(), &order(2))
        .await
        .expect_err("refused");
    std::fs::remove_file(world.path("refuse")).expect("removed");
    // As a crash in the middle of it would leave it.
    world.write("out.txt", "10.0.0.2:80\n");
    render(&world.output(), &order(2)).await.expect("applied");
    assert_eq!(world.read("runs"), "10.0.0.2:80\n");
    // What cannot be read is not known, and told once more.
    let before = reloads(&world);
    world.write(".out.txt.state", "not JSON");
    render(&world.output(), &order(2)).await.expect("applied");
    assert_eq!(reloads(&world), before + 1);
}

#[tokio::test]
async fn a_check_without_the_staged_path_runs_with_the_new_file_in_place() {
    let mut world = world();
    let script = "! grep -q 10.0.0.66 DIR/out.txt";
    world.config.check = words(&world.path(""), &["sh", "-c", script]);
    let output = world.output();
    render(&output, &order(1)).await.expect("applied");
    let said = render(&output, &order(66)).await.expect_err("refused");
    assert!(
        said.contains("and the former file is back in place"),
        "{said}"
    );
    assert_eq!(
        (world.file().as_str(), reloads(&world)),
        ("10.0.0.1:80\n", 1)
    );
}

#[tokio::test]
async fn a_reload_that_hangs_is_killed_and_undone() {
    let mut world = world();
    render(&world.output(), &order(1)).await.expect("applied");
    world.config.reload = words(&world.path(""), &["sleep", "600"]);
    world.config.timeout = Period::from_millis(200);
    let said = render(&world.output(), &order(2)).await.expect_err("late");
    assert!(
        said.contains("sleep took longer than 200ms and was killed"),
        "{said}"
    );
    assert_eq!(world.file(), "10.0.0.1:80\n");
}

#[tokio::test]
async fn a_template_that_is_broken_leaves_all_as_it_was_and_one_that_is_mended_is_used() {
    let world = world();
    let output = world.output();
    render(&output, &order(1)).await.expect("applied");
    for broken in [
        "{% for %}",
        "{{ nothing }}",
        "{{ service('order').instances[0].metadata.x }}",
    ] {
        world.write("template.j2", broken);
        let said = render(&output, &order(1)).await.expect_err("broken");
        assert!(said.starts_with("render the template: "), "{said}");
        assert_eq!(
            (world.file().as_str(), reloads(&world)),
            ("10.0.0.1:80\n", 1)
        );
    }
    world.write("template.j2", "{{ services() | length }}\n");
    render(&output, &order(1)).await.expect("applied");
    assert_eq!(world.read("runs"), "1\n");
}

#[tokio::test]
async fn mode_and_owner_stay_and_what_is_kept_beside_is_ours_alone() {
    let world = world();
    world.write("out.txt", "former");
    let path = world.path("out.txt");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("set");
    // Only root can give it away; the test means something either way.
    drop(std::os::unix::fs::chown(&path, Some(1), Some(1)));
    let owner =
        |name: &str| std::fs::metadata(world.path(name)).map(|m| (m.uid(), m.mode() & 0o777));
    let before = owner("out.txt").expect("there");
    render(&world.output(), &order(1)).await.expect("applied");
    assert_eq!(owner("out.txt").expect("there"), before);
    for name in [".out.txt.applied", ".out.txt.state"] {
        assert_eq!(owner(name).expect("there").1, 0o600, "{name}");
    }
}

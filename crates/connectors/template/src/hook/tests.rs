//! Commands that end well, badly, late and not at all.

use syncline_testkit::{eventually, eventually_some};

use super::*;

fn words(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn what_a_command_says_is_told_when_it_fails() {
    run(&words("exit 0"), None, LONG).await.expect("well");
    let error = run(&words("echo out; echo err >&2; exit 3"), None, LONG)
        .await
        .expect_err("3");
    assert_eq!(error.to_string(), "sh ended with exit status: 3: out; err");
    let error = run(&["/no/such/program".to_owned()], None, LONG)
        .await
        .expect_err("none");
    assert_eq!(error.to_string(), "start /no/such/program");
}

#[tokio::test]
async fn much_output_is_cut_and_holds_nobody_up() {
    let script = "i=0; while [ $i -lt 20000 ]; do echo line-$i; i=$((i+1)); done; exit 1";
    let said = run(&words(script), None, LONG)
        .await
        .expect_err("1")
        .to_string();
    assert!(said.len() < 2 * SAID, "{}", said.len());
    assert!(said.ends_with("line-19999"), "{said}");
}

#[tokio::test]
async fn the_staged_path_is_one_word_whatever_it_is_called() {
    let folder = tempfile::tempdir().expect("a folder");
    let staged = folder.path().join("a b; touch gone");
    std::fs::write(&staged, "x").expect("written");
    let word = ["test", "-f", "{}"].map(str::to_owned);
    run(&word, Some(&staged), LONG).await.expect("there");
}

/// Whether a process is there and is no zombie.
fn lives(id: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.trim().starts_with('Z'))
}

#[tokio::test]
async fn what_takes_too_long_goes_with_all_it_started() {
    let folder = tempfile::tempdir().expect("a folder");
    let id = folder.path().join("id");
    let script = format!("sleep 600 & echo $! > {}; sleep 600", id.display());
    // Long enough for the shell to have started its child.
    let limit = Duration::from_millis(700);
    let error = run(&words(&script), None, limit).await.expect_err("late");
    assert!(matches!(error, HookError::TookTooLong { .. }), "{error}");
    let child = std::fs::read_to_string(&id).expect("written");
    eventually(LONG, async || !lives(&child)).await;
}

#[tokio::test]
async fn what_a_command_leaves_running_goes_on_and_is_not_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let id = folder.path().join("id");
    let script = format!("sleep 600 & echo $! > {}", id.display());
    run(&words(&script), None, LONG).await.expect("well");
    let child = std::fs::read_to_string(&id).expect("written");
    assert!(lives(&child), "it goes on");
    run(&words(&format!("kill {child}")), None, LONG)
        .await
        .expect("ended");
}

#[tokio::test]
async fn what_is_abandoned_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let id = folder.path().join("id");
    let script = format!("echo $$ > {}; sleep 600", id.display());
    let (command, known) = (words(&script), id.clone());
    let started = eventually_some(LONG, async || {
        let text = std::fs::read_to_string(&known).unwrap_or_default();
        (!text.trim().is_empty()).then_some(text)
    });
    let child = tokio::select! {
        ended = run(&command, None, LONG) => panic!("{ended:?}"),
        child = started => child,
    };
    eventually(LONG, async || !lives(&child)).await;
}

/// Children of this process that ended and were not asked how.
fn zombies() -> usize {
    let processes = std::fs::read_dir("/proc").expect("listed");
    let stats =
        processes.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("stat")).ok());
    let ours = std::process::id().to_string();
    let is_ours = |stat: &String| {
        let rest = stat.rsplit(')').next().unwrap_or_default();
        let mut fields = rest.split_whitespace();
        fields.next() == Some("Z") && fields.next() == Some(ours.as_str())
    };
    stats.filter(is_ours).count()
}

#[tokio::test]
async fn nothing_is_left_behind_however_often_commands_fail() {
    for number in 0..150 {
        let (script, limit) = match number % 3 {
            0 => ("exit 0", LONG),
            1 => ("exit 1", LONG),
            _ => ("sleep 600", Duration::from_millis(5)),
        };
        let ended = run(&words(script), None, limit).await;
        assert_eq!(ended.is_ok(), number % 3 == 0, "{ended:?}");
    }
    // Children of other tests may just have ended.
    eventually(LONG, async || zombies() == 0).await;
}

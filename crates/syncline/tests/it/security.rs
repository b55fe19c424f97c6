//! What the real binary shows and keeps: no secrets, and nothing that others
//! may read.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::daemon::fake::{Fake, Speech, good, services};
use crate::daemon::feed;
use crate::daemon::process::{Setup, said};

/// Written nowhere but where a user wrote it.
const CANARY: &str = "c4n4ry-Tr0ub4dor";

fn files_below(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

fn shows(text: &[u8], secret: &str) -> bool {
    text.windows(secret.len())
        .any(|part| part == secret.as_bytes())
}

#[tokio::test]
async fn secrets_appear_in_nothing_that_is_said_or_kept() -> anyhow::Result<()> {
    let locked = Fake::serve(Speech::Locked).await?;
    let setup = Setup::new()?;
    std::fs::write(setup.file("secret"), format!("{CANARY}-of-a-file"))?;
    let mut daemon = setup.run(&format!(
        "log: {{ level: trace }}
endpoints:
  source: {{ kind: nacos, servers: [\"{0}\"], username: sync, password: {CANARY}-in-place }}
  other: {{ kind: nacos, servers: [\"{0}\"], username: sync, password: \"${{file:secret}}\" }}
  aliyun: {{ kind: nacos, servers: [\"{0}\"], access_key: ak, secret_key: {CANARY}-signing }}
  file: {{ kind: file, path: services.json }}
  more: {{ kind: file, path: more.json }}
  third: {{ kind: file, path: third.json }}
links:
  - {{ name: one, from: source, to: file }}
  - {{ name: two, from: other, to: more }}
  - {{ name: three, from: aliyun, to: third }}
",
        locked.address
    ))?;
    let failing = daemon
        .is(|status| {
            let listed = |e: &syncline_admin::api::Endpoint| !e.areas.is_empty();
            status.endpoints.iter().filter(|e| listed(e)).count() >= 2
        })
        .await?;
    assert!(!shows(format!("{failing:?}").as_bytes(), CANARY));
    let commands: [&[&str]; 7] = [
        &["status"],
        &["status", "-o", "json"],
        &["plan"],
        &["check"],
        &["check", "-o", "json"],
        &["check", "--offline", "-o", "yaml"],
        &["list", "nacos://sync:c4n4ry-Tr0ub4dor@127.0.0.1:1"],
    ];
    for arguments in commands {
        let output = said(&daemon.command(arguments).await?);
        assert!(!shows(output.as_bytes(), CANARY), "{arguments:?}: {output}");
    }
    daemon.stop().await?;
    let folder = daemon.file("");
    for file in files_below(&folder)? {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if name != "syncline.yaml" && name != "secret" {
            let kept = std::fs::read(&file)?;
            assert!(!shows(&kept, CANARY), "{}", file.display());
        }
    }
    assert!(daemon.log().contains("TRACE"), "everything was logged");
    Ok(())
}

#[tokio::test]
async fn nobody_else_reads_the_state() -> anyhow::Result<()> {
    let source = Fake::serve(Speech::Nacos(services("orders", vec![good("10.0.0.1")]))).await?;
    let (mut daemon, _file) = feed::start(&format!("servers: [\"{}\"]", source.address), "")?;
    daemon.in_step().await?;
    let mode = |path: &Path| -> anyhow::Result<u32> {
        Ok(std::fs::metadata(path)?.permissions().mode() & 0o777)
    };
    assert_eq!(mode(&daemon.state())?, 0o700);
    let sockets_and_keys = ["install.json", "control.sock"];
    for file in files_below(&daemon.state())? {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if sockets_and_keys.contains(&name.as_ref()) {
            assert_eq!(mode(&file)?, 0o600, "{}", file.display());
        }
    }
    daemon.stop().await
}

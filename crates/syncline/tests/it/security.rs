//! What the real binary shows and keeps: no secrets, and nothing that others
//! may read.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

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

/// Every route, one of each kind.
const ROUTES: [(&str, &str); 13] = [
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/api/v1/status"),
    ("GET", "/api/v1/plan"),
    ("GET", "/api/v1/verify"),
    ("GET", "/api/v1/holds"),
    ("GET", "/api/v1/evacuations/link:to-file"),
    ("POST", "/api/v1/trigger"),
    ("POST", "/api/v1/holds/0123456789abcdef/approve"),
    ("POST", "/api/v1/links/to-file/pause"),
    ("POST", "/api/v1/evacuations/link:to-file/evacuate"),
    ("GET", "/"),
    ("OPTIONS", "/api/v1/links/to-file/pause"),
];

/// The status of an answer to a request with these headers.
async fn asked(admin: SocketAddr, line: (&str, &str), headers: &str) -> anyhow::Result<u16> {
    let (method, path) = line;
    let mut stream = TcpStream::connect(admin).await?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\n{headers}content-length: 0\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer.split_whitespace().nth(1);
    Ok(status.context("a status")?.parse()?)
}

#[tokio::test]
async fn pages_of_other_sites_reach_no_route() -> anyhow::Result<()> {
    let source = Fake::serve(Speech::Nacos(services("orders", vec![good("10.0.0.1")]))).await?;
    let (mut daemon, _file) = feed::start(&format!("servers: [\"{}\"]", source.address), "")?;
    daemon.in_step().await?;
    let admin = daemon.admin();
    let port = admin.port();
    let ours = format!("host: 127.0.0.1:{port}\r\n");
    let strangers = [
        "host: evil.example\r\n".to_owned(),
        format!("host: evil.example:{port}\r\n"),
        // A name of theirs that leads here.
        format!("host: localhost.evil.example:{port}\r\n"),
        format!("host: 127.0.0.1.evil.example:{port}\r\n"),
        format!("{ours}origin: http://evil.example\r\n"),
        format!("{ours}origin: null\r\n"),
        format!("{ours}origin: http://127.0.0.1:{port}\r\n"),
    ];
    for route in ROUTES {
        for stranger in &strangers {
            let status = asked(admin, route, stranger).await?;
            assert_eq!(status, 403, "{route:?} {stranger:?}");
        }
    }
    // It answers programs of this machine, so that the above is no accident.
    assert_eq!(asked(admin, ROUTES[2], &ours).await?, 200);
    let links = daemon.status().await?.links;
    assert!(links.iter().all(|link| link.state != "paused"), "{links:?}");
    daemon.stop().await
}

//! What configurations may look like.

use super::{env, parse};
use syncline::config::{self, Endpoint, RemovalPolicy};

#[test]
fn nothing_at_all_is_a_configuration() {
    for text in ["", "# nothing\n", "---\n", "endpoints:\nlinks:\n", "{}"] {
        assert_eq!(parse(text), Ok(config::Config::default()), "{text:?}");
    }
}

#[test]
fn the_design_example_loads_as_it_stands() {
    // A reference within a flow mapping is no YAML by the letter.
    let config = parse(
        r#"
endpoints:
  hangzhou: { kind: nacos, servers: [10.0.0.1:8848, 10.0.0.2:8848], username: sync, password: ${NACOS_PASSWORD} }
  shanghai: { kind: nacos, servers: [10.1.0.1:8848] }
  local:    { kind: embedded, listen: "127.0.0.1:${PORT}" }
links:
  - name: hz-to-sh
    from: hangzhou
    to: shanghai
    select: { namespaces: [public, "prod-*"], groups: ["*"], services: ["*"], exclude: ["consumers:*"] }
    map: { namespace: "{namespace}", group: "{group}", cluster: "hz-{cluster}" }
    strategy: { mode: realtime, verify_every: 5m }
    removal: { policy: delete, grace: 0s }
  - { name: hz-replica, from: hangzhou, to: local, select: { where: 'metadata["scrape"] == "true"' } }
"#,
    )
    .unwrap_or_else(|error| panic!("{error}"));
    let Some(Endpoint::Embedded(local)) = config.endpoints.get("local") else {
        panic!("local is not embedded");
    };
    assert_eq!(local.listen.to_string(), "127.0.0.1:18848");
    assert_eq!(config.links.len(), 2);
}

#[test]
fn numbers_may_come_from_variables_and_defaults() {
    let config = parse(
        "endpoints: { a: { kind: nacos, servers: [h], grpc_port: ${PORT}, copies: ${COPIES:-2} } }",
    )
    .unwrap_or_else(|error| panic!("{error}"));
    let Some(Endpoint::Nacos(a)) = config.endpoints.get("a") else {
        panic!("a is not Nacos");
    };
    assert_eq!((a.grpc_port, a.copies), (Some(18848), Some(2)));
}

#[test]
fn what_a_variable_holds_is_never_structure() {
    let env = |_: &str| Some("x, kind: file, path: /etc/passwd".to_owned());
    let text = "endpoints: { a: { kind: nacos, servers: [h], username: ${U} } }";
    let config = config::parse("s.yaml", "/".as_ref(), text, &env).expect("a configuration");
    let Some(Endpoint::Nacos(a)) = config.endpoints.get("a") else {
        panic!("a is not Nacos");
    };
    assert_eq!(
        a.username.as_deref(),
        Some("x, kind: file, path: /etc/passwd")
    );
}

#[test]
fn secrets_come_from_files_beside_the_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("secret"), "s3cret\n").expect("a file");
    let path = folder.path().join("c.yaml");
    let text =
        "endpoints: { a: { kind: nacos, servers: [h], username: u, password: ${file:secret} } }";
    std::fs::write(&path, text).expect("a file");
    let config = config::load(&path, &env).unwrap_or_else(|error| panic!("{error}"));
    let Some(Endpoint::Nacos(a)) = config.endpoints.get("a") else {
        panic!("a is not Nacos");
    };
    assert_eq!(a.password.as_ref().map(|p| p.expose()), Some("s3cret"));
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn relative_paths_start_at_the_file() {
    let config = parse("endpoints: { f: { kind: file, path: out/x.json } }\nstate: ../state")
        .unwrap_or_else(|error| panic!("{error}"));
    let Some(Endpoint::File(file)) = config.endpoints.get("f") else {
        panic!("f is no file");
    };
    assert_eq!(
        file.path.as_path().to_str(),
        Some("/etc/syncline/out/x.json")
    );
    let state = config.state.expect("a state folder");
    assert_eq!(state.as_path().to_str(), Some("/etc/syncline/../state"));
}

#[test]
fn anchors_and_merges_spare_repetition() {
    let config = parse(
        "
endpoints:
  a: &one { kind: nacos, servers: [h1], username: u, password: ${NACOS_PASSWORD} }
  b: { <<: *one, servers: [h2] }
links:
  - { name: x, from: a, to: b, removal: &keep { policy: keep } }
  - { name: y, from: b, to: a, removal: *keep }
",
    )
    .unwrap_or_else(|error| panic!("{error}"));
    let Some(Endpoint::Nacos(b)) = config.endpoints.get("b") else {
        panic!("b is not Nacos");
    };
    assert_eq!(b.servers[0].as_str(), "h2");
    assert_eq!(b.username.as_deref(), Some("u"));
    assert!(
        config
            .links
            .iter()
            .all(|link| link.removal.policy == RemovalPolicy::Keep)
    );
}

#[test]
fn an_alias_bomb_is_refused_quickly() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let before = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{before}]\n"));
    }
    let said = parse(&text).expect_err("a bomb");
    assert!(said.contains("more than 200000 values"), "{said}");
}

#[test]
fn deep_nesting_is_refused() {
    let text = format!("a: {}{}", "[".repeat(5_000), "]".repeat(5_000));
    assert!(
        parse(&text)
            .expect_err("too deep")
            .contains("this is not YAML")
    );
}

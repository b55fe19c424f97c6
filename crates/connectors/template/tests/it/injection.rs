//! Whatever data says, consumers read it as data: each text of the corpus that
//! is let through comes out of the real reader as it went in, and nothing else.

use std::collections::BTreeMap;
use std::process::Command;

use syncline_connector_template::Context;
use syncline_testkit::run;

use super::corpus::{as_written, corpus, in_metadata, in_names};
use super::haproxy::Haproxy;
use super::nginx::Nginx;
use super::traffic::get;
use super::world::{LONG, World, render};

/// Asks for `/a/1`, `/b/1` and so on, and counts what came back as it went in;
/// nothing else may come back, and nobody may have made `/pwned`.
async fn round_trips(address: std::net::SocketAddr, ways: &[&str]) -> usize {
    assert!(get(address, "/pwned").await.is_err(), "/pwned is there");
    let mut same = 0;
    for (text, number) in corpus().iter().zip(1..) {
        for way in ways {
            if let Ok(said) = get(address, &format!("/{way}/{number}")).await {
                assert!(
                    said == as_written(text),
                    "{way}/{number}: {text:?} became {said:?}"
                );
                same += 1;
            }
        }
    }
    same
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_reads_every_text_as_it_is() -> anyhow::Result<()> {
    if !run::require_program("nginx") {
        return Ok(());
    }
    let nginx = Nginx::start(
        "
map_hash_bucket_size 8192;
map $arg_v $number {
{% for i in service('corpus').instances if i.metadata.v is quotable %}
    \"{{ loop.index }}-{{ i.metadata.v }}\" {{ loop.index }};
{% endfor %}
}
server {
    listen LISTEN;
    default_type text/plain;
    location / { return 404; }
{% for i in service('corpus').instances if i.metadata.v is quotable %}
    location = /a/{{ i.port }} { return 200 {{ i.metadata.v }}; }
    location = /b/{{ i.port }} { return 200 \"{{ i.metadata.v }}\"; }
    location = /c/{{ i.port }} { return 200 '{{ i.metadata.v }}'; }
    # {{ i.metadata.v }}
{% endfor %}
}
}
",
    )
    .await?;
    let output = nginx.world.output();
    nginx.takes(&output, &in_metadata(&corpus())).await?;
    let same = round_trips(nginx.address, &["a", "b", "c"]).await;
    assert!(same >= 3 * 250, "only {same} came back");

    nginx.world.write(
        "template.j2",
        &nginx.world.read("template.j2").replace(
            "map_hash_bucket_size 8192;",
            "
{% for s in services() %}
{% if s.name is quotable %}# {{ s.name }} {{ s.group }}{% endif %}

upstream {{ s.id }} {
{% for i in s.instances %}
    server {{ i.address }};{% if i.cluster is quotable %} # {{ i.cluster }}{% endif %}

{% endfor %}
}
{% endfor %}
map_hash_bucket_size 8192;",
        ),
    );
    let services = in_names(&corpus());
    render(&output, &services)
        .await
        .map_err(anyhow::Error::msg)?;
    let upstreams = nginx
        .world
        .file()
        .lines()
        .filter(|line| line.starts_with("upstream "))
        .count();
    assert_eq!(upstreams, services.len());
    nginx.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_reads_every_text_as_it_is() -> anyhow::Result<()> {
    if !run::require_program("haproxy") {
        return Ok(());
    }
    let haproxy = Haproxy::start(
        "
frontend in
    bind LISTEN
{% for i in service('corpus').instances if i.metadata.v is quotable and i.metadata.v | length < 2000 %}
    # {{ i.metadata.v }}
    http-request return status 200 content-type text/plain string {{ i.metadata.v }} if { path /a/{{ i.port }} }
    http-request return status 200 content-type text/plain string \"{{ i.metadata.v }}\" if { path /b/{{ i.port }} }
    http-request return status 200 content-type text/plain string '{{ i.metadata.v }}' if { path /c/{{ i.port }} }
{% endfor %}
{% for s in services() %}
{% if s.name is quotable %}
# {{ s.name }}
{% endif %}
backend {{ s.id }}
{% for i in s.instances %}
    server {{ i.id }} {{ i.address }} weight {{ i.haproxy_weight }}
{% endfor %}
{% endfor %}
",
    )
    .await?;
    let output = haproxy.world.output();
    render(&output, &in_metadata(&corpus()))
        .await
        .map_err(anyhow::Error::msg)?;
    syncline_testkit::eventually(LONG, async || get(haproxy.address, "/b/1").await.is_ok()).await;
    let same = round_trips(haproxy.address, &["a", "b", "c"]).await;
    assert!(same >= 3 * 250, "only {same} came back");

    let services = in_names(&corpus());
    render(&output, &services)
        .await
        .map_err(anyhow::Error::msg)?;
    let text = haproxy.world.file();
    let count = |what: &str| {
        text.lines()
            .filter(|line| line.trim_start().starts_with(what))
            .count()
    };
    assert_eq!(count("backend "), services.len());
    assert_eq!(count("server "), 2 * services.len());
    haproxy.stop().await
}

async fn rendered(file: &str, context: Context, template: &str) -> anyhow::Result<(World, String)> {
    let world = World::new(file, context, template);
    let output = world.output();
    render(&output, &in_metadata(&corpus()))
        .await
        .map_err(anyhow::Error::msg)?;
    let text = world.file();
    Ok((world, text))
}

#[tokio::test]
async fn json_reads_every_text_as_it_is() -> anyhow::Result<()> {
    let template = r#"[{% for i in service('corpus').instances %}
{"bare": {{ i.metadata.v }}, "in": "{{ i.metadata.v }}", {{ i.metadata.v }}: {{ i.metadata | tojson }}, "all": {{ i.metadata }} }
{%- if not loop.last %},{% endif %}
{% endfor %}]"#;
    let (_world, text) = rendered("out.json", Context::Json, template).await?;
    let read: Vec<BTreeMap<String, serde_json::Value>> = serde_json::from_str(&text)?;
    assert_eq!(read.len(), corpus().len());
    for (read, text) in read.iter().zip(corpus()) {
        let text = as_written(&text);
        assert_eq!(
            (&read["bare"], &read["in"]),
            (&text.clone().into(), &text.clone().into())
        );
        assert!(read.len() <= 4, "{read:?}");
    }
    Ok(())
}

#[tokio::test]
async fn yaml_reads_every_text_as_it_is() -> anyhow::Result<()> {
    let template = "{% for i in service('corpus').instances %}
- bare: {{ i.metadata.v }}
  in: \"{{ i.metadata.v }}\"
  flow: [{{ i.metadata.v }}, {{ i.metadata.v }}]
{% if i.metadata.v is quotable and i.metadata.v | length < 500 %}
  map: { {{ i.metadata.v }}: {{ i.metadata.v }} }
{% endif %}
{% endfor %}";
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Read {
        bare: String,
        r#in: String,
        flow: Vec<String>,
        map: Option<BTreeMap<String, String>>,
    }
    let (_world, text) = rendered("out.yaml", Context::Yaml, template).await?;
    let read: Vec<Read> = serde_saphyr::from_str(&text)?;
    assert_eq!(read.len(), corpus().len());
    for (read, text) in read.iter().zip(corpus()) {
        let text = as_written(&text);
        assert_eq!((&read.bare, &read.r#in), (&text, &text));
        assert_eq!(read.flow, [text.clone(), text.clone()]);
        if let Some(map) = &read.map {
            assert_eq!(map, &BTreeMap::from([(text.clone(), text)]));
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_shell_reads_every_text_as_it_is() -> anyhow::Result<()> {
    let template = "{% for i in service('corpus').instances if i.metadata.v is quotable %}
# {{ i.metadata.v }}
NAME={{ i.metadata.v }}
printf '%s\\0' {{ i.port }} {{ i.metadata.v }} \"{{ i.metadata.v }}\" '{{ i.metadata.v }}' \"$NAME\"
{% endfor %}";
    let (world, _) = rendered("out.sh", Context::Shell, template).await?;
    let ran = Command::new("sh")
        .arg(world.path("out.sh"))
        .current_dir(world.path(""))
        .output()?;
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    assert!(!world.path("PWNED").exists(), "a command was run");
    let said = String::from_utf8(ran.stdout)?;
    let words: Vec<&str> = said.split_terminator('\0').collect();
    let corpus = corpus();
    assert!(
        words.len() / 5 >= 250,
        "only {} came through",
        words.len() / 5
    );
    for line in words.chunks(5) {
        let number: usize = line[0].parse()?;
        let text = as_written(&corpus[number - 1]);
        assert_eq!(line[1..], [text.as_str(); 4], "{number}");
    }
    Ok(())
}

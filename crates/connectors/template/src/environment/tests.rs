//! Templates as people write them, and as nobody should.

use std::sync::Arc;

use syncline_model::{ClusterName, Instance, Metadata, Port, ServiceKey, ServiceSet, Weight};

use super::*;

fn instance(host: &str, port: u16, weight: f64) -> Instance {
    let mut instance = Instance::new(host, Port::new(port).expect("not zero"));
    instance.weight = Weight::new(weight).expect("a weight");
    instance
}

fn snapshot(services: Vec<(&str, Vec<Instance>)>) -> Snapshot {
    let key = |name| ServiceKey::new("public", "DEFAULT_GROUP", name);
    let services = services.into_iter();
    services
        .map(|(name, instances)| (key(name), Arc::new(ServiceSet::new(instances))))
        .collect()
}

fn shop() -> Snapshot {
    let mut away = instance("10.0.0.2", 8080, 2.5);
    away.enabled = false;
    away.metadata = Metadata::from_pairs([("zone", "b")]);
    away.key.cluster = ClusterName::from("hz");
    let order = vec![instance("10.0.0.1", 8080, 1.0), away];
    snapshot(vec![
        ("order", order),
        ("pay", vec![instance("fd00::1", 9090, 0.0)]),
    ])
}

fn rendered(source: &str, context: Context, snapshot: &Snapshot) -> Result<String, String> {
    render(Path::new("t.j2"), source, context, snapshot).map_err(|error| error.to_string())
}

#[test]
fn an_upstream_for_each_service() {
    let source = "\
{% for s in services() %}
upstream {{ s.id }} {
  {% for i in s.instances %}
    server {{ i.address }} weight={{ i.nginx_weight or 1 }}{{ '' if i.in_use else ' down' | dangerously_raw }};
  {% endfor %}
}
{% endfor %}
";
    assert_eq!(
        rendered(source, Context::Nginx, &shop()).expect("rendered"),
        "\
upstream order {
    server 10.0.0.1:8080 weight=2;
    server 10.0.0.2:8080 weight=5 down;
}
upstream pay {
    server [fd00::1]:9090 weight=1 down;
}
"
    );
}

#[test]
fn services_are_found_by_name_group_and_namespace() {
    let mut snapshot = shop();
    let one = Arc::new(ServiceSet::new(vec![instance("10.9.9.9", 1, 1.0)]));
    snapshot.insert(ServiceKey::new("prod", "G", "order"), one);
    for (source, expected) in [
        ("{{ services() | length }}", "3"),
        ("{{ services(namespace='prod') | length }}", "1"),
        ("{{ services(group='DEFAULT_GROUP') | length }}", "2"),
        ("{{ service('order').instances | length }}", "2"),
        (
            "{{ service('order').in_use | map(attribute='ip') | join(' ') }}",
            "10.0.0.1",
        ),
        (
            "{{ service('order', group='G', namespace='prod').id }}",
            "order__",
        ),
        ("{{ service('none').instances | length }}", "0"),
        (
            "{{ 'fd00::1' is address and '10.0.0.1' is address }}",
            "true",
        ),
        (
            "{{ '10.0.0.1;' is address or 'order.example' is address }}",
            "false",
        ),
        ("{{ service('order').instances[1].metadata.zone }}", "b"),
        (
            "{{ service('order').instances[0].metadata.zone | default('-') }}",
            "-",
        ),
        ("{{ service('order').instances[1].cluster }}", "hz"),
        ("{{ service('order').instances[1].haproxy_weight }}", "250"),
        ("{{ service('order').instances[0].ephemeral }}", "true"),
        (
            "{% for k, v in service('order').instances[1].metadata | items %}{{ k }}={{ v }}{% endfor %}",
            "zone=b",
        ),
    ] {
        let got = rendered(source, Context::Plain, &snapshot).expect(source);
        assert!(got.starts_with(expected), "{source}: {got}");
    }
}

#[test]
fn what_is_not_there_is_told_with_its_line() {
    for (source, said) in [
        (
            "a\n{{ service('order').instances[0].metadata.zone }}",
            "t.j2:2: it asks for something",
        ),
        (
            "{{ servces() }}",
            "t.j2:1: unknown function: servces is unknown",
        ),
        ("\n{% for %}", "t.j2:2: syntax error"),
        ("{{ services(grup='x') }}", "t.j2:1: too many arguments"),
        ("{{ 'x' | safe }}", "t.j2:1: unknown filter"),
        (
            "{% autoescape false %}{{ 'x' }}{% endautoescape %}",
            "t.j2:1: invalid operation: `autoescape` cannot",
        ),
    ] {
        let error = rendered(source, Context::Nginx, &shop()).expect_err(source);
        assert!(error.starts_with(said), "{source}: {error}");
    }
}

#[test]
fn a_value_that_cannot_be_written_is_told_with_its_author() {
    let mut bad = instance("10.0.0.1", 80, 1.0);
    bad.metadata = Metadata::from_pairs([("path", "/a\n}")]);
    let snapshot = snapshot(vec![("order", vec![bad])]);
    let source = "{% for s in services() %}\n{% for i in s.instances %}\nproxy_pass {{ i.metadata.path }};\n{% endfor %}\n{% endfor %}";
    assert_eq!(
        rendered(source, Context::Nginx, &snapshot).expect_err("a line break"),
        "t.j2:3: \"/a\\n}\" has a line break (metadata \"path\" of \"10.0.0.1:80\" of service public/DEFAULT_GROUP/order)"
    );
    let changed = "x {{ service('order').instances[0].metadata.path | upper }};";
    let error = rendered(changed, Context::Nginx, &snapshot).expect_err("a line break");
    assert!(
        error.starts_with("t.j2:1: \"/A\\n}\" has a line break"),
        "{error}"
    );
    let kept =
        "{% for i in service('order').instances if i.metadata.path is quotable %}x{% endfor %}";
    assert_eq!(rendered(kept, Context::Nginx, &snapshot), Ok(String::new()));
}

/// What a template can do with text that it put together from data.
const WAYS: [&str; 26] = [
    "{{ t }}",
    "{{ t | upper }}",
    "{{ t | lower }}",
    "{{ t | trim }}",
    "{{ t | first }}",
    "{{ t | last }}",
    "{{ t | reverse }}",
    "{{ t | list | join }}",
    "{{ t | list | last }}",
    "{{ t | split(';') | join('') }}",
    "{{ t | split(';') | last }}",
    "{{ t | replace('x', '') }}",
    "{{ 'x' | replace('x', t) }}",
    "{{ [t, t] | join(';') }}",
    "{{ t[4:] }}",
    "{{ t ~ ';' ~ t }}",
    "{{ t + t }}",
    "{{ t * 2 }}",
    "{{ t | default('') }}",
    "{{ [t] | first }}",
    "{{ [t] | tojson }}",
    "{{ [t, 'x'] | sort | last }}",
    "{{ [t] | map('upper') | first }}",
    "{{ t | batch(2) | first | last }}",
    "{{ t | slice(2) | first | last }}",
    "{{ t | unique | list | last }}",
];

/// However a template takes text apart, data in it stays data.
#[test]
fn data_stays_data_whatever_a_template_does_with_it() {
    let mut hostile = instance("10.0.0.1", 80, 1.0);
    hostile.metadata = Metadata::from_pairs([("v", "a;evil;b")]);
    let snapshot = snapshot(vec![("order", vec![hostile])]);
    let value = "{{ service('order').instances[0].metadata.v }}";
    for put in [
        format!("{{% set t %}}x{value}y{{% endset %}}"),
        format!("{{% macro m() %}}x{value}y{{% endmacro %}}{{% set t = m() %}}"),
        "{% set t = service('order').instances[0].metadata.v %}".to_owned(),
    ] {
        for way in WAYS {
            let source = format!("{put}name {way};");
            match rendered(&source, Context::Nginx, &snapshot) {
                Ok(text) => assert_eq!(statements(&text), 1, "{source}: {text}"),
                Err(error) => assert!(error.starts_with("t.j2"), "{source}: {error}"),
            }
        }
    }
}

/// How many statements nginx reads, quotes aside.
fn statements(text: &str) -> usize {
    let (mut count, mut quoted, mut escaped) = (0, false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ';' if !quoted => count += 1,
            _ => {}
        }
    }
    count
}

#[test]
fn nothing_goes_on_for_ever() {
    for bomb in [
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "{% for a in range(90000) %}{{ 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' * 10000 }}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% for a in range(1000000000000) %}{% endfor %}",
    ] {
        let error = rendered(bomb, Context::Plain, &Snapshot::new()).expect_err(bomb);
        assert!(error.starts_with("t.j2"), "{bomb}: {error}");
    }
}

#[test]
fn a_large_list_is_rendered() {
    let instances = |n: u32| {
        (0..10).map(move |i| instance(&format!("10.{}.{}.{i}", n / 250, n % 250), 80, 1.0))
    };
    let services: Vec<_> = (0..1000)
        .map(|n| (format!("service-{n}"), instances(n).collect()))
        .collect();
    let named = services
        .iter()
        .map(|(name, set): &(String, Vec<_>)| (name.as_str(), set.clone()));
    let source = "{% for s in services() %}upstream {{ s.id }} { {% for i in s.in_use %}server {{ i.address }} weight={{ i.nginx_weight }};{% endfor %} }\n{% endfor %}";
    let text = rendered(source, Context::Nginx, &snapshot(named.collect())).expect("rendered");
    assert_eq!(text.matches("server ").count(), 10_000);
}

//! All that is said of configurations that are wrong, to the letter.

use super::{env, parse, problems};
use syncline::config;
use syncline::output::Palette;

#[test]
fn all_problems_are_said_at_once_with_their_places() {
    let text = "\
endpoints:
  hangzhou: { kind: nacos, servers: [10.0.0.1:8848] }
  shanghai: { kind: nacos, servers: [10.1.0.1:8848] }

links:
  - name: hz-to-sh
    from: hangzhou
    to: shangai
    select:
      namespace: [public]
    strategy: { mode: interval, every: 5 }
";
    assert_eq!(
        parse(text).expect_err("three problems"),
        "\
3 problems in syncline.yaml

  syncline.yaml:8:9    link `hz-to-sh` names endpoint `shangai`, which is not defined; did you mean `shanghai`?
  syncline.yaml:10:7   unknown key `namespace`, did you mean `namespaces`?
       10 |       namespace: [public]
          |       ^^^^^^^^^
  syncline.yaml:11:40  `every: 5` needs a unit, such as 5s or 5m"
    );
}

#[test]
fn every_kind_of_value_says_what_it_should_have_been() {
    assert_eq!(
        problems(
            "\
endpoints:
  a: { kind: nakos, servers: [h] }
  b: { kind: nacos, servers: 10.0.0.1:8848, hold: beet, copies: x, grpc_port: 70000 }
  c: { kind: nacos, servers: ['h:99999', 'ftp://h', good], view: [auto] }
  d: { servers: [h] }
  e: { kind: file }
  f: { kind: embedded, listen: localhost }
  g h: { kind: embedded }
admin: { listen: 0.0.0.0:8849 }
log: yes
"
        ),
        "  syncline.yaml:2:14  `kind: nakos` is not one of nacos, embedded, file, prometheus-file, prometheus-http, template, dns, webhook, xds; did you mean `nacos`?
  syncline.yaml:3:30  `servers: 10.0.0.1:8848` must be a list, such as [10.0.0.1:8848]
  syncline.yaml:3:51  `hold: beet` is not one of auto, connection, beat, persistent; did you mean `beat`?
  syncline.yaml:3:65  `copies: x` must be a whole number from 0 to 255
  syncline.yaml:3:79  `grpc_port: 70000` must be a whole number from 0 to 65535
  syncline.yaml:4:31  `h:99999` in `servers` has a port that is not from 1 to 65535
  syncline.yaml:4:42  `ftp://h` in `servers` must begin with http:// or https://
  syncline.yaml:4:66  `view` must be one of auto, consumer
        4 |   c: { kind: nacos, servers: ['h:99999', 'ftp://h', good], view: [auto] }
          |                                                                  ^
  syncline.yaml:5:6   `d` needs the key `kind`
        5 |   d: { servers: [h] }
          |      ^
  syncline.yaml:6:6   `e` needs the key `path`
        6 |   e: { kind: file }
          |      ^
  syncline.yaml:7:32  `listen: localhost` must be an IP address and a port, such as 127.0.0.1:8848
  syncline.yaml:8:3   `g h` must be a name of at most 63 letters, digits, dots, dashes and underscores that begins with a letter or digit
  syncline.yaml:9:18  `listen: 0.0.0.0:8849` must be a loopback address and a port, such as 127.0.0.1:8849: the admin server asks for no credentials
  syncline.yaml:10:6  `log: yes` must be a mapping of keys to values"
    );
}

#[test]
fn what_does_not_fit_together_is_said() {
    assert_eq!(
        problems(
            "\
install: { replicas: 2, key: short }
endpoints:
  a: { kind: nacos, servers: [h], password: x }
  e1: { kind: embedded, listen: 127.0.0.1:8849, configs_from: f }
  e2: { kind: embedded, configs_from: e4 }
  e3: { kind: embedded }
  f: { kind: file, path: f.json }
links:
  - { name: one, from: a, to: a }
  - { name: one, from: f, to: e1 }
  - { name: two, from: a, to: f, strategy: { mode: cron } }
  - { name: three, from: a, to: f, strategy: { mode: cron, cron: '61 * * * *', every: 1s } }
  - { name: four, from: a, to: e2, removal: { expire_after: 1h }, source_lost: { policy: deprioritize }, drift: reset, limits: { in_flight: 0 } }
  - { name: five, from: a }
  - { from: a, to: e2, nmae: six }
"
        ),
        "  syncline.yaml:1:22    replicas share one `id` and one `key`: write both under `install`
  syncline.yaml:1:30    `key` must be 64 hexadecimal digits, as `openssl rand -hex 32` prints
  syncline.yaml:3:45    `password` of `a` needs a `username` beside it
  syncline.yaml:4:33    `e1` would listen on 127.0.0.1:8849, where the admin server does
  syncline.yaml:4:63    `configs_from` names `f`, a file; configurations are in a nacos
  syncline.yaml:5:39    `configs_from` names `e4`, which is not defined; did you mean `e1`?
  syncline.yaml:6:7     `e3` would listen on 127.0.0.1:8848, where `e2` does
  syncline.yaml:9:31    link `one` goes from `a` to itself
  syncline.yaml:10:13   a second link `one`; the first is at syncline.yaml:9:13
  syncline.yaml:10:24   link `one` reads from `f`, but a file can only be a target
  syncline.yaml:11:52   `mode: cron` needs `cron`, such as \"0 3 * * *\"
  syncline.yaml:12:33   link `three` writes /etc/syncline/f.json, which link `two` writes
  syncline.yaml:12:66   `cron: 61 * * * *` is no schedule: number out of bounds
  syncline.yaml:12:87   `every` means something only with `mode: interval`
  syncline.yaml:13:61   `expire_after` means something only with `policy: mark-unavailable`
  syncline.yaml:13:90   `policy: deprioritize` needs `after`, such as 30m
  syncline.yaml:13:113  this version has no `drift: reset`; an operator's change at the target stands
  syncline.yaml:13:141  `in_flight` must be at least 1
  syncline.yaml:14:5    this entry of `links` needs the key `to`
       14 |   - { name: five, from: a }
          |     ^
  syncline.yaml:15:5    this entry of `links` needs the key `name`
       15 |   - { from: a, to: e2, nmae: six }
          |     ^
  syncline.yaml:15:24   unknown key `nmae`, did you mean `name`?
       15 |   - { from: a, to: e2, nmae: six }
          |                        ^^^^"
    );
}

#[test]
fn patterns_conditions_and_templates_are_tried() {
    let said = problems(
        "\
endpoints: { a: { kind: nacos, servers: [h] }, b: { kind: nacos, servers: [i] } }
links:
  - name: x
    from: a
    to: b
    select:
      groups: [G, 're:(']
      services: []
      where: 'metadta[\"zone\"] == 1'
      services_file: none.txt
    map:
      group: '{gruop}'
      cluster: '{cluster'
      address: [{ from: 10.0.0.0/8, to: 10.0.0.0/16 }, { from: x }]
      weight: -1
      metadata: { set: { a: '{x}' }, drop: ['re:['] }
",
    );
    for part in [
        ":7:19   the pattern `re:(` is not a regular expression: unclosed group\n",
        ":8:17   `services` selects nothing; leave it out for all\n",
        ":9:14   the condition `metadta[\"zone\"] == 1` names the unknown field `metadta`; \
         did you mean `metadata`?\n",
        ":10:22  cannot read /etc/syncline/none.txt: No such file",
        ":12:14  there is no field `gruop` here",
        "did you mean `group`?",
        ":13:16  `{` is never closed",
        ":14:17  `10.0.0.0/8` and `10.0.0.0/16` differ in size",
        ":14:56  an address rule has `from` and `to`, or `to` alone, or `metadata` alone\n",
        ":15:15  `weight: -1` is below 0\n",
        ":16:29  there is no field `x` here",
        ":16:45  the pattern `re:[` is not a regular expression: unclosed character class",
    ] {
        assert!(said.contains(part), "{part:?} is missing in\n{said}");
    }
}

#[test]
fn two_files_that_say_the_same_thing_are_both_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("a file");
    };
    write(
        "a.yaml",
        "endpoints:\n  x: { kind: nacos, servers: [h] }\nlog: { level: info }\n",
    );
    write(
        "b.yml",
        "endpoints:\n  x: { kind: nacos, servers: [i] }\nlog: { level: warn }\n",
    );
    write(".hidden.yaml", "nonsense: [");
    write("notes.txt", "nonsense: [");
    let error = config::load(folder.path(), &env).expect_err("doubles");
    let shown = folder.path().display().to_string();
    let said = error.to_string().replace(&shown, "conf.d");
    assert_eq!(
        said,
        "\
2 problems in conf.d

  conf.d/b.yml:2:3  `x` stands here a second time; the first is at conf.d/a.yaml:2:3
  conf.d/b.yml:3:1  `log` stands here a second time; the first is at conf.d/a.yaml:3:1"
    );
}

#[test]
fn a_file_that_is_no_yaml_does_not_hide_the_others() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.yaml"), "endpoints: [\n").expect("a file");
    std::fs::write(folder.path().join("b.yaml"), "linkz: []\n").expect("a file");
    let said = config::load(folder.path(), &env)
        .expect_err("two")
        .to_string();
    assert!(said.contains("this is not YAML"), "{said}");
    assert!(
        said.contains("unknown key `linkz`, did you mean `links`?"),
        "{said}"
    );
}

#[test]
fn a_key_twice_is_said_with_both_places() {
    assert_eq!(
        problems("log: { level: info }\nlog: { level: warn }\n"),
        "  syncline.yaml:2:1  `log` stands here a second time; the first is at syncline.yaml:1:1"
    );
}

#[test]
fn missing_variables_and_files_are_named() {
    let said = problems(
        "endpoints: { a: { kind: nacos, servers: [h], username: ${USER_OF_NACOS}, password: ${file:/none/such} } }",
    );
    assert!(said.contains(":56  the environment has no `USER_OF_NACOS`; set it, or write ${USER_OF_NACOS:-default}"), "{said}");
    assert!(
        said.contains("`${file:/none/such}` cannot be read: "),
        "{said}"
    );
    assert_eq!(said.lines().count(), 2, "{said}");
}

#[test]
fn no_message_shows_a_secret() {
    for text in [
        "endpoints: { a: { kind: nacos, servers: [h], pasword: hunter2, password: hunter2, nope: 1 } }",
        "endpoints:\n  a: { kind: nacos, servers: [h], password: [hunter2] }\n",
        "endpoints:\n  a:\n    password: \"hunter2\n",
        "endpoints: { a: { kind: nacos, servers: x, password: ${NACOS_PASSWORD}, nope: 1 } }",
    ] {
        let said = parse(text).expect_err("problems");
        let shown = said.matches("hunter2").count();
        // A password under a key that nobody knows is not known to be one.
        let allowed = usize::from(text.contains("pasword"));
        assert!(shown <= allowed * 2, "{said}");
    }
}

#[test]
fn places_count_characters_and_carets_stand_below() {
    let said = problems("endpoints: { 杭州: 1, a: { kind: nacos, servers: [h], holt: beat } }");
    assert!(said.contains("`杭州` must be a name"), "{said}");
    let lines: Vec<_> = said.lines().collect();
    let excerpt = lines
        .iter()
        .position(|line| line.contains(" 1 | "))
        .expect("an excerpt");
    let caret = lines[excerpt + 1].chars().position(|c| c == '^');
    let key = lines[excerpt]
        .find("holt")
        .map(|at| lines[excerpt][..at].chars().count());
    assert_eq!(caret, key, "{said}");
}

#[test]
fn colours_change_nothing_but_colours() {
    let text = "linkz: []\n";
    let error = config::parse("syncline.yaml", "/".as_ref(), text, &env).expect_err("a problem");
    let coloured = error.render(Palette::COLOURED);
    assert!(coloured.contains("\u{1b}["));
    assert_eq!(console::strip_ansi_codes(&coloured), error.to_string());
    assert!(
        error
            .to_string()
            .starts_with("1 problem in syncline.yaml\n\n")
    );
}

#[test]
fn files_that_are_not_there_are_said_to_be_so() {
    let said = config::load("/none/such.yaml".as_ref(), &env)
        .expect_err("none")
        .to_string();
    assert!(
        said.contains("cannot read /none/such.yaml: No such file"),
        "{said}"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let said = config::load(folder.path(), &env)
        .expect_err("empty")
        .to_string();
    assert!(said.contains("holds no *.yaml or *.yml file"), "{said}");
}

#[test]
fn every_prefix_of_a_configuration_is_answered() {
    let text = include_str!("../../../../../examples/schedules.yaml");
    for (end, _) in text.char_indices() {
        // Right or wrong, but never a panic.
        drop(parse(&text[..end]));
    }
}

#[test]
fn of_a_very_long_line_only_the_place_in_question_is_shown() {
    let filler = "x".repeat(1 << 20);
    let text = format!("endpoints: {{ a: {{ kind: file, path: {filler}, paht: b }} }}\n");
    let said = problems(&text);
    assert!(said.len() < 600, "{} bytes: {said:.600}", said.len());
    let lines: Vec<&str> = said.lines().collect();
    let [message, excerpt, marks] = lines.as_slice() else {
        panic!("three lines: {said}");
    };
    assert!(
        message.ends_with("unknown key `paht`, did you mean `path`?"),
        "{message}"
    );
    let at = excerpt.chars().position(|c| c == 'p').expect("the key");
    assert_eq!(marks.chars().position(|c| c == '^'), Some(at), "{said}");
    assert!(
        excerpt.contains("| …xxx") && excerpt.ends_with("paht: b } }"),
        "{excerpt}"
    );
}

#[test]
fn a_very_long_value_is_not_quoted_whole() {
    let filler = "x".repeat(1 << 20);
    for text in [
        format!("{filler}: 1\n"),
        format!("endpoints: {{ a: {{ kind: {filler} }} }}\n"),
        format!("endpoints: {{ a: {{ kind: file, path: b, {filler}: c }} }}\n"),
        format!("endpoints: {filler}\n"),
        format!("endpoints: [{{{filler}\n"),
        format!("links: [{{ name: l, from: {filler}, to: a }}]\n"),
        format!("log: {{ level: '\u{1b}[2J\u{202e}{filler}' }}\n"),
    ] {
        let said = problems(&text);
        assert!(said.len() < 2_000, "{} bytes: {said:.600}", said.len());
        assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said:.600}");
    }
}

#[test]
fn what_happens_to_a_lost_source_needs_a_time_and_only_then() {
    let link = |lost: &str| {
        format!(
            "endpoints: {{ a: {{ kind: nacos, servers: [h] }}, f: {{ kind: file, path: f }} }}
links: [{{ name: l, from: a, to: f, source_lost: {{ {lost} }} }}]
"
        )
    };
    for (lost, said) in [
        (
            "policy: mark-unavailable",
            "`policy: mark-unavailable` needs `after`, such as 30m",
        ),
        (
            "policy: deprioritize, after: 0s",
            "`after` must be longer than nothing",
        ),
        (
            "after: 5m",
            "`after` means something only with `policy: deprioritize` or",
        ),
        (
            "policy: remove, after: 5m",
            "is not one of keep, deprioritize, mark-unavailable",
        ),
        ("policy: deprioritize, after: 5", "needs a unit"),
    ] {
        let problems = problems(&link(lost));
        assert!(problems.contains(said), "{lost}: {problems}");
        assert_eq!(problems.matches("syncline.yaml:").count(), 1, "{problems}");
    }
    for lost in ["", "policy: keep", "policy: mark-unavailable, after: 30m"] {
        assert!(parse(&link(lost)).is_ok(), "{lost}");
    }
}

#[test]
fn how_much_of_the_journal_is_kept_has_units_and_bounds() {
    assert_eq!(
        problems("journal: { max_size: 1000, max_age: 90 }\n"),
        "  syncline.yaml:1:22  `max_size: 1000` must be a whole number with its unit, such as 512MiB, 1GiB or 2GB
  syncline.yaml:1:37  `max_age: 90` needs a unit, such as 90s or 90m"
    );
    assert_eq!(
        problems("journal: { max_size: 100KiB, max_age: 1m }\n"),
        "  syncline.yaml:1:22  `max_size` must be at least 1MiB
  syncline.yaml:1:39  `max_age` must be at least 1h"
    );
    let kept = parse("journal: { max_size: 64 MiB, max_age: 7d }\n").expect("is right");
    let options = kept.journal.options();
    assert_eq!(
        (options.max_bytes, options.segment_bytes),
        (64 << 20, 8 << 20)
    );
}

#[test]
fn who_may_use_a_registry_has_to_be_said_where_others_reach_it() {
    let with = |more: &str| {
        format!("endpoints: {{ e: {{ kind: embedded, listen: 0.0.0.0:8848{more} }} }}\n")
    };
    let silent = problems(&with(""));
    assert!(
        silent.contains("`listen` of `e` is reached by other machines: say who may use it"),
        "{silent}"
    );
    for (access, said) in [
        (
            "{ open: true, users: { a: { password: x, admin: true } } }",
            "cannot be `open`",
        ),
        (
            "{ users: { a: { password: x } } }",
            "may do nothing: give `rights`",
        ),
        (
            "{ users: { a: { password: x, rights: { public: rwx } } } }",
            "`public: rwx`",
        ),
        ("{ users: { a: { rights: { public: r } } } }", "`password`"),
        ("{ open: true, token_key: short }", "at least 32 characters"),
        ("{ opne: true }", "did you mean `open`"),
    ] {
        let problems = problems(&with(&format!(", access: {access}")));
        assert!(problems.contains(said), "{access}: {problems}");
    }
    for access in [
        "{ open: true }",
        "{ users: { a: { password: x, rights: { public: r, 'dev-*': rw } } } }",
        "{ users: { a: { password: $2a$10$EuWPZHzz32dJN7jexM34MOeYirDdFAZm2kuWj7VEOJhhZkDrxfvUu, admin: true } } }",
    ] {
        let read = parse(&with(&format!(", access: {access}")));
        assert!(read.is_ok(), "{access}: {:?}", read.err());
    }
}

#[test]
fn a_control_plane_has_one_link_and_an_address_of_its_own() {
    let with = |plane: &str, to: &str| {
        format!(
            "endpoints: {{ a: {{ kind: nacos, servers: [h] }}, e: {{ kind: xds{plane} }}, f: {{ kind: xds, listen: 127.0.0.1:9 }} }}
links: [{{ name: one, from: a, to: e }}, {{ name: two, from: a, to: {to} }}]
"
        )
    };
    for (plane, to, said) in [
        ("", "e", "link `two` writes `e`, which link `one` writes"),
        (
            ", listen: 127.0.0.1:8849",
            "f",
            "where the admin server does",
        ),
        (", listen: 127.0.0.1:9", "f", "where `e` does"),
        (", listen: '[::]:18000'", "f", "allow it with `open: true`"),
        (
            ", panic_threshold: 101",
            "f",
            "must be a percentage, 0 to 100",
        ),
        (", max_streams: 0", "f", "`max_streams: 0`"),
        (", debounce: { quiet: 1s }", "f", "longer than its `max`"),
    ] {
        let problems = problems(&with(plane, to));
        assert!(problems.contains(said), "{plane}: {problems}");
    }
    let plane = ", listen: '[::]:18000', open: true, panic_threshold: 0";
    assert!(parse(&with(plane, "f")).is_ok());
}

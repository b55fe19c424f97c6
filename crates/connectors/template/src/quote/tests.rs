//! Each language, place by place. Whether the languages themselves agree is
//! tried with nginx and HAProxy (`tests/it`).

use super::*;

/// `«` and `»` stand around what data says.
fn shown(template: &str, context: Context) -> Result<String, String> {
    let mut text = String::new();
    for (number, piece) in template.split('«').enumerate() {
        match piece.split_once('»') {
            Some((value, literal)) if number > 0 => {
                text.push_str(&marked(number, Kind::Text, value));
                text.push_str(literal);
            }
            _ => text.push_str(piece),
        }
    }
    quoted(&text, context).map_err(|refusal| refusal.reason)
}

fn check(context: Context, good: &[(&str, &str)], bad: &[(&str, &str)]) {
    for (template, expected) in good {
        assert_eq!(
            shown(template, context).as_deref(),
            Ok(*expected),
            "{template}"
        );
    }
    for (template, reason) in bad {
        match shown(template, context) {
            Ok(text) => panic!("{template} became {text}"),
            Err(said) => assert!(said.contains(reason), "{template}: {said}"),
        }
    }
}

#[test]
fn nginx() {
    check(
        Context::Nginx,
        &[
            ("server «10.0.0.1:80»;", "server 10.0.0.1:80;"),
            ("server «[fd00::1]:80»;", "server [fd00::1]:80;"),
            ("add_header X «a b»;", "add_header X \"a b\";"),
            ("add_header X «a;}#»;", "add_header X \"a;}#\";"),
            ("add_header X «»;", "add_header X \"\";"),
            (
                "add_header X \"a «b\"c\\d»\";",
                "add_header X \"a b\\\"c\\\\d\";",
            ),
            ("add_header X 'a «b'c»';", "add_header X 'a b\\'c';"),
            ("# «a;b{»\nx;", "# a;b{\nx;"),
            ("set $a.«-b»;", "set $a.-b;"),
            ("map $a $b { «order» «x»; }", "map $a $b { order x; }"),
            ("«a.b» x;", "a.b x;"),
            ("server_name «订单.example»;", "server_name 订单.example;"),
        ],
        &[
            (
                "server «10.0.0.1:80; include /etc/passwd»:80;",
                "part of a word",
            ),
            ("add_header X a«b c»;", "part of a word"),
            ("add_header X «a»«b c»;", "part of a word"),
            ("add_header X «$host»;", "dollar"),
            ("add_header X \"«$host»\";", "dollar"),
            ("add_header X $ho«st»;", "variable"),
            ("add_header X $ho«-st»;", "variable"),
            ("add_header X ${«host»};", "variable"),
            ("add_header X «a\nb»;", "line break"),
            ("# «a\nb»;", "line break"),
            ("add_header X «a\u{2028}b»;", "line break"),
            ("add_header X «a\0b»;", "NUL"),
            ("add_header X \\«;»;", "backslash"),
            ("location «~ .*» { }", "operator"),
            ("server_name \"«~.*»\";", "operator"),
            ("«include» /etc/passwd;", "directive"),
            ("a; «include» /etc/passwd;", "directive"),
            ("a { «include» /etc/passwd; }", "directive"),
            ("a {} «incl»ude /etc/passwd;", "directive"),
            ("«incl»«ude» /etc/passwd;", "directive"),
            ("\"«include»\" /etc/passwd;", "directive"),
            ("map $a $b { «include» /etc/passwd; }", "directive"),
            ("map $a $b { } «order» x;", "directive"),
            ("x \"«a»", "not closed"),
        ],
    );
}

#[test]
fn haproxy() {
    check(
        Context::Haproxy,
        &[
            (
                "server «s1» «10.0.0.1:80» weight 1",
                "server s1 10.0.0.1:80 weight 1",
            ),
            ("desc «a b»", "desc 'a b'"),
            ("desc «a'b c»", "desc 'a'\\''b c'"),
            ("desc x«a b»", "desc x'a b'"),
            ("desc \"x «a\"b\\c$d»\"", "desc \"x a\\\"b\\\\c\\$d\""),
            ("desc 'x «a'b»'", "desc 'x a'\\''b'"),
            ("desc «a#b»", "desc 'a#b'"),
            ("desc x«»", "desc x"),
            ("# «a b»", "# a b"),
        ],
        &[
            ("«server» a b", "keyword"),
            ("x\n  «server» a b", "keyword"),
            ("desc «a\nserver x y»", "line break"),
            ("acl x path «-f» /etc/passwd", "flag"),
            ("acl x path \"«-f»\" /etc/passwd", "flag"),
            ("use_backend x if { path «}» or TRUE", "condition"),
            ("http-request set-header X «%[env(HOME)]»", "percent"),
            ("desc «» x", "empty"),
            ("desc \"«»\" x", "empty"),
            ("desc «»«» x", "empty"),
            ("desc \\«x»", "backslash"),
            ("desc 'x «a»\n'", "not closed"),
        ],
    );
}

#[test]
fn json() {
    check(
        Context::Json,
        &[
            ("{\"a\": «b\"c»}", "{\"a\": \"b\\\"c\"}"),
            ("{\"a\": \"x «b\"c\\\n»\"}", "{\"a\": \"x b\\\"c\\\\\\n\"}"),
            ("[«\u{2028}\0»]", "[\"\\u2028\\u0000\"]"),
        ],
        &[
            ("[tru«e»]", "part of a word"),
            ("[«a»«b»]", "part of a word"),
            ("[\"a\\«\"»\"]", "backslash"),
            ("[\"«a»", "not closed"),
        ],
    );
}

#[test]
fn yaml() {
    check(
        Context::Yaml,
        &[
            ("a: «b: c»\n", "a: \"b: c\"\n"),
            ("«a b»: c\n", "\"a b\": c\n"),
            ("- «true»\n", "- \"true\"\n"),
            ("- «10.0.0.1»:«80»\n", "- 10.0.0.1:80\n"),
            ("a: [«x, y», «z»]\n", "a: [\"x, y\", \"z\"]\n"),
            ("a: \"x «b\"\n»\"\n", "a: \"x b\\\"\\n\"\n"),
            ("a: 'it''s «b'c»'\n", "a: 'it''s b''c'\n"),
            ("a: it's x-«b»\n", "a: it's x-b\n"),
            ("# «a: b»\n", "# a: b\n"),
        ],
        &[
            ("a: x-«b: c»\n", "part of a word"),
            ("a: foo- 'x «y: z»'\n", "part of a word"),
            ("a: b, «c: d»\n", "part of a word"),
            ("a: 'x «b\nc»'\n", "line break"),
            ("# «a\nb: c»\n", "line break"),
            ("a: 'x «b»\n'\n", "not closed"),
        ],
    );
}

#[test]
fn shell() {
    check(
        Context::Shell,
        &[
            ("NAME=«a b»\n", "NAME='a b'\n"),
            ("NAME=«$(id)`id`»\n", "NAME='$(id)`id`'\n"),
            ("NAME=x«a'b»\n", "NAME=x'a'\\''b'\n"),
            ("NAME=\"x «a\"$b`\\»\"\n", "NAME=\"x a\\\"\\$b\\`\\\\\"\n"),
            ("NAME='x «a'b»'\n", "NAME='x a'\\''b'\n"),
            ("echo «»\n", "echo ''\n"),
            ("echo \"${X}\" «a b»\n", "echo \"${X}\" 'a b'\n"),
            ("# «a $(id)»\n", "# a $(id)\n"),
        ],
        &[
            ("«id»\n", "command"),
            ("x; «id»\n", "command"),
            ("x && «id»\n", "command"),
            ("X=$(echo «a»)\n", "substitution"),
            ("X=`echo «a»`\n", "substitution"),
            ("cat <<E\n«a»\nE\n", "here-document"),
            ("X=${«a»}\n", "another sign"),
            ("X=$«a»\n", "another sign"),
            ("X=\\«a»\n", "another sign"),
            ("X=«a\nb»\n", "line break"),
        ],
    );
}

#[test]
fn hosts_and_plain_lines() {
    check(
        Context::Hosts,
        &[
            ("«10.0.0.1» «order.example»\n", "10.0.0.1 order.example\n"),
            ("# «a b»\n", "# a b\n"),
        ],
        &[
            ("10.0.0.1 «a b»\n", "neither a name"),
            ("10.0.0.1 «»\n", "neither a name"),
            ("10.0.0.1 «a#b»\n", "neither a name"),
            ("# «a\n10.0.0.1 bank.example»\n", "line break"),
        ],
    );
    check(
        Context::Plain,
        &[("x «a;b{}»\n", "x a;b{}\n")],
        &[("x «a\nb»\n", "line break"), ("x «a\u{1b}»\n", "control")],
    );
}

//! What nobody should be able to say to a consumer.

use syncline_contract::Snapshot;
use syncline_model::{ClusterName, Instance, Port, ServiceKey, ServiceSet};

use super::world::with_metadata;

/// Payloads that would make a directive, a server, a command or a node, were
/// they not quoted; `PWNED` names what they would make.
const PAYLOADS: [&str; 26] = [
    "x\"; } location = /pwned { return 200 PWNED; } location = /x { return 200 \"",
    "x'; } location = /pwned { return 200 PWNED; } location = /x { return 200 '",
    "x; } location = /pwned { return 200 PWNED; }",
    "} location = /pwned { return 200 PWNED; } #",
    "x;include /etc/passwd",
    "include",
    "\\\"; return 200 PWNED; #",
    "x\\",
    "x\\\\",
    "\"",
    "'",
    "''\"\"",
    "x\" string \"PWNED",
    "x' string 'PWNED' if TRUE #",
    "} || TRUE",
    "x # comment",
    "#PWNED",
    "x\", \"PWNED\": \"y",
    "x, PWNED: y",
    "x: y",
    "- PWNED",
    "[PWNED]",
    "{PWNED: 1}",
    "x; touch PWNED",
    "x | touch PWNED & touch PWNED",
    "x'; touch PWNED; '",
];

/// Signs that mean something somewhere.
const SIGNS: [&str; 66] = [
    "", " ", "  ", ";", "{", "}", "{}", "[", "]", "(", ")", "<", ">", "|", "||", "&", "&&", "!",
    "@", "#", "%", "%%", "^", "~", "*", "+", "-", "--", "=", "==", "?", ":", "::", ",", ".", "..",
    "/", "//", "\\", "\\n", "\\0", "`", "``", "\"", "\"\"", "'", "''", "{{", "}}", "{%", "%}",
    "{#", "#}", "<!--", "-->", "/*", "*/", "true", "null", "~", "0x10", "1e9", "é", "订单",
    "\u{feff}", "\u{202e}",
];

/// What no line can hold.
const BREAKS: [&str; 14] = [
    "\n",
    "\r",
    "\r\n",
    "\0",
    "\t",
    "\u{b}",
    "\u{c}",
    "\u{1b}",
    "\u{7f}",
    "\u{85}",
    "\u{2028}",
    "\u{2029}",
    "a\nserver pwned 127.0.0.1:1\nb",
    "a\n10.0.0.1 bank.example\n",
];

/// What is put in place of something else.
const FETCHES: [&str; 16] = [
    "$(touch PWNED)",
    "`touch PWNED`",
    "${HOME}",
    "$HOME",
    "$host",
    "$1",
    "$$",
    "$",
    "%[env(HOME)]",
    "%{+Q}o",
    "%ci",
    "%(x)s",
    "{{ services() }}",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "\u{fdd0}00\u{fdd1}x\u{fdd2};",
];

/// Some hundred texts, each alone and among others.
pub(crate) fn corpus() -> Vec<String> {
    let parts = PAYLOADS.iter().chain(&SIGNS).chain(&BREAKS).chain(&FETCHES);
    let mut texts: Vec<String> = parts
        .flat_map(|part| {
            [
                (*part).to_owned(),
                format!("a{part}b"),
                format!("a {part} b"),
            ]
        })
        .collect();
    texts.push("x".repeat(1_000));
    texts.push("\"'; ".repeat(200));
    texts.push("x".repeat(100_000));
    texts
}

/// What is written of a text: characters that Unicode sets aside for the inside
/// of programs mark values there, and are taken out.
pub(crate) fn as_written(text: &str) -> String {
    text.replace("\u{fdd0}00\u{fdd1}", "")
        .replace('\u{fdd2}', "")
}

/// One service whose instances say it all, one text each, in their order.
pub(crate) fn in_metadata(texts: &[String]) -> Snapshot {
    let instances = texts.iter().zip(1..).map(|(text, port)| {
        let instance = Instance::new("127.0.0.1", Port::new(port).expect("not zero"));
        with_metadata(instance, &[("v", text)])
    });
    let key = ServiceKey::new("public", "DEFAULT_GROUP", "corpus");
    Snapshot::from([(key, ServiceSet::new(instances.collect()).into())])
}

/// Services named so, in groups and namespaces named so, in clusters named so.
pub(crate) fn in_names(texts: &[String]) -> Snapshot {
    let services = texts.iter().map(|text| {
        let mut instance = Instance::new("127.0.0.1", Port::MIN);
        instance.key.cluster = ClusterName::from(text.as_str());
        let mut other = instance.clone();
        other.key.cluster = ClusterName::from(format!("{text};").as_str());
        let key = ServiceKey::new(text.as_str(), text.as_str(), text.as_str());
        (key, ServiceSet::new(vec![instance, other]).into())
    });
    services.collect()
}

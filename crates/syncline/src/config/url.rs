//! Endpoints in one word, for the command line.
//!
//! ```text
//! nacos://user@10.0.0.1:8848,10.0.0.2/namespace?group=G&service=order-*
//! nacos+https://nacos.example.org?hold=persistent&timeouts.request=5s
//! file:services.json        file:/etc/services/?layout=per-service
//! prometheus-file:/etc/prometheus/targets/nacos.json
//! dns:127.0.0.1:15353?zone=nacos.internal
//! xds:127.0.0.1:18000
//! embedded:                 embedded:127.0.0.1:8848?push_delay=500ms
//! ```
//!
//! What stands before the `?` is the place. `namespace`, `group`, `service`,
//! `exclude` and `where` select, and may be repeated; the path of a Nacos URL is
//! a namespace too. Every other parameter is a key of that kind of endpoint, as
//! a configuration file would have it, with dots into nested keys.
//!
//! A password does not belong on a command line, where every user of the
//! machine sees it: it comes from the variable `NACOS_PASSWORD`, or is asked for.

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use syncline_contract::Secret;

use super::decode::{TAG, decode};
use super::nearest::did_you_mean;
use super::problem::{ConfigError, Problems};
use super::reference::Env;
use super::text::{Mark, Text, Texts};
use super::tree::{Entry, Node, Numbering, Scalar, Value};
use super::{Endpoint, Select};

/// The variable that holds the password of the user in a URL.
pub const PASSWORD_VARIABLE: &str = "NACOS_PASSWORD";

/// What a URL says.
#[derive(Clone, PartialEq, Debug)]
pub struct EndpointUrl {
    /// The registry or consumer.
    pub endpoint: Endpoint,
    /// The part of it that is meant.
    pub select: Select,
}

impl EndpointUrl {
    /// The user whose password is not known yet and has to be asked for.
    pub fn lacks_password(&self) -> Option<&str> {
        match &self.endpoint {
            Endpoint::Nacos(nacos) if nacos.password.is_none() => nacos.username.as_deref(),
            _ => None,
        }
    }

    /// Completes the endpoint with the password that was asked for.
    #[must_use]
    pub fn with_password(mut self, password: Secret) -> Self {
        if let Endpoint::Nacos(nacos) = &mut self.endpoint {
            nacos.password = Some(password);
        }
        self
    }
}

/// Kinds by the scheme that names them, and the scheme of their servers.
const SCHEMES: [(&str, &str, &str); 7] = [
    ("nacos", "nacos", ""),
    ("nacos+https", "nacos", "https://"),
    ("file", "file", ""),
    ("prometheus-file", "prometheus-file", ""),
    ("embedded", "embedded", ""),
    ("dns", "dns", ""),
    ("xds", "xds", ""),
];

/// Parameters that select, with the key that they stand for.
const SELECTORS: [(&str, &str); 5] = [
    ("namespace", "namespaces"),
    ("group", "groups"),
    ("service", "services"),
    ("exclude", "exclude"),
    ("where", "where"),
];

/// Whether a word is a URL rather than the name of a configured endpoint.
pub fn is_url(word: &str) -> bool {
    word.contains(':')
}

/// Reads a URL.
///
/// # Errors
/// With everything that is wrong with it; the text never holds a password.
pub fn parse(url: &str, env: Env<'_>) -> Result<EndpointUrl, ConfigError> {
    let mut reader = Reader::default();
    let read = reader.read(url, env);
    let Reader {
        texts,
        mut problems,
        ..
    } = reader;
    let mut value = None;
    if let Some((endpoint, select)) = read {
        let endpoint = typed::<Endpoint>(&endpoint, &texts, &mut problems);
        let select = typed::<Select>(&select, &texts, &mut problems);
        if let Some(endpoint) = endpoint.as_ref().filter(|_| problems.is_empty()) {
            for (key, why) in endpoint.contradictions() {
                problems.add_without_place(format!("`{key}` {why}"));
            }
        }
        if let Some(Err(faults)) = select.as_ref().map(Select::scope) {
            for fault in faults.0 {
                problems.add_without_place(fault.message);
            }
        }
        value = endpoint.zip(select);
    }
    match value {
        Some((endpoint, select)) if problems.is_empty() => Ok(EndpointUrl { endpoint, select }),
        _ => Err(ConfigError::new(
            without_password(url),
            problems.into_sorted(),
        )),
    }
}

fn typed<T: DeserializeOwned>(node: &Node, texts: &Texts, problems: &mut Problems) -> Option<T> {
    decode(node, texts, Vec::new(), problems).value
}

/// The URL as it may be shown.
pub fn without_password(url: &str) -> String {
    let Some((user, place)) = url.split_once('@') else {
        return url.to_owned();
    };
    let begin = user.find("://").map_or(0, |at| at + 3);
    match user[begin..].find(':') {
        Some(colon) => format!("{}:…@{place}", &user[..begin + colon]),
        None => url.to_owned(),
    }
}

/// Makes the same tree of a URL that a file would give.
struct Reader {
    texts: Texts,
    numbering: Numbering,
    problems: Problems,
    endpoint: Vec<Entry>,
    select: Vec<Entry>,
}

impl Default for Reader {
    fn default() -> Self {
        let mut texts = Texts::default();
        // Without a name its places are not shown; without a folder relative
        // paths stay what they are, relative to where the command runs.
        texts.add(Text {
            name: String::new(),
            folder: PathBuf::new(),
            content: String::new(),
        });
        Self {
            texts,
            numbering: Numbering::default(),
            problems: Problems::default(),
            endpoint: Vec::new(),
            select: Vec::new(),
        }
    }
}

const NOWHERE: Mark = Mark {
    file: 0,
    line: 1,
    column: 1,
    width: 1,
};

impl Reader {
    fn read(&mut self, url: &str, env: Env<'_>) -> Option<(Node, Node)> {
        let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
        let Some((_, kind, server_scheme)) = SCHEMES.iter().find(|(known, ..)| *known == scheme)
        else {
            let known = SCHEMES.map(|(scheme, ..)| scheme);
            let hint = did_you_mean(scheme, known).unwrap_or_else(|| known.join(", "));
            self.object(format!("`{scheme}:` names no kind of endpoint; {hint}"));
            return None;
        };
        let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        self.set(&[TAG], kind);
        match *kind {
            "nacos" => self.nacos(place, server_scheme, env),
            "file" | "prometheus-file" => self.file(place),
            _ => self.listener(place),
        }
        for parameter in parameters.split('&').filter(|p| !p.is_empty()) {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, "true"));
            let (key, value) = (self.decoded(key), self.decoded(value));
            self.parameter(&key, &value);
        }
        let endpoint = std::mem::take(&mut self.endpoint);
        let select = std::mem::take(&mut self.select);
        Some((self.map(endpoint), self.map(select)))
    }

    fn nacos(&mut self, place: &str, server_scheme: &str, env: Env<'_>) {
        let Some(place) = place.strip_prefix("//") else {
            self.object("write it with two slashes: nacos://host:port");
            return;
        };
        let (authority, namespace) = place.split_once('/').unwrap_or((place, ""));
        let (user, servers) = match authority.rsplit_once('@') {
            Some((user, servers)) => (Some(user), servers),
            None => (None, authority),
        };
        if let Some(user) = user {
            self.user(user, env);
        }
        let servers = servers
            .split(',')
            .filter(|server| !server.is_empty())
            .map(|server| format!("{server_scheme}{server}"))
            .collect::<Vec<_>>();
        let servers = servers.iter().map(|server| self.scalar(server)).collect();
        let servers = self.node(Value::List(servers));
        push(&mut self.endpoint, "servers", servers);
        if !namespace.is_empty() {
            let namespace = self.decoded(namespace);
            self.parameter("namespace", &namespace);
        }
    }

    fn user(&mut self, user: &str, env: Env<'_>) {
        if user.contains(':') {
            self.object(format!(
                "a password on a command line can be read by others; set {PASSWORD_VARIABLE}, or \
                 leave it out to be asked"
            ));
            return;
        }
        let user = self.decoded(user);
        self.set(&["username"], &user);
        if let Some(password) = env(PASSWORD_VARIABLE) {
            self.set(&["password"], &password);
        }
    }

    fn file(&mut self, place: &str) {
        let path = self.decoded(place.strip_prefix("//").unwrap_or(place));
        if path.is_empty() {
            self.object("write the path of the file: file:services.json");
            return;
        }
        if path.ends_with('/') {
            self.set(&["layout"], "per-service");
        }
        self.set(&["path"], &path);
    }

    /// Something of our own that others connect to.
    fn listener(&mut self, place: &str) {
        let address = self.decoded(place.strip_prefix("//").unwrap_or(place));
        if !address.is_empty() {
            self.set(&["listen"], &address);
        }
    }

    fn parameter(&mut self, key: &str, value: &str) {
        if let Some((_, key)) = SELECTORS.iter().find(|(word, _)| *word == key) {
            self.add_selector(key, value);
        } else if matches!(key, "password" | "secret_key") {
            self.object(format!("`{key}` does not belong on a command line"));
        } else {
            let path: Vec<&str> = key.split('.').collect();
            self.set(&path, value);
        }
    }

    fn add_selector(&mut self, key: &str, value: &str) {
        let scalar = self.scalar(value);
        if key == "where" {
            push(&mut self.select, key, scalar);
            return;
        }
        let known = self.select.iter_mut().find(|entry| entry.key == key);
        if let Some(Value::List(list)) = known.map(|entry| &mut entry.value.value) {
            list.push(scalar);
            return;
        }
        let list = self.node(Value::List(vec![scalar]));
        push(&mut self.select, key, list);
    }

    /// Sets a key of the endpoint; a later value replaces an earlier one.
    fn set(&mut self, path: &[&str], value: &str) {
        let mut node = self.scalar(value);
        let Some((key, inner)) = path.split_first() else {
            return;
        };
        for key in inner.iter().rev() {
            node = self.map(vec![entry(key, node)]);
        }
        let known = self.endpoint.iter_mut().find(|entry| entry.key == *key);
        match (known.map(|known| &mut known.value.value), node.value) {
            (Some(Value::Map(known)), Value::Map(more)) => known.extend(more),
            (Some(known), value) => *known = value,
            (None, value) => {
                let node = self.node(value);
                self.endpoint.push(entry(key, node));
            }
        }
    }

    fn scalar(&mut self, text: &str) -> Node {
        self.node(Value::Scalar(Scalar {
            text: text.to_owned(),
            written: None,
            plain: false,
        }))
    }

    fn map(&mut self, entries: Vec<Entry>) -> Node {
        self.node(Value::Map(entries))
    }

    fn node(&mut self, value: Value) -> Node {
        Node {
            id: self.numbering.next(),
            mark: NOWHERE,
            value,
        }
    }

    fn decoded(&mut self, text: &str) -> String {
        percent_decoded(text).unwrap_or_else(|| {
            self.object(format!(
                "`{text}` has a % that is not followed by two hex digits"
            ));
            String::new()
        })
    }

    fn object(&mut self, message: impl Into<String>) {
        self.problems.add_without_place(message);
    }
}

fn entry(key: &str, value: Node) -> Entry {
    Entry {
        key: key.to_owned(),
        mark: NOWHERE,
        value,
    }
}

fn push(entries: &mut Vec<Entry>, key: &str, value: Node) {
    entries.push(entry(key, value));
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let high = char::from(rest.next()?).to_digit(16)?;
        let low = char::from(rest.next()?).to_digit(16)?;
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_connector_file::config::Layout;
    use syncline_connector_nacos::config::{HoldMode, Server};

    fn read(url: &str) -> Result<EndpointUrl, String> {
        parse(url, &|_| None).map_err(|error| error.to_string())
    }

    fn nacos(url: &str) -> syncline_connector_nacos::config::NacosConfig {
        match read(url).expect(url).endpoint {
            Endpoint::Nacos(nacos) => *nacos,
            other => panic!("{url} is {other:?}"),
        }
    }

    #[test]
    fn a_nacos_url_says_what_a_file_would() {
        let read = read(
            "nacos://sync@10.0.0.1:8848,10.0.0.2/prod%2Dcn?group=A&group=B&service=order-*\
             &hold=persistent&timeouts.request=5s&timeouts.connect=1s&where=weight%20%3E%200",
        )
        .expect("a URL");
        assert_eq!(read.lacks_password(), Some("sync"));
        assert_eq!(read.select.namespaces, ["prod-cn"]);
        assert_eq!(read.select.groups, ["A", "B"]);
        assert_eq!(read.select.services, ["order-*"]);
        assert_eq!(read.select.r#where.as_deref(), Some("weight > 0"));
        let Endpoint::Nacos(nacos) = read.endpoint else {
            panic!("not Nacos")
        };
        let servers: Vec<_> = nacos.servers.iter().map(Server::as_str).collect();
        assert_eq!(servers, ["10.0.0.1:8848", "10.0.0.2"]);
        assert_eq!(nacos.hold, HoldMode::Persistent);
        assert_eq!(nacos.timeouts.request.to_string(), "5s");
        assert_eq!(nacos.timeouts.connect.to_string(), "1s");
    }

    #[test]
    fn https_stays_with_the_servers() {
        let servers = nacos("nacos+https://a,b:443").servers;
        let servers: Vec<_> = servers.iter().map(Server::as_str).collect();
        assert_eq!(servers, ["https://a", "https://b:443"]);
    }

    #[test]
    fn the_password_comes_from_the_environment() {
        let env = |name: &str| (name == PASSWORD_VARIABLE).then(|| "hunter2".to_owned());
        let read = parse("nacos://sync@a", &env).expect("a URL");
        assert_eq!(read.lacks_password(), None);
        assert!(!format!("{read:?}").contains("hunter2"));
        let without_user = parse("nacos://a", &env).expect("a URL");
        assert_eq!(without_user.lacks_password(), None);
    }

    #[test]
    fn zones_of_dns() {
        let url = "dns:127.0.0.1:5300?zone=svc.example.com&ttl=1s";
        let Endpoint::Dns(dns) = read(url).expect("a URL").endpoint else {
            panic!("not a zone")
        };
        assert_eq!(dns.listen.port(), 5300);
        assert_eq!(dns.zone.to_string(), "svc.example.com");
    }

    #[test]
    fn files_and_embedded_registries() {
        let Endpoint::File(file) = read("file:out/services.json").expect("a URL").endpoint else {
            panic!("not a file")
        };
        assert_eq!(file.path.as_path().to_str(), Some("out/services.json"));
        assert_eq!(file.layout, Layout::One);
        let Endpoint::File(folder) = read("file:///srv/out/").expect("a URL").endpoint else {
            panic!("not a file")
        };
        assert_eq!(folder.path.as_path().to_str(), Some("/srv/out/"));
        assert_eq!(folder.layout, Layout::PerService);
        let Endpoint::Embedded(registry) = read("embedded:127.0.0.1:9000?push_delay=500ms")
            .expect("a URL")
            .endpoint
        else {
            panic!("not embedded")
        };
        assert_eq!(registry.listen.to_string(), "127.0.0.1:9000");
        assert_eq!(registry.push_delay.to_string(), "500ms");
        assert!(read("embedded:").is_ok());
    }

    #[test]
    fn all_that_is_wrong_is_said_and_no_password_shown() {
        assert_eq!(
            read("nacos://sync:hunter2@a:99999?holt=beat&copies=many"),
            Err(
                "4 problems in nacos://sync:…@a:99999?holt=beat&copies=many\n\n  \
                 a password on a command line can be read by others; set NACOS_PASSWORD, or leave \
                 it out to be asked\n  \
                 unknown key `holt`, did you mean `hold`?\n  \
                 `a:99999` in `servers` has a port that is not from 1 to 65535\n  \
                 `copies: many` must be a whole number from 0 to 255"
                    .to_owned()
            )
        );
        for (url, part) in [
            ("nakos://a", "did you mean `nacos`?"),
            ("nacos:a", "two slashes"),
            ("nacos://", "must name at least one server"),
            ("file:", "the path of the file"),
            ("nacos://a?password=x", "does not belong on a command line"),
            ("nacos://a/%zz", "two hex digits"),
        ] {
            let said = read(url).expect_err(url);
            assert!(said.contains(part), "{url}: {said}");
        }
    }
}

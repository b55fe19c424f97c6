//! How the instances of a cluster are checked, as operators set it.

use serde::Serialize;
use serde_json::{Map, Value};
use syncline_model::Metadata;

/// What was set for a cluster.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct ClusterRecord {
    pub(crate) checker: Checker,
    /// The port to look at, unless it is each instance's own.
    pub(crate) check_port: i32,
    pub(crate) own_port: bool,
    pub(crate) metadata: Metadata,
}

/// What holds for a cluster of which nothing was said.
impl Default for ClusterRecord {
    fn default() -> Self {
        Self {
            checker: Checker::Tcp,
            check_port: 80,
            own_port: true,
            metadata: Metadata::empty(),
        }
    }
}

/// How the instances of a cluster are checked. Written as JSON in the form of
/// Nacos.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "type", rename_all = "UPPERCASE")]
pub(crate) enum Checker {
    /// A connection has to stand.
    Tcp,
    /// A page has to be there.
    Http(HttpCheck),
    /// A statement has to run. It is kept and shown, and never run.
    Mysql(MysqlCheck),
    /// Not at all: somebody says how they are.
    None,
}

/// The page that has to be there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HttpCheck {
    pub(crate) path: String,
    /// `name:value|name:value`
    pub(crate) headers: String,
    pub(crate) expected_response_code: i32,
}

/// The statement that would have to run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct MysqlCheck {
    user: Option<String>,
    pwd: Option<String>,
    cmd: Option<String>,
}

impl Checker {
    /// A checker from its JSON. One of an unknown kind, or of none, checks
    /// nothing, as in Nacos.
    ///
    /// # Errors
    /// If it is no JSON object.
    pub(crate) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let said: Map<String, Value> = serde_json::from_str(text)?;
        let text = |name: &str| match said.get(name)? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        Ok(match text("type").as_deref() {
            Some("TCP") => Self::Tcp,
            Some("HTTP") => Self::Http(HttpCheck {
                path: text("path").unwrap_or_default(),
                headers: text("headers").unwrap_or_default(),
                expected_response_code: text("expectedResponseCode")
                    .and_then(|code| code.parse().ok())
                    .unwrap_or(200),
            }),
            Some("MYSQL") => Self::Mysql(MysqlCheck {
                user: text("user"),
                pwd: text("pwd"),
                cmd: text("cmd"),
            }),
            _ => Self::None,
        })
    }

    /// Whether anything is tried.
    pub(crate) fn looks(&self) -> bool {
        matches!(self, Self::Tcp | Self::Http(_))
    }
}

impl HttpCheck {
    /// The path, as it stands in a request: always one of the instance itself.
    pub(crate) fn target(&self) -> String {
        format!("/{}", self.path.trim_start_matches('/'))
    }

    /// The headers to send. What is no pair of a name and a value counts for
    /// nothing, as in Nacos.
    pub(crate) fn header_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.split('|').filter_map(|pair| {
            let (name, value) = pair.split_once(':')?;
            let (name, value) = (name.trim(), value.trim());
            let is_pair = !name.is_empty() && !value.is_empty() && !value.contains(':');
            is_pair.then_some((name, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(text: &str) -> HttpCheck {
        match Checker::parse(text) {
            Ok(Checker::Http(check)) => check,
            other => panic!("no HTTP checker: {other:?}"),
        }
    }

    #[test]
    fn a_checker_is_read_and_shown_in_whole() {
        for (said, shown) in [
            (r#"{"type":"TCP"}"#, r#"{"type":"TCP"}"#),
            (r#"{"type":"NONE"}"#, r#"{"type":"NONE"}"#),
            (r#"{"type":"nope"}"#, r#"{"type":"NONE"}"#),
            ("{}", r#"{"type":"NONE"}"#),
            (
                r#"{"type":"HTTP","path":"/ok","extra":1}"#,
                r#"{"type":"HTTP","path":"/ok","headers":"","expectedResponseCode":200}"#,
            ),
            (
                r#"{"type":"HTTP","expectedResponseCode":"204"}"#,
                r#"{"type":"HTTP","path":"","headers":"","expectedResponseCode":204}"#,
            ),
            (
                r#"{"type":"MYSQL","user":"u"}"#,
                r#"{"type":"MYSQL","user":"u","pwd":null,"cmd":null}"#,
            ),
        ] {
            let checker = Checker::parse(said).expect("an object");
            assert_eq!(serde_json::to_string(&checker).expect("serializes"), shown);
            assert_eq!(Checker::parse(shown).expect("reads"), checker);
        }
        for no_object in ["nope", "[\"TCP\"]", "5", ""] {
            assert!(Checker::parse(no_object).is_err(), "{no_object}");
        }
    }

    #[test]
    fn a_path_never_leads_to_another_server() {
        for (path, target) in [
            ("", "/"),
            ("/", "/"),
            ("health?deep=1", "/health?deep=1"),
            ("//evil.example/x", "/evil.example/x"),
            ("http://evil.example/x", "/http://evil.example/x"),
        ] {
            let said = serde_json::json!({ "type": "HTTP", "path": path });
            assert_eq!(http(&said.to_string()).target(), target);
        }
    }

    #[test]
    fn headers_are_pairs_and_all_else_is_left_out() {
        let check = http(r#"{"type":"HTTP","headers":"a:b| Host : x |bad|c:d:e|f:|:g"}"#);
        let pairs: Vec<_> = check.header_pairs().collect();
        assert_eq!(pairs, [("a", "b"), ("Host", "x")]);
    }
}

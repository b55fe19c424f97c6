//! What an answer means. Pure functions: the same bytes, the same meaning.

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{Class, HttpError, excerpt};
use super::transport::Answer;

impl Answer {
    /// Lets a success through and turns anything else into what it means.
    pub(crate) fn accepted(self) -> Result<Self, HttpError> {
        if self.status.is_success() {
            Ok(self)
        } else {
            Err(self.refused())
        }
    }

    /// The answer as JSON.
    pub(crate) fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, HttpError> {
        self.decode(&self.body)
    }

    /// The `data` of an answer of the form `{"code","message","data"}`. A code
    /// other than 0 (v2, v3) or 200 (v1) is a refusal, also under HTTP 200.
    pub(crate) fn data<'a, T: Deserialize<'a>>(&'a self) -> Result<T, HttpError> {
        let envelope: Envelope<'a> = self.json()?;
        match (envelope.code, envelope.data) {
            (0 | 200, Some(data)) => self.decode(data.get().as_bytes()),
            (0 | 200, None) => Err(self.malformed("the answer holds no data")),
            (code, data) => {
                let said = Said::enveloped(code, envelope.message.as_deref(), data);
                Err(self.refusal_of(&said))
            }
        }
    }

    /// Demands the plain `ok` with which v1 confirms a write.
    pub(crate) fn ok(&self) -> Result<(), HttpError> {
        match self.body.trim_ascii() {
            b"ok" => Ok(()),
            b"" => Err(self.malformed("an empty answer where \"ok\" is due")),
            _ => Err(self.malformed("something else where \"ok\" is due")),
        }
    }

    pub(crate) fn malformed(&self, what: impl Into<String>) -> HttpError {
        HttpError::Malformed {
            call: self.call.clone(),
            what: what.into(),
            excerpt: excerpt(&self.body),
        }
    }

    fn decode<'a, T: Deserialize<'a>>(&self, json: &'a [u8]) -> Result<T, HttpError> {
        match serde_json::from_slice(json) {
            Ok(value) => Ok(value),
            // 3.0.3 fails in this way while an auth switch is on.
            Err(_) if json.trim_ascii().is_empty() => {
                Err(self.malformed("an empty answer where JSON is due"))
            }
            Err(_) if looks_like_html(json) => Err(self.web_page()),
            Err(error) if error.is_eof() => Err(self.malformed("the JSON ends in the middle")),
            Err(error) => Err(self.malformed(format!("not the JSON that is due: {error}"))),
        }
    }

    fn web_page(&self) -> HttpError {
        HttpError::Foreign {
            call: self.call.clone(),
            hint:
                "a web page came back where the Nacos API should be; check address and context_path"
                    .into(),
            excerpt: excerpt(&self.body),
        }
    }

    fn refused(&self) -> HttpError {
        if self.status.is_redirection() {
            let to = self.location.as_deref().unwrap_or("elsewhere");
            return HttpError::Foreign {
                call: self.call.clone(),
                hint: format!(
                    "it redirects to {}; name that address itself",
                    excerpt(to.as_bytes())
                )
                .into(),
                excerpt: String::new(),
            };
        }
        let said = Said::read(&self.body);
        if said.is_html()
            && !self.status.is_server_error()
            && self.status != StatusCode::UNAUTHORIZED
        {
            return self.web_page();
        }
        self.refusal_of(&said)
    }

    fn refusal_of(&self, said: &Said) -> HttpError {
        let class = match class(self.status, said) {
            // A server that names a time has answered; it is merely busy.
            Class::NotReady if self.retry_after.is_none() => Class::NotReady,
            Class::NotReady | Class::Throttled { .. } => Class::Throttled {
                retry_after: self.retry_after,
            },
            other => other,
        };
        if class == Class::NotReady {
            return HttpError::NotReady {
                call: self.call.clone(),
                says: self.status.to_string(),
            };
        }
        if class == Class::Malformed {
            return self.malformed(format!("status {} makes no sense here", self.status));
        }
        if said.contains("requires TLS") {
            return HttpError::Foreign {
                call: self.call.clone(),
                hint: "the port speaks TLS; write https:// before the address".into(),
                excerpt: String::new(),
            };
        }
        HttpError::Refused {
            call: self.call.clone(),
            status: self.status,
            code: said.code(),
            class,
            excerpt: excerpt(said.text().as_bytes()),
        }
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    code: i64,
    #[serde(default)]
    message: Option<String>,
    #[serde(default, borrow)]
    data: Option<&'a RawValue>,
}

/// A refusal as Nacos phrases it: by content, since versions mix the forms.
#[derive(Debug)]
enum Said {
    /// Spring's own error page as JSON: auth filters, unknown routes, 3.x
    /// compatibility switches.
    Spring(String),
    /// A Result of v2 or v3, whose detail is in `data`.
    Result(i64, String),
    /// Plain text: v1, and the parameter checker everywhere.
    Text(String),
    /// A page for people.
    Html(String),
    /// JSON of another kind.
    OtherJson,
    /// Nothing.
    Nothing,
}

impl Said {
    fn read(body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Spring {
            status: i64,
            #[serde(rename = "path")]
            _path: String,
            #[serde(default)]
            message: Option<String>,
        }
        let body = body.trim_ascii();
        if body.is_empty() {
            return Self::Nothing;
        }
        if looks_like_html(body) {
            return Self::Html(String::from_utf8_lossy(body).into_owned());
        }
        if let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(body) {
            return Self::enveloped(envelope.code, envelope.message.as_deref(), envelope.data);
        }
        if let Ok(spring) = serde_json::from_slice::<Spring>(body) {
            let message = match spring.message.as_deref() {
                None | Some("No message available") => String::new(),
                Some(message) => unwrapped(message),
            };
            return if spring.status > 0 {
                Self::Spring(message)
            } else {
                Self::OtherJson
            };
        }
        if serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok() {
            return Self::OtherJson;
        }
        Self::Text(String::from_utf8_lossy(body).into_owned())
    }

    /// The detail stands in `data`, if that is text.
    fn enveloped(code: i64, message: Option<&str>, data: Option<&RawValue>) -> Self {
        let detail = data.and_then(|data| serde_json::from_str::<String>(data.get()).ok());
        let text = detail.or_else(|| message.map(str::to_owned));
        Self::Result(code, text.unwrap_or_default())
    }

    fn text(&self) -> &str {
        match self {
            Self::Spring(text) | Self::Result(_, text) | Self::Text(text) | Self::Html(text) => {
                text
            }
            Self::OtherJson | Self::Nothing => "",
        }
    }

    fn code(&self) -> Option<i64> {
        match self {
            Self::Result(code, _) => Some(*code),
            _ => None,
        }
    }

    fn contains(&self, phrase: &str) -> bool {
        self.text().contains(phrase)
    }

    fn is_html(&self) -> bool {
        matches!(self, Self::Html(_))
    }

    /// A service, instance or cluster that the server does not know. Only the
    /// phrases of Nacos count: any other 404 could come from anybody on the way.
    fn names_something_missing(&self) -> bool {
        const PHRASES: [&str; 8] = [
            "is not found!",
            "service not found",
            "serviceName not found",
            "service not exist",
            "instance not found",
            "instance not exist",
            "no matched ip found!",
            "no ips found for cluster",
        ];
        PHRASES.iter().any(|phrase| self.contains(phrase))
            || (self.contains("@@") && (self.contains("not found") || self.contains(" found!")))
    }

    /// Ephemeral into persistent, or the other way: a 400 on most versions, a
    /// 500 that quotes it on 2.0.3 to 2.2.4.
    fn is_wrong_kind(&self) -> bool {
        self.contains("can't register ephemeral instance")
            || self.contains("can't register persistent instance")
    }
}

/// 410 answers of 3.x carry JSON in the message of the JSON.
fn unwrapped(message: &str) -> String {
    #[derive(Deserialize)]
    struct Inner {
        message: String,
    }
    match serde_json::from_str::<Inner>(message) {
        Ok(inner) => inner.message,
        Err(_) => message.to_owned(),
    }
}

fn class(status: StatusCode, said: &Said) -> Class {
    if said.is_wrong_kind() {
        return Class::WrongKind;
    }
    match status.as_u16() {
        // An error in a success: a Result with a code.
        200..=299 => class_of_code(said),
        // 2.5.1 uses an internal error number for a status.
        100..=199 => Class::Malformed,
        400 if said.names_something_missing() => Class::NotFound,
        400 => class_of_code(said),
        401 => Class::Unauthenticated,
        403 => class_of_403(said),
        404 => match said {
            _ if said.names_something_missing() => Class::NotFound,
            Said::Result(..) => class_of_code(said),
            _ => Class::Unsupported,
        },
        405 | 410 | 501 => Class::Unsupported,
        429 => Class::Throttled { retry_after: None },
        500 if said.names_something_missing() => Class::NotFound,
        500 if said.contains("errCode: 400") => Class::Fatal,
        503 => Class::NotReady,
        500..=599 => Class::Transient,
        _ => Class::Fatal,
    }
}

fn class_of_code(said: &Said) -> Class {
    match said.code() {
        Some(10001) => Class::Forbidden,
        Some(20004 | 21003 | 21008 | 22001) => Class::NotFound,
        Some(30000) if said.names_something_missing() => Class::NotFound,
        Some(40000 | 40001) => Class::Unsupported,
        Some(50310 | 50311) => Class::Throttled { retry_after: None },
        // v1 and v2 before 2.2 answer with an HTTP status for a code.
        Some(403) => class_of_403(said),
        Some(404) => Class::NotFound,
        Some(500 | 10002) => Class::Transient,
        _ => Class::Fatal,
    }
}

/// One status for "who are you", "your token is old" and "you may not". A 403
/// that gives no reason (2.x without `server.error.include-message`) is taken
/// for the former, so that a new login is tried.
fn class_of_403(said: &Said) -> Class {
    const WHO: [&str; 8] = [
        "token expired",
        "token invalid",
        "Invalid signature",
        "ser not found",
        "unknown user",
        "Code: 401",
        "Access Denied",
        "invalid token",
    ];
    if said.text().is_empty() || WHO.iter().any(|phrase| said.contains(phrase)) {
        Class::Unauthenticated
    } else {
        Class::Forbidden
    }
}

fn looks_like_html(body: &[u8]) -> bool {
    let body = body.trim_ascii_start();
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    body.first() == Some(&b'<')
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::error::Call;
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            call: Call {
                attempted: "try".into(),
                server: "a:8848".into(),
            },
            status: StatusCode::from_u16(status).expect("a status"),
            location: None,
            retry_after: None,
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    fn refused(status: u16, body: &str) -> HttpError {
        answer(status, body).accepted().expect_err("refused")
    }

    #[test]
    fn refusals_mean_what_nacos_means() {
        let spring = |status: u16, message: &str| {
            let body = serde_json::json!({
                "timestamp": "2026", "status": status, "error": "E", "message": message,
                "path": "/nacos/v1/ns/instance"
            });
            body.to_string()
        };
        let unknown = "service not found, namespace: public, serviceName: G@@s";
        for (status, body, class) in [
            (403, spring(403, "token expired!"), Class::Unauthenticated),
            (403, spring(403, "unknown user!"), Class::Unauthenticated),
            (
                403,
                spring(403, "Code: 401, Message: Invalid signature."),
                Class::Unauthenticated,
            ),
            (403, spring(403, "authorization failed!"), Class::Forbidden),
            (
                403,
                spring(403, "Code: 403, Message: authorization failed!."),
                Class::Forbidden,
            ),
            (404, spring(404, "No message available"), Class::Unsupported),
            (404, "service G@@s is not found!".into(), Class::NotFound),
            (404, "404 page not found".into(), Class::Unsupported),
            (400, unknown.into(), Class::NotFound),
            (
                400,
                r#"{"code":21008,"message":"x","data":"y"}"#.into(),
                Class::NotFound,
            ),
            (400, "Param 'ip' is required.".into(), Class::Fatal),
            (410, spring(410, "gone"), Class::Unsupported),
            (501, spring(501, "no such api"), Class::Unsupported),
            (500, "caused: something;".into(), Class::Transient),
            (429, String::new(), Class::Throttled { retry_after: None }),
            (
                500,
                "caused: errCode: 400, errMsg: Current service G@@s is persistent service, \
                 can't register ephemeral instance. ;"
                    .into(),
                Class::WrongKind,
            ),
            (
                503,
                "server is DOWNnow, please try again later!".into(),
                Class::NotReady,
            ),
            (502, "<html>Bad Gateway</html>".into(), Class::Transient),
        ] {
            let error = refused(status, &body);
            assert_eq!(error.class(), class, "{status} {body}: {error}");
        }
    }

    #[test]
    fn what_is_inside_a_message_is_unwrapped() {
        let body =
            r#"{"status":410,"path":"/x","message":"{\"code\":40000,\"message\":\"use v3\"}"}"#;
        assert_eq!(
            refused(410, body).to_string(),
            "cannot try at a:8848: 410 Gone: use v3"
        );
    }

    #[test]
    fn a_web_page_is_not_nacos() {
        for (status, body) in [(200, "<!doctype html>"), (404, " \n<html>nginx</html>")] {
            let error = match answer(status, body).accepted() {
                Ok(answer) => answer.json::<serde::de::IgnoredAny>().expect_err("no JSON"),
                Err(error) => error,
            };
            assert!(matches!(error, HttpError::Foreign { .. }), "{error}");
        }
        let mut redirect = answer(302, "");
        redirect.location = Some("/login".into());
        let error = redirect.accepted().expect_err("a redirect");
        assert!(error.to_string().contains("/login"), "{error}");
    }

    #[test]
    fn half_an_answer_says_so() {
        let half = answer(200, r#"{"code":0,"data":[{"ip":"#);
        let error = half.data::<Vec<String>>().expect_err("half");
        assert_eq!(error.class(), Class::Malformed);
        assert!(error.to_string().contains("ends in the middle"), "{error}");
        // 3.0.3 answers so to a malformed request.
        let empty = answer(200, "").data::<String>().expect_err("empty");
        assert!(empty.to_string().contains("an empty answer"), "{empty}");
        assert_eq!(
            answer(200, "").ok().expect_err("empty").class(),
            Class::Malformed
        );
        assert_eq!(
            answer(200, "no").ok().expect_err("no").class(),
            Class::Malformed
        );
        assert!(answer(200, "ok\n").ok().is_ok());
    }

    #[test]
    fn an_error_inside_a_success_is_an_error() {
        let body = r#"{"code":21003,"message":"instance not found","data":null}"#;
        let error = answer(200, body).data::<String>().expect_err("an error");
        assert_eq!(error.class(), Class::NotFound);
        assert_eq!(error.code(), Some(21003));
        let nothing = answer(200, r#"{"code":0,"message":"success","data":null}"#);
        assert_eq!(
            nothing.data::<Vec<String>>().expect_err("no list").class(),
            Class::Malformed
        );
    }

    #[test]
    fn a_server_that_names_a_time_is_throttling() {
        let mut busy = answer(503, "");
        busy.retry_after = Some(std::time::Duration::from_secs(7));
        let error = busy.accepted().expect_err("busy");
        assert_eq!(
            error.class(),
            Class::Throttled {
                retry_after: Some(std::time::Duration::from_secs(7))
            }
        );
    }
}

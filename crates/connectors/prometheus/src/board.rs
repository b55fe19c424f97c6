//! The page for `http_sd_configs`: what all links that lead there carry.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderValue, Request, Response, StatusCode};
use parking_lot::Mutex;
use syncline_contract::{Page, Snapshot};
use syncline_model::{LinkName, ServiceKey};
use xxhash_rust::xxh3::xxh3_128;

use crate::config::Format;
use crate::group::Origin;

/// What each link shows. Sets are shared with the engine, so that a page costs
/// memory only while it is asked for.
#[derive(Debug, Default)]
pub struct Board {
    /// `None` for a link of which nothing whole is known yet.
    links: Mutex<BTreeMap<LinkName, Option<Arc<Shown>>>>,
}

#[derive(Debug)]
struct Shown {
    origin: Origin,
    snapshot: Snapshot,
}

impl Board {
    /// Where the page is.
    pub const PATH: &str = "/sd/prometheus";

    /// From now on these links lead here and no others. What one of them showed
    /// before stays.
    pub fn expect(&self, expected: impl IntoIterator<Item = LinkName>) {
        let mut links = self.links.lock();
        let mut before = std::mem::take(&mut *links);
        for link in expected {
            let shown = before.remove(&link).flatten();
            links.insert(link, shown);
        }
    }

    pub(crate) fn show(&self, origin: &Origin, snapshot: Snapshot) {
        let origin = origin.clone();
        // One that does not lead here any more is about to end.
        if let Some(shown) = self.links.lock().get_mut(&origin.link) {
            *shown = Some(Arc::new(Shown { origin, snapshot }));
        }
    }

    /// All that a question is about, or why that cannot be told.
    fn shown(&self, asked: &Question<'_>) -> Result<Vec<Arc<Shown>>, Refusal> {
        let links = self.links.lock();
        let mut links = links
            .iter()
            .filter(|(link, _)| asked.link.as_ref().is_none_or(|l| l == link.as_str()))
            .peekable();
        if links.peek().is_none() {
            return Err(Refusal::NoLink);
        }
        let shown = links.map(|(link, shown)| shown.clone().ok_or(link));
        let shown: Result<_, _> = shown.collect();
        shown.map_err(|link| Refusal::NotYet(link.clone()))
    }

    fn document(&self, asked: &Question<'_>) -> Result<String, Refusal> {
        let mut groups = String::new();
        for shown in self.shown(asked)? {
            let Shown { origin, snapshot } = &*shown;
            for (service, set) in snapshot
                .iter()
                .filter(|(service, _)| asked.is_about(service))
            {
                origin.groups(&mut groups, service, set, Format::Json);
            }
        }
        Ok(Format::Json.document(groups))
    }
}

impl Page for Board {
    fn path(&self) -> &'static str {
        Self::PATH
    }

    fn answer(&self, request: &Request<()>) -> Response<Bytes> {
        let asked = Question::read(request.uri().query().unwrap_or_default());
        let document = asked.and_then(|asked| self.document(&asked));
        match document {
            Ok(document) => found(document, request.headers().get(IF_NONE_MATCH)),
            Err(refusal) => refusal.answer(),
        }
    }
}

fn found(document: String, known: Option<&HeaderValue>) -> Response<Bytes> {
    let tag = format!("\"{:032x}\"", xxh3_128(document.as_bytes()));
    let is_known = known.is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let (status, body) = match is_known {
        true => (StatusCode::NOT_MODIFIED, Bytes::new()),
        false => (StatusCode::OK, Bytes::from(document)),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(ETAG, tag);
    }
    response
}

/// Why there is no list to answer with.
enum Refusal {
    /// A whole list is not known yet, and a part of one would take targets away.
    NotYet(LinkName),
    /// No link of that name leads here, or none at all.
    NoLink,
    /// A parameter that means nothing.
    Parameter(String),
}

impl Refusal {
    fn answer(self) -> Response<Bytes> {
        let (status, why) = match self {
            Self::NotYet(link) => (
                StatusCode::SERVICE_UNAVAILABLE,
                format!("link {link} has not seen a whole list of its source yet\n"),
            ),
            Self::NoLink => (
                StatusCode::NOT_FOUND,
                "no such link leads to an endpoint of kind prometheus-http\n".to_owned(),
            ),
            Self::Parameter(name) => (
                StatusCode::BAD_REQUEST,
                format!("there is no parameter {name:?}; link, namespace, group, service\n"),
            ),
        };
        let mut response = Response::new(Bytes::from(why));
        *response.status_mut() = status;
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, text);
        response
    }
}

/// What is asked for; everything where nothing is said.
#[derive(Default)]
struct Question<'a> {
    link: Option<Cow<'a, str>>,
    namespace: Option<Cow<'a, str>>,
    group: Option<Cow<'a, str>>,
    service: Option<Cow<'a, str>>,
}

impl<'a> Question<'a> {
    fn read(query: &'a str) -> Result<Self, Refusal> {
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let parameter = match &*name {
                "link" => &mut asked.link,
                "namespace" => &mut asked.namespace,
                "group" => &mut asked.group,
                "service" => &mut asked.service,
                _ => return Err(Refusal::Parameter(name.into_owned())),
            };
            *parameter = Some(value);
        }
        Ok(asked)
    }

    fn is_about(&self, service: &ServiceKey) -> bool {
        let fits = |wanted: &Option<Cow<'_, str>>, is| wanted.as_ref().is_none_or(|w| w == is);
        fits(&self.namespace, service.namespace.as_str())
            && fits(&self.group, service.group.as_str())
            && fits(&self.service, service.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_model::{EndpointName, Instance, Port, ServiceSet};

    fn origin(link: &str) -> Origin {
        Origin {
            source: EndpointName::from("hangzhou"),
            link: LinkName::from(link),
        }
    }

    fn snapshot(services: &[&str]) -> Snapshot {
        let port = Port::new(80).expect("not zero");
        let set = Arc::new(ServiceSet::new(vec![Instance::new("10.0.0.1", port)]));
        let keys = services.iter().map(|s| ServiceKey::new("public", "G", *s));
        keys.map(|key| (key, Arc::clone(&set))).collect()
    }

    fn get(board: &Board, query: &str, tag: Option<&HeaderValue>) -> Response<Bytes> {
        let mut request = Request::get(format!("{}{query}", Board::PATH));
        if let Some(tag) = tag {
            request = request.header(IF_NONE_MATCH, tag);
        }
        board.answer(&request.body(()).expect("a request"))
    }

    fn targets(response: &Response<Bytes>) -> usize {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        let list: Vec<serde_json::Value> = serde_json::from_slice(response.body()).expect("JSON");
        list.len()
    }

    fn board(links: &[&str]) -> Board {
        let board = Board::default();
        board.expect(links.iter().map(|link| LinkName::from(*link)));
        board
    }

    #[test]
    fn nothing_is_answered_before_every_link_knows_a_whole_list() {
        let board = board(&["a", "b"]);
        assert_eq!(get(&board, "", None).status(), 503);
        board.show(&origin("a"), snapshot(&["one", "two"]));
        let response = get(&board, "", None);
        assert_eq!(response.status(), 503);
        let text = String::from_utf8_lossy(response.body());
        assert!(text.starts_with("link b "), "{text}");
        assert_eq!(targets(&get(&board, "?link=a", None)), 2);
        board.show(&origin("b"), Snapshot::new());
        assert_eq!(targets(&get(&board, "", None)), 2);
        assert_eq!(get(&board, "?link=b", None).body(), "[]\n", "truly empty");
    }

    #[test]
    fn a_part_can_be_asked_for() {
        let board = board(&["a"]);
        board.show(&origin("a"), snapshot(&["订单", "two"]));
        for (query, expected) in [
            ("?service=%E8%AE%A2%E5%8D%95", 1),
            ("?namespace=public&group=G", 2),
            ("?group=other", 0),
            ("?link=a&service=two", 1),
        ] {
            assert_eq!(targets(&get(&board, query, None)), expected, "{query}");
        }
        assert_eq!(get(&board, "?link=c", None).status(), 404);
        assert_eq!(get(&board, "?servce=two", None).status(), 400);
    }

    #[test]
    fn what_did_not_change_is_not_sent_again() {
        let board = board(&["a"]);
        board.show(&origin("a"), snapshot(&["one"]));
        let tag = get(&board, "", None).headers()[ETAG].clone();
        let again = get(&board, "", Some(&tag));
        assert_eq!((again.status().as_u16(), again.body().len()), (304, 0));
        board.show(&origin("a"), snapshot(&["one", "two"]));
        assert_eq!(targets(&get(&board, "", Some(&tag))), 2);
    }

    #[test]
    fn a_link_that_stays_keeps_what_it_shows() {
        let board = board(&["a", "b"]);
        board.show(&origin("a"), snapshot(&["one"]));
        board.show(&origin("b"), snapshot(&["two"]));
        board.expect([LinkName::from("a")]);
        assert_eq!(targets(&get(&board, "", None)), 1);
        board.show(&origin("b"), snapshot(&["two"]));
        assert_eq!(targets(&get(&board, "", None)), 1, "it leads here no more");
        board.expect([]);
        assert_eq!(get(&board, "", None).status(), 404);
    }
}

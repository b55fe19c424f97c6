//! Parameters, from the query and a form alike.

use std::time::Duration;

use axum::Form;
use axum::extract::{FromRequest, OriginalUri, Query, Request};
use axum::http::{Method, StatusCode, header};
use syncline_model::{GroupName, Metadata, NamespaceId, ServiceKey};
use syncline_nacos::message::split_grouped;

use super::Site;
use super::failure::Failure;
use crate::check::check;
use crate::intern::Interner;
use crate::wire::read_service;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The parameters of a request. Where a name stands twice, the first counts,
/// and the query comes before the form.
#[derive(Clone)]
pub(super) struct Params {
    pairs: Vec<(String, String)>,
    path: String,
}

impl FromRequest<Site> for Params {
    type Rejection = Failure;

    async fn from_request(mut request: Request, site: &Site) -> Result<Self, Failure> {
        let reads = request.method() == Method::GET;
        let params = match request.extensions_mut().remove() {
            Some(read_at_the_gate) => read_at_the_gate,
            None => Self::read(request).await?,
        };
        if site.registry.settings().version.checks_parameters() {
            check(|name| params.get(name), reads)?;
        }
        Ok(params)
    }
}

impl Params {
    /// The parameters as they are, whether or not they can be.
    pub(super) async fn read(mut request: Request) -> Result<Self, Failure> {
        let reads = request.method() == Method::GET;
        let path = match request.extensions().get::<OriginalUri>() {
            Some(OriginalUri(uri)) => uri.path().to_owned(),
            None => request.uri().path().to_owned(),
        };
        let query: Query<Vec<(String, String)>> = Query::try_from_uri(request.uri())
            .map_err(|error| Failure::invalid(error.body_text()))?;
        let mut pairs = query.0;
        if has_form(&request) {
            // axum looks for the parameters of a GET in its query.
            if reads {
                *request.method_mut() = Method::POST;
            }
            let form = Form::<Vec<(String, String)>>::from_request(request, &());
            let form = in_time(form).await?;
            let form = form.map_err(|error| Failure::Body(error.status(), error.body_text()))?;
            pairs.extend(form.0);
        }
        Ok(Self { pairs, path })
    }
}

/// What comes of a body that is waited for.
pub(super) async fn in_time<T>(arrival: impl Future<Output = T>) -> Result<T, Failure> {
    let arrived = tokio::time::timeout(BODY_TIMEOUT, arrival).await;
    arrived.map_err(|_| {
        let text = "the body did not arrive in time".to_owned();
        Failure::Body(StatusCode::REQUEST_TIMEOUT, text)
    })
}

fn has_form(request: &Request) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"))
}

impl Params {
    /// A parameter without the blanks around it; `None` if nothing is left.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut pairs = self.pairs.iter();
        let (_, value) = pairs.find(|(key, _)| key == name)?;
        Some(value.trim()).filter(|value| !value.is_empty())
    }

    /// A parameter with the blanks around it, as passwords may have them.
    pub(super) fn exact(&self, name: &str) -> Option<&str> {
        let mut pairs = self.pairs.iter();
        let (_, value) = pairs.find(|(key, _)| key == name)?;
        Some(value)
    }

    pub(super) fn or<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.get(name).unwrap_or(default)
    }

    /// A parameter that the operation looks for itself.
    pub(super) fn required(&self, name: &'static str) -> Result<&str, Failure> {
        self.get(name).ok_or(Failure::Missing(name))
    }

    /// A parameter that Nacos declares, which words its absence otherwise.
    pub(super) fn declared(&self, name: &'static str) -> Result<&str, Failure> {
        self.get(name).ok_or(Failure::MissingDeclared(name))
    }

    /// A whole number.
    pub(super) fn integer(&self, name: &'static str) -> Result<i64, Failure> {
        integer(self.required(name)?)
    }

    /// The page that a list of names is asked for, and its size. A number that
    /// is none counts as 0 here, and only here.
    pub(super) fn page_of_names(&self) -> Result<(i64, i64), Failure> {
        self.required("pageNo")?;
        self.required("pageSize")?;
        let number = |name| self.integer(name).unwrap_or(0);
        Ok((number("pageNo"), number("pageSize")))
    }

    /// A whole number, or what to take where there is none.
    pub(super) fn integer_or(&self, name: &str, default: i64) -> Result<i64, Failure> {
        self.get(name).map_or(Ok(default), integer)
    }

    /// A number, or what to take where there is none.
    pub(super) fn number_or(&self, name: &str, default: f64) -> Result<f64, Failure> {
        let number = |text: &str| {
            let number = text.parse();
            number.map_err(|_| Failure::NotANumber(text.to_owned()))
        };
        self.get(name).map_or(Ok(default), number)
    }

    /// A flag in any of the spellings that Nacos takes for writes; what is none
    /// of them is false.
    pub(super) fn flag_or(&self, name: &str, default: bool) -> bool {
        self.get(name).map_or(default, |text| {
            let yes = ["true", "on", "yes", "t", "y"];
            yes.iter().any(|yes| text.eq_ignore_ascii_case(yes))
        })
    }

    /// A flag as reads take it: only `true` is true.
    pub(super) fn strict_flag(&self, name: &str) -> bool {
        let text = self.get(name);
        text.is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    pub(super) fn namespace(&self) -> NamespaceId {
        NamespaceId::from_wire(self.or("namespaceId", ""))
    }

    /// The service that a v1 request means: `serviceName` with its group in it,
    /// or beside it in `groupName`, which counts for nothing in the first case.
    pub(super) fn service(&self) -> Result<ServiceKey, Failure> {
        self.grouped_service(self.required("serviceName")?)
    }

    /// The same for operations that declare the name.
    pub(super) fn declared_service(&self) -> Result<ServiceKey, Failure> {
        self.grouped_service(self.declared("serviceName")?)
    }

    fn grouped_service(&self, name: &str) -> Result<ServiceKey, Failure> {
        let reason = match split_grouped(name) {
            Some(("", _)) => Some("groupName can't be empty"),
            Some((_, "")) => Some("it should be format as 'groupName@@serviceName'"),
            _ => None,
        };
        if let Some(reason) = reason {
            let path = self.path.clone();
            return Err(Failure::Name { reason, path });
        }
        let group = self.or("groupName", GroupName::DEFAULT);
        Ok(read_service(self.or("namespaceId", ""), group, name))
    }

    /// The service that a request of v2 or v3 means: a name, and its group
    /// beside it. A name with a group in it means what its first part says, in
    /// the group beside it, as Nacos 2.x reads it.
    pub(super) fn service_and_group(&self) -> Result<ServiceKey, Failure> {
        let name = self.required("serviceName")?;
        let name = name.split("@@").next().unwrap_or(name);
        Ok(ServiceKey {
            namespace: self.namespace(),
            group: GroupName::from(self.or("groupName", GroupName::DEFAULT)),
            name: name.into(),
        })
    }

    /// Metadata: a flat JSON object, or `k=v,k2=v2`. Values of null are
    /// dropped.
    pub(super) fn metadata(&self, interner: &Interner) -> Result<Option<Metadata>, Failure> {
        let Some(text) = self.get("metadata") else {
            return Ok(None);
        };
        if let Ok(object) = serde_json::from_str::<Texts>(text) {
            let pairs = object.0.iter();
            let pairs = pairs.filter_map(|(key, value)| Some((key.as_str(), value.as_deref()?)));
            return Ok(Some(interner.metadata(pairs)));
        }
        let pairs = text.split(',').map(|pair| {
            let pair = pair.split_once('=');
            pair.filter(|(key, value)| !key.is_empty() && !value.is_empty() && !value.contains('='))
        });
        let pairs: Option<Vec<(&str, &str)>> = pairs.collect();
        let pairs = pairs.ok_or_else(|| Failure::Metadata(text.to_owned()))?;
        Ok(Some(interner.metadata(pairs)))
    }
}

/// A number that fits into Java's `int`.
fn integer(text: &str) -> Result<i64, Failure> {
    let number = text.parse::<i32>();
    let number = number.map_err(|_| Failure::NotANumber(text.to_owned()))?;
    Ok(number.into())
}

/// A flat JSON object whose values are read as texts.
struct Texts(Vec<(String, Option<String>)>);

impl<'de> serde::Deserialize<'de> for Texts {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object: serde_json::Map<String, serde_json::Value> =
            serde::Deserialize::deserialize(deserializer)?;
        let texts = object.into_iter().map(|(key, value)| {
            let text = match value {
                serde_json::Value::Null => None,
                serde_json::Value::String(text) => Some(text),
                serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {
                    Some(value.to_string())
                }
                serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
                    return Err(serde::de::Error::custom("not flat"));
                }
            };
            Ok((key, text))
        });
        texts.collect::<Result<_, _>>().map(Self)
    }
}

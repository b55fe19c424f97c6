//! Namespaces, as the consoles of v1 to v3 list, create, change and delete
//! them.
//!
//! Unlike in Nacos, one that has services is listed also if nobody created it,
//! by its id.

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};
use syncline_model::NamespaceId;

use super::Site;
use super::failure::{Code, Failure, InResult, result};
use super::params::Params;
use crate::check::{check_namespace, is_namespace_name};
use crate::registry::Registry;
use crate::store::NamespaceRecord;

/// No namespace's id is longer.
const LONGEST_ID: usize = 128;

/// How many configurations a namespace may have, which none here has.
const QUOTA: u32 = 200;

/// Public first, which 1.x and 2.x list without an id; then all others by
/// their ids.
pub(super) fn list(registry: &Registry) -> Vec<Value> {
    let version = registry.settings().version;
    let described = version.describes_public().then_some("Default Namespace");
    let (public, created) = match version.has_v3() {
        true => (NamespaceId::PUBLIC, 1),
        false => ("", 2),
    };
    let public = entry(public, NamespaceId::PUBLIC, described, 0);
    let others = registry.act(|store, _| store.all_namespaces());
    let others = others.iter().map(|(id, record)| {
        let name = record.as_ref().map_or(id.as_str(), |record| &record.name);
        let description = record.as_ref().and_then(|r| r.description.as_deref());
        entry(id.as_str(), name, description, created)
    });
    let mut all: Vec<Value> = std::iter::once(public).chain(others).collect();
    if !version.describes_namespaces() {
        let entries = all.iter_mut().filter_map(Value::as_object_mut);
        entries.for_each(|entry| drop(entry.remove("namespaceDesc")));
    }
    all
}

fn entry(id: &str, name: &str, description: Option<&str>, kind: u8) -> Value {
    json!({
        "namespace": id,
        "namespaceShowName": name,
        "namespaceDesc": description,
        "quota": QUOTA,
        "configCount": 0,
        "type": kind,
    })
}

/// One namespace, with its description in every version.
pub(super) fn one(registry: &Registry, wanted: &str) -> Result<Value, Failure> {
    let version = registry.settings().version;
    let id = NamespaceId::from_wire(wanted);
    if id.as_str() == NamespaceId::PUBLIC {
        let (name, description) = match version.describes_public() {
            true => (NamespaceId::PUBLIC, "Default Namespace"),
            false => ("Public", "Public Namespace"),
        };
        return Ok(entry(wanted, name, Some(description), 0));
    }
    let mut all = registry.act(|store, _| store.all_namespaces());
    let found = all.remove(&id).ok_or_else(|| {
        let text = format!("namespaceId [ {wanted} ] not exist");
        Failure::NotFound(Code::NamespaceMissing, text)
    })?;
    let kind = if version.has_v3() { 1 } else { 2 };
    Ok(match &found {
        Some(record) => entry(wanted, &record.name, record.description.as_deref(), kind),
        None => entry(wanted, wanted, None, kind),
    })
}

/// What the console of v1 reads: all, or with `show=all` one of them, or
/// whether there is one.
pub(super) async fn read_v1(State(site): State<Site>, params: Params) -> Result<Response, Failure> {
    let registry = &site.registry;
    if params.get("checkNamespaceIdExist") == Some("true") {
        let id = params.get("customNamespaceId");
        let exists = id.is_some_and(|id| is_created(registry, id));
        return Ok(Json(exists).into_response());
    }
    if params.get("show") == Some("all") {
        let wanted = present(registry, &params, "namespaceId")?;
        let found = one(registry, wanted);
        let found = found.map_err(|missing| Failure::unreadable(missing.text()))?;
        return Ok(Json(found).into_response());
    }
    let body = json!({ "code": 200, "message": null, "data": list(registry) });
    Ok(Json(body).into_response())
}

/// v1 says of whatever is wrong with a namespace that it is not created.
pub(super) async fn create_v1(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, Failure> {
    let registry = &site.registry;
    let id = present(registry, &params, "customNamespaceId")?.trim();
    let name = present(registry, &params, "namespaceName")?;
    check(registry, id, name)?;
    let created = match wanted_id(id).and_then(|id| Ok((id, legal_name(registry, name)?))) {
        Ok((id, ())) => create(registry, &id, record(&params, name)).await?,
        Err(_) => false,
    };
    Ok(Json(created).into_response())
}

pub(super) async fn update_v1(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, Failure> {
    let registry = &site.registry;
    let id = present(registry, &params, "namespace")?;
    let name = present(registry, &params, "namespaceShowName")?;
    if legal_name(registry, name).is_err() {
        return Ok(Json(false).into_response());
    }
    update(registry, id, record(&params, name)).await?;
    Ok(Json(true).into_response())
}

pub(super) async fn delete_v1(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, Failure> {
    let registry = &site.registry;
    delete(registry, present(registry, &params, "namespaceId")?).await?;
    Ok(Json(true).into_response())
}

pub(super) async fn list_in_result(State(site): State<Site>) -> Response {
    result(list(&site.registry))
}

pub(super) async fn one_in_result(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, InResult> {
    let wanted = declared(&params, "namespaceId")?;
    Ok(result(one(&site.registry, wanted)?))
}

pub(super) async fn create_v2(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, InResult> {
    let registry = &site.registry;
    let (said, name) = form(&params, "namespaceId")?;
    check(registry, said.trim(), name)?;
    let id = wanted_id(said.trim())?;
    let tells_first = registry.settings().version.checks_parameters();
    if tells_first && is_created(registry, id.as_str()) {
        let text = format!("the namespaceId is existed, namespaceId: {said}");
        return Err(illegal(text).into());
    }
    legal_name(registry, name)?;
    if !create(registry, &id, record(&params, name)).await? {
        // 2.2 takes it for a fault of its own.
        let text = format!("namespaceId [{id}] already exist");
        return Err(Failure::Failed(Code::NamespaceExists, text).into());
    }
    Ok(result(true))
}

/// The parameters, of which this call itself says what is wrong with them.
pub(super) struct Unchecked(Params);

impl FromRequest<Site> for Unchecked {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &Site) -> Result<Self, Failure> {
        Ok(Self(Params::read(request).await?))
    }
}

/// As administrators do it over v3.
pub(super) async fn create_as_admin(
    State(site): State<Site>,
    Unchecked(params): Unchecked,
) -> Result<Response, InResult> {
    let (said, name) = form(&params, "namespaceId")?;
    create_v3(&site.registry, &params, said, name).await
}

/// As the console of v3 does it, where the id need not be there.
pub(super) async fn create_at_console(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, InResult> {
    let name = params.exact("namespaceName");
    let name = name.ok_or_else(|| missing("namespaceName"))?;
    let said = params.or("customNamespaceId", "");
    check(&site.registry, said, name)?;
    create_v3(&site.registry, &params, said, name).await
}

async fn create_v3(
    registry: &Registry,
    params: &Params,
    said: &str,
    name: &str,
) -> Result<Response, InResult> {
    let id = wanted_id(said.trim())?;
    legal_name(registry, name)?;
    if !create(registry, &id, record(params, name)).await? {
        let text = match id.as_str() {
            NamespaceId::PUBLIC => {
                format!("namespaceId [{said}] is default namespace id and already exist.")
            }
            id => format!("namespaceId [{id}] already exist."),
        };
        return Err(Failure::Refused(Code::NamespaceExists, text).into());
    }
    Ok(result(true))
}

pub(super) async fn update_in_result(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, InResult> {
    let (id, name) = form(&params, "namespaceId")?;
    legal_name(&site.registry, name)?;
    update(&site.registry, id, record(&params, name)).await?;
    Ok(result(true))
}

pub(super) async fn delete_in_result(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, InResult> {
    delete(&site.registry, declared(&params, "namespaceId")?).await?;
    Ok(result(true))
}

/// How many there are of that id (v3, for administrators).
pub(super) async fn count(State(site): State<Site>, params: Params) -> Result<Response, InResult> {
    let id = declared(&params, "namespaceId")?;
    let is_public = NamespaceId::from_wire(id).as_str() == NamespaceId::PUBLIC;
    let count = !is_public && is_created(&site.registry, id);
    Ok(result(u8::from(count)))
}

/// Whether nobody can create one of that id (v3, at the console).
pub(super) async fn exists(State(site): State<Site>, params: Params) -> Result<Response, InResult> {
    declared(&params, "customNamespaceId")?;
    let id = params.get("customNamespaceId");
    Ok(result(id.is_some_and(|id| is_created(&site.registry, id))))
}

fn is_created(registry: &Registry, id: &str) -> bool {
    let id = NamespaceId::from_wire(id);
    registry.act(|store, _| store.is_created(&id))
}

async fn create(
    registry: &Registry,
    id: &NamespaceId,
    record: NamespaceRecord,
) -> Result<bool, Failure> {
    let created = registry.act(|store, _| store.create_namespace(id, record));
    registry.saved().await?;
    Ok(created)
}

async fn update(registry: &Registry, id: &str, record: NamespaceRecord) -> Result<(), Failure> {
    let id = NamespaceId::from_wire(id);
    registry.act(|store, _| store.update_namespace(&id, record));
    Ok(registry.saved().await?)
}

async fn delete(registry: &Registry, id: &str) -> Result<(), Failure> {
    let id = NamespaceId::from_wire(id);
    registry.act(|store, _| store.delete_namespace(&id));
    Ok(registry.saved().await?)
}

fn record(params: &Params, name: &str) -> NamespaceRecord {
    NamespaceRecord {
        name: name.to_owned(),
        description: params.exact("namespaceDesc").map(str::to_owned),
    }
}

/// The id to create: the one that is asked for, or a made up one.
fn wanted_id(said: &str) -> Result<NamespaceId, Failure> {
    if said.is_empty() {
        return made_up_id();
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !said.chars().all(legal) {
        return Err(illegal(format!(
            "namespaceId [{said}] mismatch the pattern"
        )));
    }
    if said.len() > LONGEST_ID {
        return Err(illegal(format!("too long namespaceId, over {LONGEST_ID}")));
    }
    Ok(NamespaceId::from_wire(said))
}

/// A random UUID.
fn made_up_id() -> Result<NamespaceId, Failure> {
    let mut bytes = [0; 16];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Failure::unreadable("no random numbers"))?;
    let bits = u128::from_be_bytes(bytes);
    // Version 4, variant 1.
    let bits = bits & !(0xf << 76) | 4 << 76;
    let bits = bits & !(0x3 << 62) | 2 << 62;
    let hex = format!("{bits:032x}");
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    Ok(NamespaceId::from(parts.join("-")))
}

/// Refuses names that cannot be, as 2.3 and later do.
fn legal_name(registry: &Registry, name: &str) -> Result<(), Failure> {
    let version = registry.settings().version;
    if !version.checks_parameters() || is_namespace_name(name) {
        return Ok(());
    }
    Err(illegal(format!(
        "namespaceName [{name}] contains illegal char"
    )))
}

/// What the consoles of 2.3 and later check before they look at it.
fn check(registry: &Registry, id: &str, name: &str) -> Result<(), Failure> {
    let version = registry.settings().version;
    match version.checks_parameters() {
        true => Ok(check_namespace(id, name)?),
        false => Ok(()),
    }
}

fn illegal(text: String) -> Failure {
    Failure::Refused(Code::NamespaceIllegal, text)
}

/// The id and the name in a form, which may be empty but have to be there.
fn form<'a>(params: &'a Params, id: &'static str) -> Result<(&'a str, &'a str), Failure> {
    let field = |name| params.exact(name).ok_or_else(|| missing(name));
    Ok((field(id)?, field("namespaceName")?))
}

fn missing(name: &str) -> Failure {
    let text = format!("required parameter '{name}' is missing");
    Failure::Refused(Code::ParameterMissing, text)
}

/// A parameter of a result's call, which may be empty but has to be there.
fn declared<'a>(params: &'a Params, name: &'static str) -> Result<&'a str, Failure> {
    params.exact(name).ok_or_else(|| {
        let text = format!(
            "Required request parameter '{name}' for method parameter type String is not present"
        );
        Failure::Refused(Code::ParameterMissing, text)
    })
}

/// The same for v1, whose console escapes what it says from 2.0 on.
fn present<'a>(
    registry: &Registry,
    params: &'a Params,
    name: &'static str,
) -> Result<&'a str, Failure> {
    params.exact(name).ok_or_else(|| {
        let quote = match registry.settings().version.is_first_generation() {
            true => "'",
            false => "&#39;",
        };
        Failure::unreadable(format!(
            "Required request parameter {quote}{name}{quote} for method parameter type String is not present"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_taken_as_they_are_or_made_up() {
        assert_eq!(wanted_id("dev_1-a").expect("legal").as_str(), "dev_1-a");
        for bad in ["bad id!", "a/b", "\u{e9}", &"x".repeat(129)] {
            assert!(wanted_id(bad).is_err(), "{bad}");
        }
        let (one, other) = (
            wanted_id("").expect("made up"),
            wanted_id("").expect("made up"),
        );
        assert_ne!(one, other);
        let text = one.as_str();
        assert_eq!(text.len(), 36);
        assert_eq!(&text[14..15], "4", "{text}");
        assert!("89ab".contains(&text[19..20]), "{text}");
        let dashes = text.match_indices('-').map(|(at, _)| at);
        assert_eq!(dashes.collect::<Vec<_>>(), [8, 13, 18, 23]);
    }
}

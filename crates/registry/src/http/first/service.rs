//! Lists of services as 1.x gives them.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use syncline_model::{GroupName, ServiceKey};

use crate::http::Site;
use crate::http::failure::{Code, Failure};
use crate::http::params::Params;
use crate::http::service::{NAMES_KEY, names_by_namespace};
use crate::http::subscribers;
use crate::page::page;
use crate::store::Names;

/// All groups, where a group is asked for (1.4).
const ALL_GROUPS: &str = "*";

pub(super) async fn list(State(site): State<Site>, params: Params) -> Result<Response, Failure> {
    let (page_no, page_size) = params.page_of_names()?;
    let namespace = params.namespace();
    let listing = site.registry.act(|store, _| store.names(&namespace));
    let group = params.or("groupName", GroupName::DEFAULT);
    let is_1_4 = site.registry.settings().version.is_since_1_4();
    let names: Vec<String> = if is_1_4 && group == ALL_GROUPS {
        let names = listing.iter();
        names
            .map(|(group, name)| format!("{group}@@{name}"))
            .collect()
    } else {
        let names = Names::of_group(&listing, &GroupName::from(group)).iter();
        names.map(|(_, name)| name.to_string()).collect()
    };
    let doms = match is_1_4 {
        true => page(&names, page_no, page_size),
        false => strict_page(&names, page_no, page_size)?,
    };
    let body = serde_json::json!({ "count": names.len(), "doms": doms });
    Ok(Json(body).into_response())
}

/// A page as 1.3 cuts it: page 0 is empty, and one past the end an error.
fn strict_page(names: &[String], page_no: i64, page_size: i64) -> Result<&[String], Failure> {
    let pages_before = page_no.saturating_sub(1);
    if pages_before < 0 {
        return Ok(&[]);
    }
    let start = pages_before.saturating_mul(page_size.max(0));
    let len = i64::try_from(names.len()).unwrap_or(i64::MAX);
    if start > len {
        let text = format!("fromIndex({start}) > toIndex({len})");
        return Err(Failure::Refused(Code::Validation, text));
    }
    Ok(page(names, page_no, page_size))
}

/// Names without their groups, and the number of namespaces.
pub(super) async fn names(State(site): State<Site>, params: Params) -> Result<Response, Failure> {
    let name = |service: &ServiceKey| service.name.as_str().to_owned();
    let mut found = names_by_namespace(&site.registry, &params, name)?;
    // The same name in several groups is there once.
    for names in found.values_mut() {
        names.sort();
        names.dedup();
    }
    let body = serde_json::json!({ "count": found.len(), NAMES_KEY: found });
    Ok(Json(body).into_response())
}

pub(super) async fn subscribers(site: State<Site>, params: Params) -> Result<Response, Failure> {
    if !site.registry.settings().version.is_since_1_4() {
        params.required("pageNo")?;
        params.required("pageSize")?;
    }
    subscribers::list(site, params).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_pages_have_hard_ends() {
        let names = ["a", "b", "c"].map(str::to_owned);
        let cut = |page_no, size| strict_page(&names, page_no, size).map(<[String]>::len);
        assert!(matches!(cut(1, 2), Ok(2)));
        assert!(matches!(cut(2, 2), Ok(1)));
        assert!(matches!(cut(0, 2), Ok(0)));
        assert!(matches!(cut(1, 0), Ok(0)));
        assert!(matches!(cut(i64::MIN, -1), Ok(0)));
        for (page_no, size) in [(3, 2), (i64::MAX, i64::MAX)] {
            assert!(cut(page_no, size).is_err());
        }
    }
}

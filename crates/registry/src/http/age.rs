//! How old a list is, said beside it: clients of Nacos look at no header that
//! they do not know.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;

/// Whole seconds since what is shown was last known to be true; not there where
/// it is up to date.
const AGE: HeaderName = HeaderName::from_static("syncline-age");

/// A list with its age.
pub(super) fn aged(age: Option<Duration>, mut list: Response) -> Response {
    if let Some(age) = age {
        let seconds = HeaderValue::from(age.as_secs());
        list.headers_mut().insert(AGE, seconds);
    }
    list
}

//! What hides a part of a registry, and what to grant or name instead.

use std::sync::Arc;

use syncline_nacos::http::HttpError;
use syncline_nacos::version::{Generation, Negotiated};

/// The namespaces cannot be listed.
pub(super) fn namespaces(server: &Negotiated, error: &HttpError) -> Arc<str> {
    let grant = match server.generation {
        Generation::V1 | Generation::V2 => {
            "name them by their ids, or open the console's namespace list to this user"
        }
        Generation::V3 => {
            "name them by their ids, or use a user with the role ROLE_ADMIN, which the admin API of \
             3.x asks for"
        }
    };
    format!("the namespaces cannot be listed: {grant} ({error})").into()
}

/// The services of a namespace cannot be listed, group by group or otherwise.
pub(super) fn groups(server: &Negotiated, why: &str) -> Arc<str> {
    let grant = match server.generation {
        Generation::V1 | Generation::V2 => {
            "name the groups, or grant this user `r` on the namespace (resource `namespace:*:*`)"
        }
        Generation::V3 => {
            "name the groups, since only the admin API of 3.x lists all groups at once and asks \
             for the role ROLE_ADMIN"
        }
    };
    format!("not all services can be listed: {grant} ({why})").into()
}

/// Only a consumer's view is to be had.
pub(super) fn consumer(server: &Negotiated, why: &str) -> String {
    let grant = match server.generation {
        Generation::V1 | Generation::V2 => {
            "grant this user `r` on the namespace (resource `namespace:*:*`)"
        }
        Generation::V3 => "use a user with the role ROLE_ADMIN, which raw lists of 3.x ask for",
    };
    format!(
        "raw lists are not permitted, so that disabled instances cannot be told from absent ones \
         and a removal takes two queries: {grant} ({why})"
    )
}

/// The cluster has more members than are named.
pub(super) fn members(count: usize) -> String {
    format!(
        "the cluster has {count} members and one is known: name them all in `servers`, or use \
         `members: discover`, so that a removal is confirmed by a second member"
    )
}

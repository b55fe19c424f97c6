//! The namespaces and members of a cluster.

use serde::Deserialize;
use syncline_model::NamespaceId;

use super::client::{Answered, HttpClient};
use super::decode::{Entries, MemberInfo, Namespace, namespaces};
use super::error::{Class, HttpError};
use super::servers::Route;
use super::transport::{Answer, Request};
use crate::message::Rejected;
use crate::version::NamespaceApi;

/// The namespaces of a cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Namespaces {
    /// Those that could be read.
    pub items: Vec<Namespace>,
    /// Those that could not. While there are any, no namespace can be said to be
    /// absent.
    pub rejected: Vec<Rejected>,
}

impl Namespaces {
    /// The ids of all namespaces that people see under that name: it need not
    /// be unique.
    pub fn by_show_name<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a NamespaceId> {
        let named = self.items.iter().filter(move |n| n.show_name == name);
        named.map(|n| &n.id)
    }
}

/// A member of a cluster as the cluster itself lists it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// `host:port` of its HTTP listener.
    pub address: String,
    /// `UP`, `DOWN`, `SUSPICIOUS` and the like.
    pub state: String,
    /// Its version, from 2.0 on.
    pub version: Option<String>,
}

impl HttpClient {
    /// The namespaces. That a namespace is not listed does not mean that there
    /// are no services in it: servers create them as services come.
    ///
    /// # Errors
    /// Any failure.
    pub async fn namespaces(
        &self,
        api: NamespaceApi,
        route: &Route,
    ) -> Result<Answered<Namespaces>, HttpError> {
        let request = |path| Request::get("list the namespaces", path);
        match api {
            NamespaceApi::V1 => {
                let request = request("/v1/console/namespaces");
                self.ask(&request, route, read_namespaces).await
            }
            NamespaceApi::V2 => {
                let request = request("/v2/console/namespace/list");
                self.ask(&request, route, read_namespaces).await
            }
            NamespaceApi::V3 => {
                let request = request("/core/namespace/list");
                self.ask_admin(request, route, read_namespaces).await
            }
        }
    }

    /// The members of the cluster, asked for in every way that some version
    /// offers.
    ///
    /// # Errors
    /// Any failure; [`Class::Unsupported`] where a server tells in no way.
    pub async fn members(&self, route: &Route) -> Result<Answered<Vec<Member>>, HttpError> {
        const ATTEMPTED: &str = "list the members of the cluster";
        // 1.3 to 2.5; 2.2 to 2.5; and before these, up to 2.1.
        const LISTS: [&str; 3] = [
            "/v1/core/cluster/nodes",
            "/v2/core/cluster/node/list",
            "/v1/ns/operator/servers",
        ];
        for path in LISTS {
            let request = Request::get(ATTEMPTED, path);
            match self.ask(&request, route, read_members).await {
                Err(error) if error.class() == Class::Unsupported => {}
                outcome => return outcome,
            }
        }
        let request = Request::get(ATTEMPTED, "/core/cluster/node/list");
        self.ask_admin(request, route, read_members).await
    }

    /// Asks the cluster for its members and goes on with these, where the
    /// configured addresses are only where to ask
    /// ([`super::Members::Discover`]).
    ///
    /// # Errors
    /// As [`HttpClient::members`].
    pub async fn discover(&self) -> Result<Vec<Member>, HttpError> {
        let members = self.members(&Route::Any).await?.value;
        let addresses: Vec<String> = members.iter().map(|m| m.address.clone()).collect();
        self.take_members(&addresses);
        Ok(members)
    }
}

pub(super) fn read_namespaces(answer: &Answer) -> Result<Namespaces, HttpError> {
    let entries: Entries<'_> = answer.data()?;
    let (items, rejected) = namespaces(&entries);
    Ok(Namespaces { items, rejected })
}

/// The list stands in `data`, or in `servers`.
pub(super) fn read_members(answer: &Answer) -> Result<Vec<Member>, HttpError> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(alias = "data")]
        servers: Vec<MemberInfo>,
    }
    let body: Body = answer.json()?;
    let members = body.servers.into_iter().map(|member| Member {
        address: member.address,
        state: member.state,
        version: member.extend_info.version,
    });
    Ok(members.collect())
}

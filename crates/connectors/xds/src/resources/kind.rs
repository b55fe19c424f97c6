//! The kinds of resources.

/// A kind of resource, in the order in which changes are made known, so that
/// nothing refers to what a client does not have yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Kind {
    /// What requests are sent to: a service.
    Cluster,
    /// The instances of a service.
    Endpoint,
    /// Where requests come in.
    Listener,
    /// Which host is which service.
    Route,
}

impl Kind {
    /// Every kind, in their order.
    pub(crate) const ALL: [Self; 4] = [Self::Cluster, Self::Endpoint, Self::Listener, Self::Route];

    /// How requests and answers name it.
    pub(crate) fn type_url(self) -> &'static str {
        match self {
            Self::Cluster => "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            Self::Endpoint => "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            Self::Listener => "type.googleapis.com/envoy.config.listener.v3.Listener",
            Self::Route => "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        }
    }

    /// The kind that a request names, if we have it.
    pub(crate) fn of(type_url: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.type_url() == type_url)
    }

    /// Whether an answer of the state-of-the-world protocol holds all that the
    /// client subscribed to, so that what is missing is gone. An answer of the
    /// other kinds holds what it holds, and says nothing of the rest.
    pub(crate) fn is_told_whole(self) -> bool {
        matches!(self, Self::Cluster | Self::Listener)
    }
}

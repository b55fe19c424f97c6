//! What stands in `proto/`, as Rust.

#![allow(
    missing_docs,
    unreachable_pub,
    reason = "generated; the definitions tell what the fields are"
)]

/// The module tree that generated code expects: it names types of other
/// packages by their place in it.
pub(crate) mod envoy {
    pub(crate) mod service {
        pub(crate) mod discovery {
            pub(crate) mod v3 {
                tonic::include_proto!("envoy.service.discovery.v3");
            }
        }
        pub(crate) mod cluster {
            pub(crate) mod v3 {
                tonic::include_proto!("envoy.service.cluster.v3");
            }
        }
        pub(crate) mod endpoint {
            pub(crate) mod v3 {
                tonic::include_proto!("envoy.service.endpoint.v3");
            }
        }
    }
}

/// The resources.
pub(crate) mod syncline {
    pub(crate) mod xds {
        tonic::include_proto!("syncline.xds");
    }
}

pub(crate) use envoy::service::discovery::v3 as discovery;
pub(crate) use syncline::xds as resource;

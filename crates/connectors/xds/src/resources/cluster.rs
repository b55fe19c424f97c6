//! A service as a cluster, whose endpoints come on the same stream.

use std::sync::Arc;

use super::Resource;
use crate::config::XdsConfig;
use crate::proto::resource::cluster::DiscoveryType;
use crate::proto::resource::config_source::ApiVersion;
use crate::proto::resource::{
    AggregatedConfigSource, Cluster, CommonLbConfig, ConfigSource, Duration, EdsClusterConfig,
    Percent,
};

/// How long a connection to an instance may take to open.
const CONNECT_TIMEOUT: Duration = Duration {
    seconds: 5,
    nanos: 0,
};

/// Nothing in it depends on a service's instances: whatever changes in a
/// cluster makes Envoy build it anew.
pub(super) fn resource(name: &Arc<str>, config: &XdsConfig) -> Resource {
    let threshold = config.panic_threshold.map(|percent| CommonLbConfig {
        healthy_panic_threshold: Some(Percent {
            value: f64::from(percent),
        }),
    });
    let cluster = Cluster {
        name: name.to_string(),
        r#type: DiscoveryType::Eds.into(),
        eds_cluster_config: Some(EdsClusterConfig {
            eds_config: Some(on_the_same_stream()),
        }),
        connect_timeout: Some(CONNECT_TIMEOUT),
        common_lb_config: threshold,
        // What has left the registry is gone, whatever Envoy's own checks say.
        ignore_health_on_host_removal: true,
    };
    Resource::new(name, &cluster)
}

/// Where a resource says that another one comes from.
pub(super) fn on_the_same_stream() -> ConfigSource {
    ConfigSource {
        ads: Some(AggregatedConfigSource {}),
        resource_api_version: ApiVersion::V3.into(),
    }
}

//! What no Nacos takes, whatever its version.

use crate::instance::Instance;
use crate::name::{ClusterName, ServiceKey};

/// Why a mapped name cannot be registered anywhere.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Invalid {
    /// A part of the service's name is blank.
    #[error("the mapped {0} is blank")]
    Blank(&'static str),
    /// `@@` separates group and name in every Nacos.
    #[error("the mapped {0} contains `@@`, which separates group and name")]
    Separator(&'static str),
    /// A cluster has other characters than letters, digits and `-`.
    #[error("the mapped cluster `{0}` may only have letters, digits and `-`")]
    Cluster(ClusterName),
}

/// Checks the name of a mapped service.
///
/// Only what every version refuses is refused here; what a version refuses
/// beyond that (Nacos 1.x other characters than `0-9a-zA-Z@.:_-`, Nacos from
/// 2.3 blanks, Chinese characters and long metadata) is for its target to say.
///
/// # Errors
/// The reason why it cannot be registered.
pub fn validate_service(service: &ServiceKey) -> Result<(), Invalid> {
    let parts = [
        ("namespace", service.namespace.as_str()),
        ("group", service.group.as_str()),
        ("service", service.name.as_str()),
    ];
    for (part, name) in parts {
        if name.trim().is_empty() {
            return Err(Invalid::Blank(part));
        }
        if name.contains("@@") {
            return Err(Invalid::Separator(part));
        }
    }
    Ok(())
}

/// Checks a mapped instance: its cluster, by the rule of Nacos 1.x and 2.x
/// (`^[0-9a-zA-Z-]+$`), which stricter checks of later versions do not lift.
///
/// # Errors
/// The reason why it cannot be registered.
pub fn validate_instance(instance: &Instance) -> Result<(), Invalid> {
    let cluster = &instance.key.cluster;
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !cluster.as_str().is_empty() && cluster.as_str().bytes().all(legal) {
        Ok(())
    } else {
        Err(Invalid::Cluster(cluster.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::Port;

    #[test]
    fn clusters_have_letters_digits_and_dashes() {
        let check = |cluster: &str| {
            let mut instance = Instance::new("h", Port::new(1).expect("not zero"));
            instance.key.cluster = cluster.into();
            validate_instance(&instance)
        };
        assert_eq!(check("hz-DEFAULT-1"), Ok(()));
        for bad in ["", "hz_1", "a b", "杭州", "a.b"] {
            assert_eq!(check(bad), Err(Invalid::Cluster(bad.into())));
        }
    }

    #[test]
    fn service_names_have_three_parts() {
        let check = |n: &str, g: &str, s: &str| validate_service(&ServiceKey::new(n, g, s));
        assert_eq!(check("public", "G", "providers:a.B:1.0:"), Ok(()));
        assert_eq!(check("public", " ", "s"), Err(Invalid::Blank("group")));
        assert_eq!(check("", "G", "s"), Err(Invalid::Blank("namespace")));
        assert_eq!(check("n", "G", "a@@b"), Err(Invalid::Separator("service")));
    }
}

//! Target groups: one for each instance, since no two have the same labels.

use std::borrow::Cow;

use syncline_model::{EndpointName, Instance, LinkName, Seen, ServiceKey, ServiceSet};

use crate::config::Format;
use crate::labels::metadata_labels;

/// Where instances come from, which their labels say.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The endpoint that was read.
    pub source: EndpointName,
    /// The link that carried them.
    pub link: LinkName,
}

impl Origin {
    /// Adds a group for each instance of a service.
    pub(crate) fn groups(
        &self,
        text: &mut String,
        service: &ServiceKey,
        set: &ServiceSet,
        format: Format,
    ) {
        for instance in set.instances() {
            self.group(text, service, instance, format);
        }
    }

    fn group(&self, text: &mut String, service: &ServiceKey, instance: &Instance, format: Format) {
        let Instance { key, metadata, .. } = instance;
        let fixed = [
            ("__meta_nacos_source", Cow::from(self.source.as_str())),
            ("__meta_nacos_link", Cow::from(self.link.as_str())),
            (
                "__meta_nacos_namespace",
                Cow::from(service.namespace.as_str()),
            ),
            ("__meta_nacos_group", Cow::from(service.group.as_str())),
            ("__meta_nacos_service", Cow::from(service.name.as_str())),
            ("__meta_nacos_cluster", Cow::from(key.cluster.as_str())),
            ("__meta_nacos_ip", Cow::from(key.host.as_str())),
            ("__meta_nacos_port", Cow::from(key.port.to_string())),
            (
                "__meta_nacos_weight",
                Cow::from(instance.weight.to_string()),
            ),
            ("__meta_nacos_healthy", Cow::from(seen(instance.healthy))),
            (
                "__meta_nacos_enabled",
                Cow::from(seen(Seen::Known(instance.enabled))),
            ),
            (
                "__meta_nacos_ephemeral",
                Cow::from(seen(instance.ephemeral)),
            ),
        ];
        let metadata = metadata_labels(metadata);
        let fixed = fixed.iter().map(|(name, value)| (*name, &**value));
        let metadata = metadata.iter().map(|(name, value)| (&**name, *value));
        format.group(text, &key.address(), fixed.chain(metadata));
    }
}

fn seen(value: Seen<bool>) -> &'static str {
    match value {
        Seen::Known(true) => "true",
        Seen::Known(false) => "false",
        Seen::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_model::{Metadata, Port, Weight};

    fn origin() -> Origin {
        Origin {
            source: EndpointName::from("hangzhou"),
            link: LinkName::from("hz-scrape"),
        }
    }

    fn sick() -> Instance {
        let mut sick = Instance::new("fe80::1", Port::new(8080).expect("not zero"));
        sick.weight = Weight::new(0.5).expect("a weight");
        sick.healthy = Seen::Unknown;
        sick.enabled = false;
        sick.metadata = Metadata::from_pairs([("management.port", "9090")]);
        sick
    }

    #[test]
    fn all_that_is_said_of_an_instance_is_in_its_labels() {
        let mut text = String::new();
        let set = ServiceSet::new(vec![sick()]);
        let service = ServiceKey::new("prod", "G", "订单");
        origin().groups(&mut text, &service, &set, Format::Json);
        assert_eq!(
            Format::Json.document(text),
            "[\n{\"targets\":[\"[fe80::1]:8080\"],\"labels\":{\
             \"__meta_nacos_source\":\"hangzhou\",\"__meta_nacos_link\":\"hz-scrape\",\
             \"__meta_nacos_namespace\":\"prod\",\"__meta_nacos_group\":\"G\",\
             \"__meta_nacos_service\":\"订单\",\"__meta_nacos_cluster\":\"DEFAULT\",\
             \"__meta_nacos_ip\":\"fe80::1\",\"__meta_nacos_port\":\"8080\",\
             \"__meta_nacos_weight\":\"0.5\",\"__meta_nacos_healthy\":\"unknown\",\
             \"__meta_nacos_enabled\":\"false\",\"__meta_nacos_ephemeral\":\"true\",\
             \"__meta_nacos_metadata_management_port\":\"9090\"}}\n]\n"
        );
    }

    #[test]
    fn yaml_says_the_same_as_json() {
        let set = ServiceSet::new(vec![
            sick(),
            Instance::new("10.0.0.1", Port::new(80).expect("not zero")),
        ]);
        let documents = [Format::Json, Format::Yaml].map(|format| {
            let mut text = String::new();
            for name in ["a: b", "c\n- d"] {
                let service = ServiceKey::new("public", "G", name);
                origin().groups(&mut text, &service, &set, format);
            }
            format.document(text)
        });
        let [json, yaml] = &documents;
        let json: serde_json::Value = serde_json::from_str(json).expect("JSON");
        let yaml: serde_json::Value = serde_saphyr::from_str(yaml).expect("YAML");
        assert_eq!(json, yaml);
        assert_eq!(json.as_array().map(Vec::len), Some(4));
    }
}

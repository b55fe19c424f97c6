//! The short way of a mapping that changes nothing against the long one, and
//! what holds for every template, address and collision.

use std::sync::Arc;

use proptest::prelude::*;
use syncline_model::mapping::{
    AddressRule, InstanceField, Mapping, OnCollision, Rules, Template, merge,
};
use syncline_model::scope::Patterns;
use syncline_model::{Identity, Instance, Metadata, Port, Seen, ServiceKey, Weight};

fn seen() -> impl Strategy<Value = Seen<bool>> {
    prop_oneof![
        Just(Seen::Unknown),
        Just(Seen::Known(true)),
        Just(Seen::Known(false))
    ]
}

fn instances() -> impl Strategy<Value = Vec<Instance>> {
    let metadata = proptest::collection::vec(("[a-d]{1,2}", "[a-z0-9:/.]{0,12}"), 0..4);
    let one = (
        "10\\.0\\.0\\.[1-4]",
        1..3_u16,
        "[xy]",
        0..4_u8,
        seen(),
        seen(),
        metadata,
    );
    let instance = one.prop_map(|(host, port, cluster, weight, healthy, ephemeral, pairs)| {
        let mut instance = Instance::new(host.as_str(), Port::new(port).expect("not zero"));
        instance.key.cluster = cluster.as_str().into();
        instance.weight = Weight::new(f64::from(weight)).expect("legal");
        instance.healthy = healthy;
        instance.ephemeral = ephemeral;
        instance.metadata = Metadata::from_pairs(pairs);
        instance
    });
    proptest::collection::vec(instance, 0..8)
}

/// Rules that change nothing, but cannot be known to.
fn long_way() -> Rules {
    let parse = |text| Template::parse(text).expect("legal");
    Rules {
        namespace: Template::parse("{namespace}{source}").expect("legal"),
        cluster: parse("{cluster}"),
        addresses: vec![AddressRule::parse("0.0.0.0/0", "0.0.0.0/0").expect("legal")],
        address_keys: vec!["a".into(), "b".into()],
        drop: Patterns::parse(["not-there"]).expect("legal"),
        ..Rules::identity()
    }
}

proptest! {
    #[test]
    fn the_short_way_is_the_long_way(instances in instances()) {
        let service = ServiceKey::new("public", "G", "order");
        let short = Mapping::new("".into(), Rules::identity()).expect("legal");
        let long = Mapping::new("".into(), long_way()).expect("legal");
        prop_assert!(short.is_identity() && !long.is_identity());
        prop_assert_eq!(short.map_service(&service), long.map_service(&service));
        for instance in &instances {
            let short = short.map_instance(&service, instance);
            prop_assert_eq!(short.as_ref(), Ok(instance));
            prop_assert_eq!(short, long.map_instance(&service, instance));
        }
    }

    #[test]
    fn what_is_merged_collides_no_more(instances in instances(), add: bool, address: bool) {
        let identity = if address { Identity::Address } else { Identity::AddressAndCluster };
        let policy = if add { OnCollision::Add } else { OnCollision::Report };
        let (merged, collisions) = merge(instances.clone(), identity, policy);
        for (at, one) in merged.iter().enumerate() {
            prop_assert!(merged[at + 1..].iter().all(|other| !one.key.same(&other.key, identity)));
        }
        for instance in &instances {
            prop_assert!(merged.iter().any(|one| one.key.same(&instance.key, identity)));
            if !add {
                let kept = merged.contains(instance);
                prop_assert!(kept || collisions.iter().any(|c| c.left_out.contains(instance)));
            }
        }
        prop_assert_eq!(merge(merged.clone(), identity, policy), (merged, vec![]));
    }

    #[test]
    fn a_sum_has_the_weight_of_all_in_use(instances in instances()) {
        let weight = |instances: &[Instance]| -> f64 {
            instances.iter().filter(|i| i.in_use()).map(|i| i.weight.get()).sum()
        };
        let (merged, _) = merge(instances.clone(), Identity::Address, OnCollision::Add);
        prop_assert_eq!(weight(&merged), weight(&instances));
    }

    #[test]
    fn a_network_moves_there_and_back(host in any::<u32>(), from in any::<u32>(), to in any::<u32>(), prefix in 0..=32_u32) {
        let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
        let network = |bits: u32| format!("{}/{prefix}", std::net::Ipv4Addr::from(bits & mask));
        let host = std::net::Ipv4Addr::from(from & mask | host & !mask).to_string();
        let there = AddressRule::parse(&network(from), &network(to)).expect("legal");
        let back = AddressRule::parse(&network(to), &network(from)).expect("legal");
        let service = ServiceKey::new("public", "G", "order");
        let map = |rule: AddressRule, instance: &Instance| {
            let rules = Rules { addresses: vec![rule], ..Rules::identity() };
            let mapping = Mapping::new("hz".into(), rules).expect("legal");
            mapping.map_instance(&service, instance).expect("nothing is stated")
        };
        let instance = Instance::new(host.as_str(), Port::new(80).expect("not zero"));
        let moved = map(there, &instance);
        let bits: std::net::Ipv4Addr = moved.key.host.as_str().parse().expect("an address");
        prop_assert_eq!(bits.to_bits() & mask, to & mask);
        prop_assert_eq!(map(back, &moved), instance);
    }

    #[test]
    fn escaped_text_is_filled_in_as_it_is(text in ".{0,20}") {
        let escaped = text.replace('{', "{{").replace('}', "}}");
        let rules = Rules {
            cluster: Template::parse(&escaped).expect("no fields"),
            ..Rules::identity()
        };
        let mapping = Mapping::new("hz".into(), rules).expect("legal");
        let service = ServiceKey::new("public", "G", "order");
        let instance = Instance::new("h", Port::new(80).expect("not zero"));
        let mapped = mapping.map_instance(&service, &instance).expect("mapped");
        prop_assert_eq!(mapped.key.cluster.as_str(), text);
    }

    #[test]
    fn no_template_or_address_makes_it_panic(text in "[a-z{}:/.0-9\\[\\]é]{0,20}", value in ".{0,30}") {
        let position = match Template::<InstanceField>::parse(&text) {
            Ok(template) => {
                prop_assert_eq!(template.as_str(), &text);
                1
            }
            Err(error) => error.position,
        };
        prop_assert!((1..=text.chars().count() + 1).contains(&position));
        let rule = AddressRule::gateway("gw:80").expect("legal");
        let rules = Rules {
            addresses: vec![AddressRule::metadata("a"), rule],
            address_keys: vec!["a".into(), "b".into()],
            ..Rules::identity()
        };
        let mapping = Mapping::new("hz".into(), rules).expect("legal");
        let service = ServiceKey::new("public", "G", "order");
        let mut instance = Instance::new("h", Port::new(80).expect("not zero"));
        instance.metadata = Metadata::from_pairs([("b", Arc::<str>::from(value.as_str())), ("a", text.into())]);
        if let Ok(mapped) = mapping.map_instance(&service, &instance) {
            prop_assert!(!mapped.key.host.as_str().is_empty());
        }
    }
}

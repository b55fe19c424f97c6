use super::*;
use crate::instance::{Metadata, Port};

const KEY: &[u8] = b"0123456789abcdef";

fn signer(install: &str) -> Signer {
    Signer::new(install.into(), KEY).expect("long enough")
}

fn service() -> ServiceKey {
    ServiceKey::new("public", "DEFAULT_GROUP", "order-service")
}

fn instance() -> Instance {
    let mut instance = Instance::new("10.0.0.7", Port::new(8080).expect("not zero"));
    instance.metadata = Metadata::from_pairs([("v", "1")]);
    instance
}

fn hop(endpoint: &str) -> Hop {
    Hop::new("install-1", endpoint)
}

fn path(endpoints: &[&str]) -> Path {
    let (origin, then) = endpoints.split_first().expect("one at least");
    let then = then.iter().map(|endpoint| hop(endpoint)).collect();
    Path {
        origin: hop(origin),
        then,
    }
}

#[test]
fn a_mark_is_short_and_always_the_same() {
    let path = path(&["hangzhou", "shanghai"]);
    let mark = signer("install-1").sign(&service(), &instance().key, &path);
    assert!(mark.starts_with("1~install-1~hangzhou/shanghai~"), "{mark}");
    assert_eq!(mark.len(), "1~install-1~hangzhou/shanghai~".len() + 16);
    assert_eq!(
        mark,
        signer("install-1").sign(&service(), &instance().key, &path)
    );
    // Written down so that a release that changes it is noticed: replicas of
    // two releases would register unequal bytes.
    assert_eq!(mark, "1~install-1~hangzhou/shanghai~pn8HRJhTJS-IHQ-m");
}

#[test]
fn what_was_marked_is_read_as_ours() {
    let signer = signer("install-1");
    let path = path(&["hangzhou"]);
    let copy = signer.marked(&service(), &instance(), &path);
    assert_eq!(copy.metadata.get("v"), Some("1"));
    let MarkReading::Ours(mark) = signer.read(&service(), &copy) else {
        panic!("not ours: {:?}", copy.metadata);
    };
    assert_eq!(mark.origin(), &hop("hangzhou"));
    assert_eq!(mark.path, path);
    assert_eq!(signer.read(&service(), &instance()), MarkReading::None);
}

#[test]
fn a_mark_moved_to_another_instance_is_forged() {
    let signer = signer("install-1");
    let copy = signer.marked(&service(), &instance(), &path(&["hangzhou"]));
    let elsewhere = |change: Change| {
        let (mut service, mut moved) = (service(), copy.clone());
        change(&mut service, &mut moved);
        signer.read(&service, &moved)
    };
    let changes: [Change; 6] = [
        |service, _| service.namespace = "prod".into(),
        |service, _| service.group = "G".into(),
        |service, _| service.name = "pay".into(),
        |_, instance| instance.key.host = "10.0.0.8".into(),
        |_, instance| instance.key.port = Port::new(8081).expect("not zero"),
        |_, instance| instance.key.cluster = "hz".into(),
    ];
    for change in changes {
        assert_eq!(elsewhere(change), MarkReading::Forged);
    }
    let other_content = elsewhere(|_, instance| instance.enabled = false);
    assert!(matches!(other_content, MarkReading::Ours(_)));
}

type Change = fn(&mut ServiceKey, &mut Instance);

#[test]
fn another_key_is_no_key() {
    let copy = signer("install-1").marked(&service(), &instance(), &path(&["hangzhou"]));
    let thief = Signer::new("install-1".into(), b"fedcba9876543210").expect("long enough");
    assert_eq!(thief.read(&service(), &copy), MarkReading::Forged);
    let short = Signer::new("install-1".into(), &KEY[1..]).expect_err("too short");
    assert_eq!(short, KeyTooShort { given: 15 });
}

#[test]
fn the_mark_of_another_install_tells_its_way_but_proves_nothing() {
    let copy = signer("install-2").marked(&service(), &instance(), &path(&["hangzhou"]));
    let reading = signer("install-1").read(&service(), &copy);
    let MarkReading::OtherInstall(mark) = &reading else {
        panic!("{reading:?}");
    };
    assert_eq!(mark.install.as_str(), "install-2");
    assert_eq!(reading.path(), Some(&path(&["hangzhou"])));
}

#[test]
fn any_name_survives() {
    let signer = signer("杭州 ~1/!%");
    let path = Path::from_origin(signer.hop(&"a~b/c!d%e \"f\", g=h".into()))
        .extended(Hop::new("", ""))
        .extended(Hop::new("other", "上海"));
    let copy = signer.marked(&service(), &instance(), &path);
    let text = copy.metadata.get(MARK_KEY).expect("marked");
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.~/!%".contains(c);
    assert!(text.chars().all(plain), "{text}");
    assert_eq!(signer.read(&service(), &copy).path(), Some(&path));
}

#[test]
fn what_is_no_mark_is_forged() {
    let signer = signer("install-1");
    let nine_hops = ["a"; 9].join("/");
    for text in [
        "".to_owned(),
        "yes".to_owned(),
        "1~install-1~hangzhou".to_owned(),
        "2~install-1~hangzhou~AAAAAAAAAAAAAAAA".to_owned(),
        "1~install-1~hangzhou~AAAAAAAAAAAAAAAA".to_owned(),
        "1~install-1~hangzhou~AAAA".to_owned(),
        "1~install-1~hangzhou~".to_owned(),
        "1~install-1~hangzhou~x~AAAAAAAAAAAAAAAA".to_owned(),
        "1~install-2~hang zhou~AAAAAAAAAAAAAAAA".to_owned(),
        "1~install-2~hangzhou%F~AAAAAAAAAAAAAAAA".to_owned(),
        "1~install-2~hangzhou%FF~AAAAAAAAAAAAAAAA".to_owned(),
        "1~install-2~hangzhou~A=".to_owned(),
        format!("1~install-2~{nine_hops}~AAAAAAAAAAAAAAAA"),
        format!("1~{}~hangzhou~AAAAAAAAAAAAAAAA", "x".repeat(5000)),
    ] {
        let reading = signer.verify(Some(&text), &service(), &instance().key);
        assert_eq!(reading, MarkReading::Forged, "{text}");
    }
}

#[test]
fn a_native_starts_its_way_where_it_stands() {
    let carry = may_carry(None, &hop("a"), &hop("b"));
    assert_eq!(carry, Carry::Yes(path(&["a"])));
    assert_eq!(may_carry(None, &hop("a"), &hop("a")), Carry::Loop(hop("a")));
}

#[test]
fn nothing_returns_to_where_it_was() {
    // The copy that the link a → b made stands in b.
    let from_a = path(&["a"]);
    let carry = |from, to| may_carry(Some(&from_a), &hop(from), &hop(to));
    assert_eq!(carry("b", "a"), Carry::Loop(hop("a")));
    assert_eq!(carry("b", "c"), Carry::Yes(path(&["a", "b"])));
    // A ring of three: c does not write back to a.
    let at_c = path(&["a", "b"]);
    let carry = may_carry(Some(&at_c), &hop("c"), &hop("a"));
    assert_eq!(carry, Carry::Loop(hop("a")));
    // It came back to a, by whatever means: it is not copied from there again.
    let carry = may_carry(Some(&at_c), &hop("a"), &hop("d"));
    assert_eq!(carry, Carry::Loop(hop("a")));
}

#[test]
fn names_of_another_install_are_other_names() {
    let foreign = Path::from_origin(Hop::new("install-2", "local"));
    let carry = may_carry(Some(&foreign), &hop("central"), &hop("local"));
    let expected = foreign.extended(hop("central"));
    assert_eq!(carry, Carry::Yes(expected));
}

#[test]
fn a_way_ends_somewhere() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let carry = |hops: usize| may_carry(Some(&path(&names[..hops])), &hop("y"), &hop("z"));
    assert!(matches!(carry(MAX_HOPS - 1), Carry::Yes(path) if path.hop_count() == MAX_HOPS));
    assert_eq!(carry(MAX_HOPS), Carry::TooFar);
}

#[test]
fn the_key_is_not_printed() {
    let printed = format!("{:?}", signer("install-1"));
    assert_eq!(printed, "Signer { install: \"install-1\", .. }");
}

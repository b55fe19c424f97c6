//! Which clients understand pushes over UDP.

/// A client's name in its user agent, and the version from which on it takes
/// pushes (the switches of 1.x and 2.x as they are by default).
const PUSHED: &[(&str, Version)] = &[
    ("Nacos-Java-Client", [0, 1, 0]),
    ("Nacos-Go-Client", [0, 1, 0]),
    ("Nacos-DNS", [0, 4, 3]),
    ("Nacos-C-Client", [1, 0, 12]),
    ("vip-client4cpp", [1, 0, 12]),
    ("Nacos-CSharp-Client", [0, 9, 0]),
];

type Version = [u32; 3];

/// Whether a client with that user agent (`Nacos-Java-Client:v1.4.6`) takes
/// pushes over UDP. Nacos pushes nothing to any other, whatever it asks for.
pub(crate) fn takes_pushes(agent: &str) -> bool {
    let client = PUSHED.iter().find(|(name, _)| agent.starts_with(name));
    match (client, agent.split_once(":v")) {
        (Some((_, least)), Some((_, version))) => read_version(version) >= *least,
        _ => false,
    }
}

/// Whether that user agent is a Java client's of 1.0 or later.
pub(crate) fn is_java_since_1(agent: &str) -> bool {
    let version = agent.strip_prefix("Nacos-Java-Client:v");
    version.is_some_and(|version| read_version(version) >= [1, 0, 0])
}

/// The first three numbers, each as far as there are digits.
fn read_version(text: &str) -> Version {
    let mut parts = text.split(['.', '-', '_', '/', ';', ':']);
    std::array::from_fn(|_| {
        let part = parts.next().unwrap_or_default();
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        part[..digits].parse().unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_clients_take_pushes_from_some_version_on() {
        for agent in [
            "Nacos-Java-Client:v0.1.0",
            "Nacos-Java-Client:v1.4.6",
            "Nacos-Java-Client:v1.5.0-SNAPSHOT",
            "Nacos-Go-Client:v1.1.4",
            "Nacos-Go-Client:v2",
            "Nacos-DNS:v0.4.3",
            "Nacos-C-Client:v1.0.12",
            "vip-client4cpp:v1.0.12",
            "Nacos-CSharp-Client:v0.9.0",
        ] {
            assert!(takes_pushes(agent), "{agent}");
        }
    }

    #[test]
    fn others_do_not() {
        for agent in [
            "",
            "curl/8.0",
            "Nacos-Java-Client",
            "Nacos-Java-Client:1.4.6",
            "Nacos-Java-Client:v0.0.9",
            "Nacos-Java-Client:vx.y",
            "Nacos-Java-Client:v99999999999999999999",
            "Nacos-DNS:v0.4.2",
            "Nacos-C-Client:v1.0.11",
            "Nacos-CSharp-Client:v0.8.9",
            "Nacos-SDK-Java:v1.4.6",
            "Nacos-Server:v1.4.6",
            "unit-nginx:v9.9.9",
        ] {
            assert!(!takes_pushes(agent), "{agent}");
        }
    }
}

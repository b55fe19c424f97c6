//! What changed between two configurations, if it is servers alone.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// What the running process is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Change {
    Weight {
        server: String,
        weight: u16,
    },
    Address {
        server: String,
        ip: IpAddr,
        port: u16,
    },
    /// In rotation or not.
    Ready {
        server: String,
        ready: bool,
    },
    Add {
        server: String,
        /// The address and what stands behind it.
        options: Vec<String>,
    },
    Remove {
        server: String,
    },
}

impl Change {
    pub(super) fn command(&self) -> String {
        match self {
            Self::Weight { server, weight } => format!("set server {server} weight {weight}"),
            Self::Address { server, ip, port } => {
                format!("set server {server} addr {ip} port {port}")
            }
            Self::Ready { server, ready } => {
                let state = if *ready { "ready" } else { "maint" };
                format!("set server {server} state {state}")
            }
            Self::Add { server, options } => format!("add server {server} {}", options.join(" ")),
            Self::Remove { server } => format!("del server {server}"),
        }
    }
}

/// A `server` line.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Server {
    address: String,
    weight: u16,
    disabled: bool,
    /// Everything else that is said of it.
    rest: Vec<String>,
}

/// A configuration, servers apart from the rest.
struct Parsed<'a> {
    /// All other lines, and where servers stand among them.
    lines: Vec<&'a str>,
    /// By `section/name`.
    servers: BTreeMap<String, Server>,
    /// Servers have options that do not stand in their line.
    has_defaults: bool,
}

/// The changes, additions first; `None` where other things changed too, or where
/// that cannot be told.
pub(super) fn changes(before: &str, after: &str) -> Option<Vec<Change>> {
    let (before, after) = (parse(before)?, parse(after)?);
    if before.lines != after.lines {
        return None;
    }
    let mut changes = Vec::new();
    for (name, server) in &after.servers {
        match before.servers.get(name) {
            Some(former) => change(name, former, server, &mut changes)?,
            // A server that is added at run time has none of the defaults, and
            // begins out of rotation.
            None if after.has_defaults || server.disabled => return None,
            None => changes.push(added(name, server)),
        }
    }
    let gone = before
        .servers
        .keys()
        .filter(|name| !after.servers.contains_key(*name));
    changes.extend(gone.map(|server| Change::Remove {
        server: server.clone(),
    }));
    changes.sort_by_key(|change| !matches!(change, Change::Add { .. }));
    Some(changes)
}

fn change(name: &str, before: &Server, after: &Server, changes: &mut Vec<Change>) -> Option<()> {
    if before.rest != after.rest {
        return None;
    }
    let server = name.to_owned();
    if before.address != after.address {
        let (ip, port) = address(&after.address)?;
        let server = server.clone();
        changes.push(Change::Address { server, ip, port });
    }
    if before.weight != after.weight {
        let (server, weight) = (server.clone(), after.weight);
        changes.push(Change::Weight { server, weight });
    }
    if before.disabled != after.disabled {
        let ready = !after.disabled;
        changes.push(Change::Ready { server, ready });
    }
    Some(())
}

fn added(name: &str, server: &Server) -> Change {
    let mut options = vec![server.address.clone(), "weight".to_owned()];
    options.push(server.weight.to_string());
    options.extend(server.rest.iter().cloned());
    Change::Add {
        server: name.to_owned(),
        options,
    }
}

fn address(text: &str) -> Option<(IpAddr, u16)> {
    let (ip, port) = text.rsplit_once(':')?;
    let ip = ip.trim_start_matches('[').trim_end_matches(']');
    Some((ip.parse().ok()?, port.parse().ok()?))
}

fn parse(text: &str) -> Option<Parsed<'_>> {
    let mut parsed = Parsed {
        lines: Vec::new(),
        servers: BTreeMap::new(),
        has_defaults: false,
    };
    let mut section = String::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("server") => {
                let (name, server) = server(line)?;
                let known = parsed.servers.insert(format!("{section}/{name}"), server);
                // Of two of one name nobody knows which is meant.
                if known.is_some() || !is_name(&section) {
                    return None;
                }
                continue;
            }
            Some("backend" | "listen") => section = words.next().unwrap_or_default().to_owned(),
            Some("default-server") => parsed.has_defaults = true,
            _ => {}
        }
        parsed.lines.push(line);
    }
    Some(parsed)
}

/// A `server` line in plain words.
fn server(line: &str) -> Option<(String, Server)> {
    if line.contains(['"', '\'', '\\', '#', '$', ';']) {
        return None;
    }
    let mut words = line.split_whitespace().skip(1);
    let name = words.next().filter(|name| is_name(name))?;
    let mut server = Server {
        address: words.next()?.to_owned(),
        weight: 1,
        disabled: false,
        rest: Vec::new(),
    };
    address(&server.address)?;
    while let Some(word) = words.next() {
        match word {
            "weight" => {
                server.weight = words.next()?.parse().ok().filter(|weight| *weight <= 256)?
            }
            "disabled" => server.disabled = true,
            word => server.rest.push(word.to_owned()),
        }
    }
    Some((name.to_owned(), server))
}

fn is_name(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
    !text.is_empty() && text.chars().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "defaults\n    mode http\nbackend b\n    balance roundrobin\n    server a 10.0.0.1:80 weight 100\n    server b 10.0.0.2:80 weight 100 check disabled\n";

    fn commands(after: &str) -> Option<Vec<String>> {
        let changes = changes(BEFORE, after)?;
        Some(changes.iter().map(Change::command).collect())
    }

    #[test]
    fn what_changed_of_servers_is_told() {
        for (from, to, expected) in [
            (
                "a 10.0.0.1:80 weight 100",
                "a 10.0.0.1:80 weight 100",
                vec![],
            ),
            (
                "a 10.0.0.1:80 weight 100",
                "a 10.0.0.1:80 weight 7",
                vec!["set server b/a weight 7"],
            ),
            (
                "a 10.0.0.1:80 weight 100",
                "a 10.0.0.1:80 weight 100 disabled",
                vec!["set server b/a state maint"],
            ),
            (" disabled", "", vec!["set server b/b state ready"]),
            (
                "a 10.0.0.1:80 weight 100",
                "a [fd00::1]:81 weight 7",
                vec![
                    "set server b/a addr fd00::1 port 81",
                    "set server b/a weight 7",
                ],
            ),
            (
                "    server a 10.0.0.1:80 weight 100\n",
                "    server c 10.0.0.3:80 weight 9 check\n",
                vec![
                    "add server b/c 10.0.0.3:80 weight 9 check",
                    "del server b/a",
                ],
            ),
        ] {
            let after = BEFORE.replace(from, to);
            let expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(commands(&after), Some(expected), "{after}");
        }
    }

    #[test]
    fn what_the_api_cannot_do_is_a_reload() {
        for (from, to) in [
            ("roundrobin", "leastconn"),
            ("backend b", "backend c"),
            ("weight 100 check", "weight 100"),
            ("10.0.0.1:80", "order.example:80"),
            ("server a", "server \"a\""),
            ("server a 10", "server b 10"),
            (
                "    server b",
                "    server c 10.0.0.3:80 disabled\n    server b",
            ),
            ("    server a", "    default-server inter 1s\n    server a"),
            ("weight 100 check", "weight 300 check"),
        ] {
            let after = BEFORE.replace(from, to);
            assert_ne!(after, BEFORE);
            assert_eq!(commands(&after), None, "{after}");
        }
    }
}

//! What the parts of a configuration say about each other.

use std::collections::HashMap;
use std::path::Path;

use syncline_engine::store::InstallKey;
use syncline_model::EndpointName;

use super::decode::Decoded;
use super::link::{
    Drift, Limits, Link, Mode, RemovalPolicy, SourceLost, SourceLostPolicy, Strategy,
};
use super::nearest::did_you_mean;
use super::problem::Problems;
use super::text::{Mark, Texts};
use super::tree::Node;
use super::{Config, Endpoint};

/// Checks what was read, and reports what does not fit together. Parts that
/// could not be read have been reported already and are passed over.
pub(super) fn check(
    root: &Node,
    decoded: &Decoded<Config>,
    texts: &Texts,
    problems: &mut Problems,
) {
    let Some(config) = &decoded.value else { return };
    let mut checker = Checker {
        texts,
        decoded,
        problems,
    };
    checker.install(root, config);
    checker.peers(root, config);
    checker.journal(root, config);
    checker.endpoints(root, config);
    let nodes = root.get("links").map_or(&[][..], Node::items);
    let read = nodes.iter().filter(|node| decoded.holds(node));
    let links: Vec<_> = config.links.iter().zip(read).collect();
    for (link, node) in &links {
        checker.route(link, node, root, config);
        checker.settings(link, node);
    }
    checker.link_names(&links);
    checker.shared_files(&links, config);
    checker.shared_planes(&links, config);
}

struct Checker<'a> {
    texts: &'a Texts,
    decoded: &'a Decoded<Config>,
    problems: &'a mut Problems,
}

/// The place of a value, or of the nearest thing around it that was written.
fn mark_of(node: &Node, path: &[&str]) -> Mark {
    let mut node = node;
    for step in path {
        let place = step.parse().ok().and_then(|at: usize| node.items().get(at));
        match place.or_else(|| node.get(step)) {
            Some(inner) => node = inner,
            None => break,
        }
    }
    node.mark
}

impl Checker<'_> {
    fn object(&mut self, mark: Mark, message: impl Into<String>) {
        self.problems.add(self.texts, mark, message);
    }

    /// Whether all that stands under a key was read. Where it was not, its
    /// parts may contradict each other only because one of them is missing.
    fn is_whole(&self, node: &Node, key: &str) -> bool {
        node.get(key)
            .is_none_or(|inner| self.decoded.holds_whole(inner))
    }

    fn install(&mut self, root: &Node, config: &Config) {
        if !self.is_whole(root, "install") {
            return;
        }
        let install = &config.install;
        if let Some(key) = &install.key
            && InstallKey::from_hex(key.expose()).is_none()
        {
            let mark = mark_of(root, &["install", "key"]);
            let message = "`key` must be 64 hexadecimal digits, as `openssl rand -hex 32` prints";
            self.object(mark, message);
        }
        let mark = mark_of(root, &["install", "replicas"]);
        if !(1..=9).contains(&install.replicas) {
            self.object(mark, "`replicas` must be from 1 to 9");
        } else if install.replicas > 1 && (install.id.is_none() || install.key.is_none()) {
            let message = "replicas share one `id` and one `key`: write both under `install`";
            self.object(mark, message);
        }
    }

    fn peers(&mut self, root: &Node, config: &Config) {
        if self.is_whole(root, "install") && self.is_whole(root, "peers") {
            for (key, message) in super::peers::faults(config) {
                self.object(mark_of(root, &["peers", key]), message);
            }
        }
    }

    fn journal(&mut self, root: &Node, config: &Config) {
        if self.is_whole(root, "journal") {
            for (key, message) in config.journal.faults() {
                self.object(mark_of(root, &["journal", key]), message);
            }
        }
    }

    /// Each endpoint by itself, and addresses that two of them want.
    fn endpoints(&mut self, root: &Node, config: &Config) {
        let admin = config.admin.listen;
        let mut listeners = HashMap::from([(admin, "the admin server".to_owned())]);
        for (name, endpoint) in &config.endpoints {
            let whole = root
                .get("endpoints")
                .is_some_and(|endpoints| self.is_whole(endpoints, name.as_str()));
            for (key, why) in endpoint.contradictions().into_iter().filter(|_| whole) {
                let mark = mark_of(root, &["endpoints", name.as_str(), key]);
                self.object(mark, format!("`{key}` of `{name}` {why}"));
            }
            if let Endpoint::Embedded(embedded) = endpoint
                && let Some(upstream) = embedded.configs_from.as_deref()
            {
                self.configs_from(root, config, name, upstream);
            }
            let address = endpoint.listens().filter(|address| address.port() > 0);
            let Some(address) = address else {
                continue;
            };
            if let Some(other) = listeners.insert(address, format!("`{name}`")) {
                let mark = mark_of(root, &["endpoints", name.as_str(), "listen"]);
                self.object(
                    mark,
                    format!("`{name}` would listen on {address}, where {other} does"),
                );
            }
        }
    }

    /// Where the calls go that an embedded registry passes on.
    fn configs_from(&mut self, root: &Node, config: &Config, name: &EndpointName, upstream: &str) {
        let mark = mark_of(root, &["endpoints", name.as_str(), "configs_from"]);
        let written = root.get("endpoints").map_or(&[][..], Node::entries);
        let upstream_name = EndpointName::from(upstream);
        match config.endpoints.get(&upstream_name) {
            Some(Endpoint::Nacos(_)) => {}
            Some(other) => self.object(
                mark,
                format!(
                    "`configs_from` names `{upstream}`, a {}; configurations are in a nacos",
                    other.kind()
                ),
            ),
            // Endpoints that could not be read are there all the same.
            None if written.iter().any(|entry| entry.key == upstream) => {}
            None => {
                let known = written.iter().map(|entry| entry.key.as_str());
                let hint = did_you_mean(upstream, known)
                    .map_or_else(String::new, |hint| format!("; {hint}"));
                self.object(
                    mark,
                    format!("`configs_from` names `{upstream}`, which is not defined{hint}"),
                );
            }
        }
    }

    /// Where a link goes from and to.
    fn route(&mut self, link: &Link, node: &Node, root: &Node, config: &Config) {
        let name = &link.name;
        for (key, endpoint) in [("from", &link.from), ("to", &link.to)] {
            let mark = mark_of(node, &[key]);
            // Endpoints that could not be read are there all the same.
            let written = root.get("endpoints").map_or(&[][..], Node::entries);
            if !written.iter().any(|entry| entry.key == endpoint.as_str()) {
                let known = written.iter().map(|entry| entry.key.as_str());
                let hint = did_you_mean(endpoint.as_str(), known)
                    .map_or_else(String::new, |hint| format!("; {hint}"));
                self.object(
                    mark,
                    format!(
                        "link `{name}` names endpoint `{endpoint}`, which is not defined{hint}"
                    ),
                );
            }
        }
        if link.from == link.to {
            let message = format!("link `{name}` goes from `{}` to itself", link.from);
            self.object(mark_of(node, &["to"]), message);
        }
        if let Some(source) = config.endpoints.get(&link.from)
            && !source.roles().source
        {
            let (from, kind) = (&link.from, source.kind());
            self.object(
                mark_of(node, &["from"]),
                format!("link `{name}` reads from `{from}`, but a {kind} can only be a target"),
            );
        }
    }

    /// The settings of a link by themselves.
    fn settings(&mut self, link: &Link, node: &Node) {
        if self.is_whole(node, "strategy") {
            self.strategy(&link.strategy, node);
        }
        let removal = link.removal;
        let whole = self.is_whole(node, "removal");
        if whole
            && removal.expire_after.is_some()
            && removal.policy != RemovalPolicy::MarkUnavailable
        {
            let message = "`expire_after` means something only with `policy: mark-unavailable`";
            self.object(mark_of(node, &["removal", "expire_after"]), message);
        }
        if self.is_whole(node, "source_lost") {
            self.source_lost(link.source_lost, node);
        }
        if self.is_whole(node, "limits") {
            self.limits(link.limits, node);
        }
        self.not_there_yet(link, node);
        if link.guard.zero.views == 0 {
            let message = "`views` must be at least 1";
            self.object(mark_of(node, &["guard", "zero", "views"]), message);
        }
        let faults = [link.scope().err(), link.mapping().err()];
        for fault in faults.into_iter().flatten().flat_map(|faults| faults.0) {
            let path: Vec<&str> = fault.path.iter().map(String::as_str).collect();
            self.object(mark_of(node, &path), fault.message);
        }
    }

    fn source_lost(&mut self, lost: SourceLost, node: &Node) {
        let at = |key| mark_of(node, &["source_lost", key]);
        match (lost.policy, lost.after) {
            (SourceLostPolicy::Keep, Some(_)) => {
                let message = "`after` means something only with `policy: deprioritize` or `mark-unavailable`";
                self.object(at("after"), message);
            }
            (SourceLostPolicy::Keep, None) => {}
            (policy, None) => {
                let policy = policy.as_str();
                let message = format!("`policy: {policy}` needs `after`, such as 30m");
                self.object(at("policy"), message);
            }
            (_, Some(after)) if after.get().is_zero() => {
                let message = "`after` must be longer than nothing: sources are lost for moments";
                self.object(at("after"), message);
            }
            (_, Some(_)) => {}
        }
    }

    fn limits(&mut self, limits: Limits, node: &Node) {
        for (key, limit) in [
            ("in_flight", limits.in_flight),
            ("removals_per_second", limits.removals_per_second),
        ] {
            if limit == 0 {
                let message = format!("`{key}` must be at least 1");
                self.object(mark_of(node, &["limits", key]), message);
            }
        }
    }

    /// Settings that this version knows and does not act on: better refused
    /// than silently without effect.
    fn not_there_yet(&mut self, link: &Link, node: &Node) {
        for (set, path, what) in [(
            link.drift != Drift::Report,
            &["drift"][..],
            "`drift: reset`; an operator's change at the target stands",
        )] {
            if set {
                let message = format!("this version has no {what}");
                self.object(mark_of(node, path), message);
            }
        }
    }

    fn strategy(&mut self, strategy: &Strategy, node: &Node) {
        let at = |key| mark_of(node, &["strategy", key]);
        match (strategy.mode, strategy.every) {
            (Mode::Interval, None) => {
                self.object(at("mode"), "`mode: interval` needs `every`, such as 30s");
            }
            (Mode::Interval, Some(every)) if every.get().is_zero() => {
                self.object(at("every"), "`every` must be longer than nothing");
            }
            (Mode::Realtime | Mode::Cron | Mode::Event, Some(_)) => {
                self.object(
                    at("every"),
                    "`every` means something only with `mode: interval`",
                );
            }
            _ => {}
        }
        match (strategy.mode, &strategy.cron) {
            (Mode::Cron, None) => {
                self.object(
                    at("mode"),
                    "`mode: cron` needs `cron`, such as \"0 3 * * *\"",
                );
            }
            (Mode::Cron, Some(schedule)) => {
                if let Err(error) = schedule.parse::<croner::Cron>() {
                    let why = error.to_string().to_lowercase();
                    let why = why
                        .trim_start_matches("component error: ")
                        .trim_end_matches('.');
                    self.object(
                        at("cron"),
                        format!("`cron: {schedule}` is no schedule: {why}"),
                    );
                }
            }
            (_, Some(_)) => {
                self.object(at("cron"), "`cron` means something only with `mode: cron`");
            }
            _ => {}
        }
    }

    fn link_names(&mut self, links: &[(&Link, &Node)]) {
        let mut first: HashMap<&str, Mark> = HashMap::new();
        for (link, node) in links {
            let mark = mark_of(node, &["name"]);
            let name = link.name.as_str();
            if let Some(first) = first.get(name) {
                let first = self.texts.place(*first);
                let message = format!("a second link `{name}`; the first is at {first}");
                self.object(mark, message);
            } else {
                first.insert(name, mark);
            }
        }
    }

    /// Clients of a control plane are given one whole list, so two links cannot
    /// both write it.
    fn shared_planes(&mut self, links: &[(&Link, &Node)], config: &Config) {
        let mut writers: HashMap<&EndpointName, &str> = HashMap::new();
        for (link, node) in links {
            let Some(Endpoint::Xds(_)) = config.endpoints.get(&link.to) else {
                continue;
            };
            if let Some(other) = writers.insert(&link.to, link.name.as_str()) {
                let (name, to) = (&link.name, &link.to);
                let message = format!("link `{name}` writes `{to}`, which link `{other}` writes");
                self.object(mark_of(node, &["to"]), message);
            }
        }
    }

    /// A file holds one whole list, so two links cannot both write it.
    fn shared_files(&mut self, links: &[(&Link, &Node)], config: &Config) {
        let mut writers: HashMap<&Path, &str> = HashMap::new();
        for (link, node) in links {
            let Some(path) = config.endpoints.get(&link.to).and_then(Endpoint::file) else {
                continue;
            };
            if let Some(other) = writers.insert(path, link.name.as_str()) {
                let path = path.display();
                self.object(
                    mark_of(node, &["to"]),
                    format!(
                        "link `{}` writes {path}, which link `{other}` writes",
                        link.name
                    ),
                );
            }
        }
    }
}

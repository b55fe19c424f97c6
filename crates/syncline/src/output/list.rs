//! Services and instances, as tables, JSON or YAML.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;
use syncline_contract::source::Rejected;
use syncline_model::{Instance, Seen, ServiceKey, View};

use super::number::{grouped, plural};
use super::palette::{Palette, Tone};
use super::safe::safe;
use super::screen::Format;
use super::table::{Cell, Table, cut};

/// Metadata is cut to this width where the screen's is not known.
const METADATA_WIDTH: usize = 60;

/// Less than this says nothing.
const LEAST_METADATA_WIDTH: usize = 20;

/// One service.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ServiceRow {
    /// Its namespace's id.
    pub namespace: String,
    /// Its group.
    pub group: String,
    /// Its name.
    pub service: String,
    /// How many instances are healthy; nothing where the view cannot tell.
    pub healthy: Option<usize>,
    /// How many instances there are; nothing where it could not be read.
    pub total: Option<usize>,
    /// Its clusters, sorted.
    pub clusters: Vec<String>,
    /// What is worth knowing: unhealthy or disabled instances, a doubtful view.
    pub note: Option<String>,
}

impl ServiceRow {
    /// What a view says of a service, and how many instances made no sense.
    pub fn of(service: &ServiceKey, view: &View, rejected: &[Rejected]) -> Self {
        let instances = view.seen().map_or(&[][..], |set| set.instances());
        let mut clusters: Vec<_> = instances
            .iter()
            .map(|instance| instance.key.cluster.to_string())
            .collect();
        clusters.sort();
        clusters.dedup();
        let known = instances.iter().all(|i| i.healthy != Seen::Unknown);
        let healthy = instances.iter().filter(|i| i.healthy == Seen::Known(true));
        Self {
            namespace: service.namespace.to_string(),
            group: service.group.to_string(),
            service: service.name.to_string(),
            healthy: (known && view.seen().is_some()).then(|| healthy.count()),
            total: view.seen().map(|set| set.len()),
            clusters,
            note: note(instances, view, rejected),
        }
    }

    /// `3/4`; `?` for what is not known.
    fn ratio(&self) -> String {
        let known = |count: Option<usize>| count.map_or_else(|| "?".to_owned(), grouped);
        format!("{}/{}", known(self.healthy), known(self.total))
    }

    fn tone(&self) -> Tone {
        match (self.healthy, self.total) {
            (Some(healthy), Some(total)) if healthy == total => Tone::Plain,
            (Some(0), Some(_)) => Tone::Removed,
            _ => Tone::Changed,
        }
    }
}

fn note(instances: &[Instance], view: &View, rejected: &[Rejected]) -> Option<String> {
    let count = |is: fn(&Instance) -> bool| instances.iter().filter(|i| is(i)).count();
    let mut notes = Vec::new();
    for (count, what) in [
        (count(|i| i.healthy == Seen::Known(false)), "unhealthy"),
        (count(|i| !i.enabled), "disabled"),
        (count(|i| i.ephemeral == Seen::Known(false)), "persistent"),
    ] {
        if count > 0 {
            notes.push(format!("{} {what}", grouped(count)));
        }
    }
    if !rejected.is_empty() {
        notes.push(format!("{} unusable", grouped(rejected.len())));
    }
    notes.extend(view.doubt().map(|why| why.to_string()));
    (!notes.is_empty()).then(|| notes.join(", "))
}

/// One service with its instances.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct InstancesRow {
    /// The service.
    #[serde(flatten)]
    pub service: ServiceRow,
    /// Its instances in the order of their addresses.
    pub instances: Vec<InstanceRow>,
    /// Instances that make no sense, and why.
    pub unusable: Vec<UnusableRow>,
}

/// An instance that makes no sense.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct UnusableRow {
    /// As much of its address as could be read.
    pub address: String,
    /// What is wrong with it.
    pub why: String,
}

/// One instance.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct InstanceRow {
    /// Host and port.
    pub address: String,
    /// Its share of the traffic.
    pub weight: f64,
    /// Whether it is healthy; nothing where the view cannot tell.
    pub healthy: Option<bool>,
    /// Whether it is in rotation.
    pub enabled: bool,
    /// Whether it ends with its publisher; nothing where the view cannot tell.
    pub ephemeral: Option<bool>,
    /// The part of the service that it belongs to.
    pub cluster: String,
    /// What its publisher says of it.
    pub metadata: BTreeMap<String, String>,
}

impl InstancesRow {
    /// What a view says of a service and its instances.
    pub fn of(service: &ServiceKey, view: &View, rejected: &[Rejected]) -> Self {
        let instances = view.seen().map_or(&[][..], |set| set.instances());
        let mut instances: Vec<&Instance> = instances.iter().collect();
        instances.sort_by_key(|instance| numbered(instance));
        Self {
            service: ServiceRow::of(service, view, rejected),
            instances: instances.into_iter().map(InstanceRow::of).collect(),
            unusable: rejected
                .iter()
                .map(|rejected| UnusableRow {
                    address: rejected.what.clone(),
                    why: rejected.why.clone(),
                })
                .collect(),
        }
    }
}

impl InstancesRow {
    /// Whether the view cannot tell something of an instance.
    pub fn leaves_open(&self) -> bool {
        let open = |row: &InstanceRow| row.healthy.is_none() || row.ephemeral.is_none();
        self.instances.iter().any(open)
    }
}

/// Addresses as people count: 10.2.0.7 before 10.2.0.10, names after numbers.
fn numbered(instance: &Instance) -> (Result<IpAddr, &str>, u16, &str) {
    let host = instance.key.host.as_str();
    let cluster = instance.key.cluster.as_str();
    (
        host.parse().map_err(|_| host),
        instance.key.port.get(),
        cluster,
    )
}

impl InstanceRow {
    fn of(instance: &Instance) -> Self {
        let known = |seen| match seen {
            Seen::Known(value) => Some(value),
            Seen::Unknown => None,
        };
        Self {
            address: instance.key.address(),
            weight: instance.weight.get(),
            healthy: known(instance.healthy),
            enabled: instance.enabled,
            ephemeral: known(instance.ephemeral),
            cluster: instance.key.cluster.to_string(),
            metadata: instance
                .metadata
                .iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    fn metadata_text(&self) -> String {
        let pairs: Vec<_> = self
            .metadata
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        pairs.join(", ")
    }
}

/// A table of services.
pub fn services(rows: &[ServiceRow], palette: Palette) -> String {
    let mut table = Table::new()
        .column("NAMESPACE")
        .column("GROUP")
        .column("SERVICE")
        .count("HEALTHY")
        .column("CLUSTERS")
        .column("");
    for row in rows {
        table.row([
            Cell::from(row.namespace.as_str()),
            Cell::from(row.group.as_str()),
            Cell::new(Tone::Strong, row.service.as_str()),
            Cell::new(row.tone(), row.ratio()),
            Cell::from(row.clusters.join(", ")),
            Cell::new(Tone::Changed, row.note.as_deref().unwrap_or_default()),
        ]);
    }
    table.render(palette)
}

/// The line below a table of services: how many there are, and how it was seen.
pub fn summary<'a>(
    rows: impl Iterator<Item = &'a ServiceRow>,
    how: &str,
    palette: Palette,
) -> String {
    let (mut count, mut total, mut healthy) = (0, 0, 0);
    for row in rows {
        count += 1;
        total += row.total.unwrap_or(0);
        healthy += row.healthy.unwrap_or(0);
    }
    let services = plural(count, "service");
    let instances = match total {
        0 => "no instances".to_owned(),
        _ => format!(
            "{} of {} healthy",
            grouped(healthy),
            plural(total, "instance")
        ),
    };
    let line = format!("{services}, {instances} · {how}");
    format!("{}\n", palette.dim(safe(&line)))
}

/// A table of instances for each service. `width` is that of the screen.
pub fn instances(
    rows: &[InstancesRow],
    format: Format,
    width: Option<usize>,
    palette: Palette,
) -> String {
    let mut text = String::new();
    for row in rows {
        let service = &row.service;
        let name = format!(
            "{}/{}/{}",
            service.namespace, service.group, service.service
        );
        let name = palette.strong(safe(&name));
        let note = service.note.as_ref().map_or_else(String::new, |note| {
            format!("   {}", palette.changed(safe(note)))
        });
        text.push_str(&format!("{name}   {} healthy{note}\n", service.ratio()));
        if !row.instances.is_empty() {
            text.push_str(&instance_table(&row.instances, format, width, palette));
        }
        for unusable in &row.unusable {
            let sign = palette.changed("!");
            let (address, why) = (safe(&unusable.address), safe(&unusable.why));
            text.push_str(&format!("{sign} {address}   {why}\n"));
        }
        text.push('\n');
    }
    text
}

fn instance_table(
    rows: &[InstanceRow],
    format: Format,
    width: Option<usize>,
    palette: Palette,
) -> String {
    let mut table = Table::new()
        .column("ADDRESS")
        .count("WEIGHT")
        .column("HEALTH")
        .column("ENABLED")
        .column("EPHEMERAL")
        .column("CLUSTER")
        .column("METADATA");
    let room = (format != Format::Wide).then(|| metadata_room(rows, width));
    for row in rows {
        // Made safe before it is cut, for nothing is longer than it looks.
        let metadata = safe(&row.metadata_text()).into_owned();
        let metadata = room.map_or_else(|| metadata.clone(), |room| cut(&metadata, room));
        table.row([
            Cell::new(Tone::Strong, row.address.as_str()),
            Cell::from(row.weight.to_string()),
            said(row.healthy, "healthy", "unhealthy"),
            said(Some(row.enabled), "yes", "no"),
            match row.ephemeral {
                Some(ephemeral) => Cell::from(if ephemeral { "yes" } else { "no" }),
                None => Cell::new(Tone::Dim, "?"),
            },
            Cell::from(row.cluster.as_str()),
            Cell::new(Tone::Dim, metadata),
        ]);
    }
    table.render(palette)
}

fn said(value: Option<bool>, yes: &str, no: &str) -> Cell {
    match value {
        Some(true) => Cell::from(yes),
        Some(false) => Cell::new(Tone::Removed, no),
        None => Cell::new(Tone::Dim, "?"),
    }
}

/// What the other columns leave of the screen.
fn metadata_room(rows: &[InstanceRow], width: Option<usize>) -> usize {
    let Some(width) = width else {
        return METADATA_WIDTH;
    };
    let widest = |of: fn(&InstanceRow) -> usize, header: usize| {
        rows.iter().map(of).max().unwrap_or(0).max(header) + 2
    };
    let others = widest(|row| row.address.chars().count(), "ADDRESS".len())
        + widest(|row| row.weight.to_string().len(), "WEIGHT".len())
        + "unhealthy".len()
        + 2
        + "ENABLED".len()
        + 2
        + "EPHEMERAL".len()
        + 2
        + widest(|row| row.cluster.chars().count(), "CLUSTER".len());
    width.saturating_sub(others).max(LEAST_METADATA_WIDTH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use syncline_model::{Metadata, Port, ServiceSet, Truth, Weight};

    fn key(namespace: &str, group: &str, name: &str) -> ServiceKey {
        ServiceKey::new(namespace, group, name)
    }

    fn instance(last: u8) -> Instance {
        let host = format!("10.2.0.{last}");
        Instance::new(host.as_str(), Port::new(8080).expect("not zero"))
    }

    fn view(instances: Vec<Instance>) -> View {
        View::Complete(Truth::Raw, Arc::new(ServiceSet::new(instances)))
    }

    fn payment() -> View {
        let mut sick = instance(4);
        sick.healthy = Seen::Known(false);
        let mut heavy = instance(3);
        heavy.weight = Weight::new(2.5).expect("legal");
        heavy.metadata = Metadata::from_pairs([("zone", "b"), ("version", "2.4.1")]);
        view(vec![instance(1), instance(2), heavy, sick])
    }

    #[test]
    fn a_table_of_services() {
        let mut far = instance(9);
        far.key.cluster = "sh".into();
        let rows = [
            ServiceRow::of(
                &key("public", "DEFAULT_GROUP", "order-service"),
                &view((1..=12).map(instance).collect()),
                &[],
            ),
            ServiceRow::of(
                &key("public", "DEFAULT_GROUP", "payment-service"),
                &payment(),
                &[],
            ),
            ServiceRow::of(
                &key("prod-cn", "G_TRADE", "pay"),
                &view(vec![far, instance(1)]),
                &[],
            ),
            ServiceRow::of(
                &key("prod-cn", "G_TRADE", "lost"),
                &View::Failed("403".into()),
                &[],
            ),
        ];
        assert_eq!(
            services(&rows, Palette::PLAIN),
            "\
NAMESPACE  GROUP          SERVICE          HEALTHY  CLUSTERS
public     DEFAULT_GROUP  order-service      12/12  DEFAULT
public     DEFAULT_GROUP  payment-service      3/4  DEFAULT      1 unhealthy
prod-cn    G_TRADE        pay                  2/2  DEFAULT, sh
prod-cn    G_TRADE        lost                 ?/?               403
"
        );
        assert_eq!(
            summary(
                rows.iter(),
                "Nacos 2.5.1, raw view over v1 catalog, 31 ms",
                Palette::PLAIN
            ),
            "4 services, 17 of 18 instances healthy · Nacos 2.5.1, raw view over v1 catalog, 31 ms\n"
        );
    }

    #[test]
    fn instances_are_cut_to_the_screen_unless_wide() {
        let rows = [InstancesRow::of(
            &key("public", "G", "payment"),
            &payment(),
            &[],
        )];
        assert_eq!(
            instances(&rows, Format::Table, Some(80), Palette::PLAIN),
            "\
public/G/payment   3/4 healthy   1 unhealthy
ADDRESS        WEIGHT  HEALTH     ENABLED  EPHEMERAL  CLUSTER  METADATA
10.2.0.1:8080       1  healthy    yes      yes        DEFAULT
10.2.0.2:8080       1  healthy    yes      yes        DEFAULT
10.2.0.3:8080     2.5  healthy    yes      yes        DEFAULT  version=2.4.1, zone…
10.2.0.4:8080       1  unhealthy  yes      yes        DEFAULT

"
        );
        let wide = instances(&rows, Format::Wide, Some(80), Palette::PLAIN);
        assert!(wide.contains("version=2.4.1, zone=b\n"), "{wide}");
    }

    #[test]
    fn json_says_what_is_not_known() {
        let mut protected = instance(1);
        protected.healthy = Seen::Unknown;
        protected.ephemeral = Seen::Unknown;
        let row = InstancesRow::of(&key("public", "G", "s"), &view(vec![protected]), &[]);
        assert_eq!(
            serde_json::to_value(&row).expect("JSON"),
            serde_json::json!({
                "namespace": "public", "group": "G", "service": "s",
                "healthy": null, "total": 1, "clusters": ["DEFAULT"], "note": null,
                "instances": [{
                    "address": "10.2.0.1:8080", "weight": 1.0, "healthy": null,
                    "enabled": true, "ephemeral": null, "cluster": "DEFAULT",
                    "metadata": {},
                }],
                "unusable": [],
            })
        );
    }
}

//! What links would do.

use serde::Serialize;

use super::change::{ChangeRow, Kind, Layout};
use super::describe::way;
use super::number::{grouped, plural};
use super::palette::Palette;

/// What one link would do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PlanRow {
    /// The link.
    pub link: String,
    /// Where it reads.
    pub from: String,
    /// Where it writes.
    pub to: String,
    /// How many services were seen.
    pub services: usize,
    /// How many instances were seen.
    pub instances: usize,
    /// How far what was seen can be trusted: `complete, raw, 0.4 s ago`.
    pub view: String,
    /// What would be done, in the order of services.
    pub changes: Vec<ChangeRow>,
    /// How many instances are right already.
    pub right: usize,
}

impl PlanRow {
    /// Whether anything would be written.
    pub fn is_pending(&self) -> bool {
        self.changes.iter().any(|row| row.kind != Kind::Conflict)
    }
}

/// What all links would do, for people.
pub fn render(plans: &[PlanRow], palette: Palette) -> String {
    let width = plans.iter().map(|plan| plan.link.chars().count()).max();
    let width = width.unwrap_or(0);
    let mut text = String::new();
    for plan in plans {
        let link = palette.strong(format!("{:width$}", plan.link));
        let way = format!("{link}  {}", way(&plan.from, &plan.to));
        if plan.changes.is_empty() {
            text.push_str(&format!("{way}   nothing to do\n"));
            continue;
        }
        let services = plural(plan.services, "service");
        let instances = plural(plan.instances, "instance");
        let view = palette.dim(format!("({})", plan.view));
        text.push_str(&format!("{way}   {services}, {instances}   {view}\n"));
        let mut layout = Layout::of(&plan.changes);
        for row in &plan.changes {
            text.push_str(&format!("  {}\n", layout.line(row, palette)));
        }
        text.push_str(&format!("  {}\n", totals(plan)));
    }
    text
}

fn totals(plan: &PlanRow) -> String {
    let count = |kind| plan.changes.iter().filter(|row| row.kind == kind).count();
    let mut parts = Vec::new();
    for (kind, what) in [
        (Kind::Add, "to add"),
        (Kind::Update, "to change"),
        (Kind::Remove, "to remove"),
    ] {
        if count(kind) > 0 {
            parts.push(format!("{} {what}", grouped(count(kind))));
        }
    }
    if count(Kind::Conflict) > 0 {
        parts.push(plural(count(Kind::Conflict), "conflict"));
    }
    parts.push(format!("{} right", grouped(plan.right)));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: Kind, service: &str, address: &str, detail: &str) -> ChangeRow {
        ChangeRow {
            at: None,
            kind,
            service: format!("public/DEFAULT_GROUP/{service}"),
            address: address.to_owned(),
            detail: detail.to_owned(),
        }
    }

    #[test]
    fn plans_read_as_in_the_book() {
        let busy = PlanRow {
            link: "hz-to-sh".to_owned(),
            from: "hangzhou".to_owned(),
            to: "shanghai".to_owned(),
            services: 1_204,
            instances: 11_870,
            view: "complete, raw, 0.4 s ago".to_owned(),
            changes: vec![
                row(Kind::Add, "payment-service", "10.2.0.7:8080", ""),
                row(
                    Kind::Update,
                    "order-service",
                    "10.2.0.3:8080",
                    "weight 1 → 5",
                ),
                row(
                    Kind::Remove,
                    "legacy-api",
                    "10.1.9.4:8080",
                    "gone since 14:02:55",
                ),
                row(
                    Kind::Conflict,
                    "user-service",
                    "10.3.3.3:8080",
                    "left alone",
                ),
            ],
            right: 11_867,
        };
        let calm = PlanRow {
            link: "hz-scrape".to_owned(),
            to: "/etc/targets.json".to_owned(),
            changes: Vec::new(),
            ..busy.clone()
        };
        assert!(busy.is_pending());
        assert!(!calm.is_pending());
        assert_eq!(
            render(&[busy, calm], Palette::PLAIN),
            "\
hz-to-sh   hangzhou → shanghai   1,204 services, 11,870 instances   (complete, raw, 0.4 s ago)
  + public/DEFAULT_GROUP/payment-service   10.2.0.7:8080
  ~ public/DEFAULT_GROUP/order-service     10.2.0.3:8080   weight 1 → 5
  - public/DEFAULT_GROUP/legacy-api        10.1.9.4:8080   gone since 14:02:55
  ! public/DEFAULT_GROUP/user-service      10.3.3.3:8080   left alone
  1 to add, 1 to change, 1 to remove, 1 conflict, 11,867 right
hz-scrape  hangzhou → /etc/targets.json   nothing to do
"
        );
    }
}

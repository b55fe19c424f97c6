//! `syncline plan`: what would be done?

use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use syncline_admin::{ControlClient, ControlError, api};
use syncline_engine::Mode;
use tokio::time::Instant;

use super::route::Route;
use super::{Context, Exit};
use crate::daemon::{Daemon, Options};
use crate::output::change::{ChangeRow, Kind};
use crate::output::plan::{PlanRow, render};
use crate::output::progress::Progress;
use crate::output::safe;
use crate::output::time::spoken;

/// How often a plan in the making is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long both sides may take to be read.
const READ_WITHIN: Duration = Duration::from_secs(60);

/// Show what would be done, and do nothing
///
/// Where a daemon runs with this state folder, it is asked; else both sides are
/// read here. The plan is the daemon's, by the same code.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  syncline plan
  syncline plan hz-to-sh -o json
  syncline plan --from nacos://10.0.0.1 --to nacos://10.1.0.1 --namespace prod

Exit codes: 0 nothing to do, 1 failed, 2 wrong usage, 3 changes are pending,
4 the source was read in part, 5 the guard would hold losses back")]
pub struct PlanArgs {
    /// What is planned.
    #[command(flatten)]
    pub route: Route,
}

impl PlanArgs {
    /// Makes the plan and shows it.
    ///
    /// # Errors
    /// When a side could not be read.
    pub async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let ad_hoc = self.route.from.is_some();
        let (config, links) = self.route.config(context)?;
        let state = context.state(&config);
        let asked = match ad_hoc {
            true => None,
            false => ask_daemon(&ControlClient::of(&state)).await?,
        };
        let mut plan = match asked {
            Some(plan) => plan,
            None => {
                let options = Options {
                    mode: Mode::Dry,
                    links: links.clone(),
                    state: state.join("install.json").exists().then_some(state),
                    control: false,
                    command: "syncline plan".to_owned(),
                };
                make(&config, options).await?
            }
        };
        plan.links
            .retain(|link| links.is_empty() || links.iter().any(|name| name.as_str() == link.name));
        if context.screen.wants_data() {
            context.screen.data(&plan)?;
        } else {
            let plan = safe::answer(&plan)?;
            let rows: Vec<PlanRow> = plan.links.iter().map(row).collect();
            context
                .screen
                .print(&render(&rows, context.screen.palette))?;
        }
        Ok(exit(&plan))
    }
}

/// The daemon's plan, where one runs.
async fn ask_daemon(daemon: &ControlClient) -> anyhow::Result<Option<api::Plan>> {
    match daemon.plan().await {
        Ok(plan) => Ok(Some(plan)),
        Err(ControlError::NotRunning { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Reads both sides and plans, writing nothing.
async fn make(config: &crate::config::Config, options: Options) -> anyhow::Result<api::Plan> {
    let daemon = Daemon::start(config, options).await?;
    let engine = daemon.handle();
    let progress = Progress::begin("plan", "reading both sides");
    let deadline = Instant::now() + READ_WITHIN;
    let plan = loop {
        let previews = engine.preview().await.context("look at the links")?;
        let plan = syncline_admin::plan(previews);
        if plan.links.iter().all(|link| link.ready) || Instant::now() >= deadline {
            break plan;
        }
        if let Some(link) = plan.links.iter().find(|link| link.down.is_some()) {
            let why = link.down.clone().unwrap_or_default();
            drop(progress);
            daemon.stop().await;
            anyhow::bail!("cannot read {}: {why}", link.from);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    drop(progress);
    daemon.stop().await;
    if let Some(link) = plan.links.iter().find(|link| !link.ready) {
        anyhow::bail!(
            "{} and {} could not both be read within {}",
            link.from,
            link.to,
            spoken(READ_WITHIN)
        );
    }
    Ok(plan)
}

fn row(link: &api::LinkPlan) -> PlanRow {
    let changes = link
        .changes
        .iter()
        .map(|change| change_row(change, kind(&change.kind)));
    let shadowed = link
        .shadowed
        .iter()
        .map(|change| change_row(change, Kind::Conflict));
    let left_out = link.left_out.iter().map(|problem| ChangeRow {
        at: None,
        kind: Kind::Conflict,
        service: service(&problem.service),
        address: problem.instance.clone().unwrap_or_default(),
        detail: problem.what.clone(),
    });
    let held = link.held.iter().map(|change| {
        let mut row = change_row(change, Kind::Conflict);
        row.detail = format!("held: {}", row.detail);
        row
    });
    let whose = |hold: &api::Hold| match &hold.service {
        Some(of) => service(of),
        None => format!("all of {}", link.name),
    };
    let holds = link.holds.iter().map(|hold| ChangeRow {
        at: None,
        kind: Kind::Conflict,
        service: whose(hold),
        address: hold.id.clone(),
        detail: hold.reason.clone(),
    });
    let added = link.changes.iter().filter(|c| c.kind == "add").count();
    let changed = link
        .changes
        .iter()
        .filter(|c| c.kind != "add" && c.kind != "remove")
        .count();
    PlanRow {
        link: link.name.clone(),
        from: link.from.clone(),
        to: link.to.clone(),
        services: link.services,
        instances: link.instances,
        view: view(link),
        right: link.instances.saturating_sub(added + changed),
        changes: changes
            .chain(shadowed)
            .chain(left_out)
            .chain(held)
            .chain(holds)
            .collect(),
    }
}

fn view(link: &api::LinkPlan) -> String {
    let ago = link
        .complete_seconds_ago
        .map(|seconds| format!("{} ago", spoken(Duration::from_secs_f64(seconds))));
    let parts = match &link.view {
        Some(view) => [Some("complete".to_owned()), Some(view.clone()), ago],
        None => {
            let why = link.areas.iter().find_map(|area| area.why.clone());
            [Some("read in part".to_owned()), why, None]
        }
    };
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn change_row(change: &api::Change, kind: Kind) -> ChangeRow {
    ChangeRow {
        at: None,
        kind,
        service: service(&change.service),
        address: change.address.clone(),
        detail: change.detail.clone(),
    }
}

fn service(service: &api::ServiceName) -> String {
    format!(
        "{}/{}/{}",
        service.namespace, service.group, service.service
    )
}

fn kind(kind: &str) -> Kind {
    match kind {
        "add" => Kind::Add,
        "remove" => Kind::Remove,
        _ => Kind::Update,
    }
}

fn exit(plan: &api::Plan) -> Exit {
    let any = |is: fn(&api::LinkPlan) -> bool| plan.links.iter().any(is);
    if any(|link| !link.holds.is_empty()) {
        Exit::Held
    } else if any(|link| link.view.is_none()) {
        Exit::Partial
    } else if any(|link| !link.changes.is_empty()) {
        Exit::Pending
    } else {
        Exit::Ok
    }
}

//! Who registered what in an embedded registry of the running daemon.

use syncline_admin::{OriginsQuery, api};

use crate::cli::route::Selection;
use crate::cli::{Context, Exit, Usage};
use crate::output::number::plural;
use crate::output::palette::{Palette, Tone};
use crate::output::safe;
use crate::output::table::{Cell, Table};

/// Asks the daemon and shows what it says.
pub(super) async fn run(
    context: &Context,
    registry: &str,
    selection: &Selection,
) -> anyhow::Result<Exit> {
    let query = OriginsQuery {
        namespace: one("--namespace", &selection.namespace)?,
        group: one("--group", &selection.group)?,
        service: one("--service", &selection.service)?,
    };
    let origins = context.daemon()?.origins(registry, &query).await?;
    if context.screen.wants_data() {
        context.screen.data(&origins)?;
    } else {
        let origins = safe::answer(&origins)?;
        let text = text(&origins, context.screen.palette);
        context.screen.print(&text)?;
    }
    Ok(Exit::Ok)
}

fn one(argument: &str, patterns: &[String]) -> Result<Option<String>, Usage> {
    match patterns {
        [] => Ok(None),
        [pattern] => Ok(Some(pattern.clone())),
        _ => Err(Usage(format!(
            "with --origins, {argument} takes one pattern"
        ))),
    }
}

fn text(origins: &api::Origins, palette: Palette) -> String {
    let mut text = String::new();
    for service in &origins.services {
        let api::ServiceName {
            namespace,
            group,
            service: name,
        } = &service.service;
        let name = palette.strong(format!("{namespace}/{group}/{name}"));
        text.push_str(&format!("{name}\n{}\n", table(service, palette)));
    }
    let (mut natives, mut copies) = (0, 0);
    for instance in origins.services.iter().flat_map(|of| &of.instances) {
        match instance.link {
            None => natives += 1,
            Some(_) => copies += 1,
        }
    }
    let services = plural(origins.services.len(), "service");
    let mut summary = format!("{services}, {natives} native and {copies} by links");
    if origins.more > 0 {
        summary.push_str(&format!("; {} more match", plural(origins.more, "service")));
    }
    text.push_str(&format!("{}\n", palette.dim(summary)));
    text
}

fn table(service: &api::ServiceOrigins, palette: Palette) -> String {
    let mut table = Table::new()
        .column("  ADDRESS")
        .column("CLUSTER")
        .column("ORIGIN")
        .column("BY")
        .column("CLIENT");
    for instance in &service.instances {
        let tone = match instance.link {
            None => Tone::Strong,
            Some(_) => Tone::Plain,
        };
        let by = match &instance.link {
            None => instance.by.clone(),
            Some(link) => format!("link {link}"),
        };
        let client = match (&instance.link, &instance.agent) {
            (Some(_), _) => String::new(),
            (None, Some(agent)) => format!("{} ({agent})", instance.client),
            (None, None) => instance.client.clone(),
        };
        table.row([
            Cell::from(format!("  {}", instance.address)),
            Cell::from(instance.cluster.as_str()),
            Cell::new(tone, instance.origin.as_str()),
            Cell::from(by),
            Cell::from(client),
        ]);
    }
    table.render(palette)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn natives_and_copies_are_told_apart() {
        let origins: api::Origins = serde_json::from_str(
            r#"{"registry":"local","more":2,"services":[{"namespace":"public","group":"G","service":"s",
            "instances":[{"address":"10.0.0.1:80","cluster":"DEFAULT","by":"beat",
            "client":"10.0.0.1:80#true","origin":"local"},{"address":"10.0.0.2:80",
            "cluster":"hz","by":"link","client":"link:in","link":"in","origin":"hangzhou"}]}]}"#,
        )
        .expect("valid");
        assert_eq!(
            text(&origins, Palette::PLAIN),
            "\
public/G/s
  ADDRESS      CLUSTER  ORIGIN    BY       CLIENT
  10.0.0.1:80  DEFAULT  local     beat     10.0.0.1:80#true
  10.0.0.2:80  hz       hangzhou  link in

1 service, 1 native and 1 by links; 2 services more match
"
        );
    }
}

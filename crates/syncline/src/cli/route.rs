//! Arguments that say what is read and where it goes.

use clap::Args;
use syncline_model::{EndpointName, LinkName};

use super::{Context, Usage};
use crate::config::{Config, Link, Select, did_you_mean};

/// The part of an endpoint that a command is about. Patterns are globs, or
/// regular expressions after `re:`.
#[derive(Clone, PartialEq, Eq, Default, Debug, Args)]
#[command(next_help_heading = "Selection")]
pub struct Selection {
    /// Namespaces, by id or as name:SHOW-NAME [default: all]
    #[arg(short, long, value_name = "PATTERN")]
    pub namespace: Vec<String>,

    /// Groups [default: all]
    #[arg(short, long, value_name = "PATTERN")]
    pub group: Vec<String>,

    /// Services, by their name without the group [default: all]
    #[arg(short, long, value_name = "PATTERN")]
    pub service: Vec<String>,

    /// Services to leave out
    #[arg(short = 'x', long, value_name = "PATTERN")]
    pub exclude: Vec<String>,

    /// A condition on instances, such as 'metadata["zone"] == "a"'
    #[arg(short, long, value_name = "CONDITION")]
    pub r#where: Option<String>,
}

impl Selection {
    /// What is selected, where an endpoint's URL or link says something already:
    /// arguments stand in for it.
    pub fn over(self, select: Select) -> Select {
        let given = |arguments: Vec<String>, before: Vec<String>| {
            if arguments.is_empty() {
                before
            } else {
                arguments
            }
        };
        Select {
            namespaces: given(self.namespace, select.namespaces),
            groups: given(self.group, select.groups),
            services: given(self.service, select.services),
            exclude: given(self.exclude, select.exclude),
            r#where: self.r#where.or(select.r#where),
            services_file: select.services_file,
        }
    }
}

/// What is read and where it goes: links of the configuration, or two endpoints.
#[derive(Clone, PartialEq, Eq, Default, Debug, Args)]
#[command(next_help_heading = "Route")]
pub struct Route {
    /// Links of the configuration [default: all]
    #[arg(value_name = "LINK", conflicts_with_all = ["from", "to"])]
    pub links: Vec<String>,

    /// The endpoint to read, instead of the configuration's links
    #[arg(long, value_name = "ENDPOINT", requires = "to")]
    pub from: Option<String>,

    /// The endpoint to write
    #[arg(long, value_name = "ENDPOINT", requires = "from")]
    pub to: Option<String>,

    /// What of it
    #[command(flatten)]
    pub selection: Selection,
}

impl Route {
    /// The configuration that is meant, and which of its links: that of the
    /// file, or one made from two endpoints.
    ///
    /// # Errors
    /// When the configuration is wrong, or a name in the arguments is.
    pub fn config(self, context: &Context) -> anyhow::Result<(Config, Vec<LinkName>)> {
        let (Some(from), Some(to)) = (&self.from, &self.to) else {
            let config = context.config()?;
            let links = self
                .links
                .iter()
                .map(|name| known_link(&config, name))
                .collect::<Result<_, Usage>>()?;
            return Ok((config, links));
        };
        let (source, selected) = context.endpoint(from)?;
        let (target, _) = context.endpoint(to)?;
        let (source_name, target_name) =
            (EndpointName::from("source"), EndpointName::from("target"));
        // Named by where it leads, so that the ledger of one route is not
        // taken for that of another.
        let name = LinkName::from(format!("{} to {}", source.place(), target.place()));
        let mut link = Link::between(name, source_name.clone(), target_name.clone());
        link.select = self.selection.over(selected);
        let config = Config {
            endpoints: [(source_name, source), (target_name, target)].into(),
            links: vec![link],
            ..Config::default()
        };
        Ok((config, Vec::new()))
    }
}

fn known_link(config: &Config, name: &str) -> Result<LinkName, Usage> {
    let names = || config.links.iter().map(|link| link.name.as_str());
    match config.links.iter().find(|link| link.name.as_str() == name) {
        Some(link) => Ok(link.name.clone()),
        None => {
            let hint = did_you_mean(name, names()).unwrap_or_else(|| {
                format!("there are: {}", names().collect::<Vec<_>>().join(", "))
            });
            Err(Usage(format!("there is no link `{name}`; {hint}")))
        }
    }
}

//! `syncline serve`: the embedded registry alone.

use clap::Args;
use syncline_connector_embedded::EmbeddedConfig;
use syncline_connector_embedded::config::Listen;
use syncline_contract::Period;
use syncline_registry::{ConfigUpstream, Listeners, PresentedVersion, Registry, ServerTls};
use tokio_util::sync::CancellationToken;

use super::stop::stopped;
use super::{Context, Exit, Usage};
use crate::config::Endpoint;
use crate::daemon::{Daemon, config_upstream};

/// Serve a Nacos-compatible registry
///
/// HTTP on one port, gRPC on the port + 1000. What clients register lives as
/// long as they do. With a state folder, persistent instances and the settings
/// of services, clusters and instances are kept there, and are back at the next
/// start; without one they end with the command.
///
/// Where other machines reach the address, somebody has to say who may use it:
/// an embedded endpoint of the configuration names users, and --open lets
/// everybody in.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  syncline serve
  syncline serve --listen 0.0.0.0:8848 --open --push-delay 500ms
  syncline serve --config syncline.yaml local
  syncline serve --configs-from nacos://10.0.0.1:8848
  syncline serve --state /var/lib/syncline-registry")]
pub struct ServeArgs {
    /// An embedded endpoint of the configuration, or its URL: what is not said
    /// here is as it says
    #[arg(value_name = "ENDPOINT")]
    pub endpoint: Option<String>,

    /// The HTTP address [default: 127.0.0.1:8848]
    #[arg(long, value_name = "ADDRESS", value_parser = listen)]
    pub listen: Option<Listen>,

    /// Whoever reaches the address may do everything
    #[arg(long)]
    pub open: bool,

    /// Clients may look and subscribe, and change nothing
    #[arg(long)]
    pub read_only: bool,

    /// The Nacos version whose HTTP answers are given: 1.3.0 up to 3.1
    /// [default: 2.2.4]
    #[arg(long, value_name = "VERSION")]
    pub presents: Option<PresentedVersion>,

    /// How long changes of a service are collected before they are pushed;
    /// Nacos takes 500ms [default: 5ms]
    #[arg(long, value_name = "TIME")]
    pub push_delay: Option<Period>,

    /// The Nacos to which calls about configurations are passed on: a URL, or
    /// the name of an endpoint. They are refused where there is none
    #[arg(long, value_name = "ENDPOINT")]
    pub configs_from: Option<String>,
}

fn listen(text: &str) -> Result<Listen, String> {
    let listen = Listen::try_from(text.to_owned());
    listen.map_err(|error| error.to_string())
}

impl ServeArgs {
    /// What is served: the endpoint, with what was said here laid over it.
    fn config(&self, context: &Context) -> anyhow::Result<EmbeddedConfig> {
        let mut config = match &self.endpoint {
            Some(word) => match context.endpoint(word)?.0 {
                Endpoint::Embedded(config) => *config,
                other => {
                    let kind = other.kind();
                    return Err(Usage(format!("`{word}` is a {kind}, and served elsewhere")).into());
                }
            },
            None => EmbeddedConfig::default(),
        };
        config.listen = self.listen.unwrap_or(config.listen);
        config.presents = self.presents.unwrap_or(config.presents);
        config.push_delay = self.push_delay.unwrap_or(config.push_delay);
        config.read_only |= self.read_only;
        if let Some(upstream) = &self.configs_from {
            config.configs_from = Some(upstream.as_str().into());
        }
        if self.open {
            config.access.open = true;
        }
        match config.contradictions().into_iter().next() {
            Some(("listen", _)) => Err(Usage(format!(
                "{} is reached by other machines: add --open to let everybody in, or serve an \
                 endpoint of the configuration that names users under `access`",
                config.listen
            ))
            .into()),
            Some((key, why)) => Err(Usage(format!("`{key}` {why}")).into()),
            None => Ok(config),
        }
    }

    fn configs(
        config: &EmbeddedConfig,
        context: &Context,
    ) -> anyhow::Result<Option<ConfigUpstream>> {
        let Some(word) = &config.configs_from else {
            return Ok(None);
        };
        match context.endpoint(word)?.0 {
            Endpoint::Nacos(nacos) => Ok(Some(config_upstream(&nacos)?)),
            other => {
                let kind = other.kind();
                Err(Usage(format!(
                    "`{word}` is a {kind}; configurations are in a nacos"
                ))
                .into())
            }
        }
    }

    /// Serves until told to stop.
    ///
    /// # Errors
    /// When the state folder or a file of TLS cannot be used, or a port is
    /// taken.
    pub async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let config = self.config(context)?;
        let settings = config.settings();
        let configs = Self::configs(&config, context)?;
        let registry = match &context.global.state {
            Some(state) => Registry::open(settings, configs, &state.join(Daemon::REGISTRIES))?,
            None => Registry::with_configs(settings, configs),
        };
        let listeners = match config.listen.http().port() {
            0 => Listeners::bind_free().await?,
            _ => Listeners::bind(config.listen.http()).await?,
        };
        let listeners = match &config.tls {
            Some(tls) => listeners.secured(ServerTls::load(&tls.files())?),
            None => listeners,
        };
        let (http, grpc) = (listeners.http_addr(), listeners.grpc_addr());
        let palette = context.screen.palette;
        let scheme = if config.tls.is_some() {
            "nacos+https"
        } else {
            "nacos"
        };
        let hint = palette.dim(format!("look into it: syncline list {scheme}://{http}"));
        let name = palette.strong("Nacos-compatible registry");
        context
            .screen
            .line(&format!("{name}   HTTP {http}, gRPC {grpc}   {hint}"))?;
        let cancel = CancellationToken::new();
        let serving = syncline_registry::serve(listeners, registry, cancel.clone());
        let stop = async {
            let stopped = stopped().await;
            cancel.cancel();
            stopped
        };
        let (served, stopped) = tokio::join!(serving, stop);
        served?;
        stopped?;
        Ok(Exit::Ok)
    }
}

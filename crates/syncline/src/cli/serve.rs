//! `syncline serve`: the embedded registry alone.

use clap::Args;
use syncline_connector_embedded::config::Listen;
use syncline_contract::Period;
use syncline_registry::{
    ConfigUpstream, Listeners, PresentedVersion, PushSettings, Registry, Settings,
};
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
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  syncline serve
  syncline serve --listen 0.0.0.0:8848 --push-delay 500ms
  syncline serve --configs-from nacos://10.0.0.1:8848
  syncline serve --state /var/lib/syncline-registry")]
pub struct ServeArgs {
    /// The HTTP address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8848", value_parser = listen)]
    pub listen: Listen,

    /// The Nacos version whose HTTP answers are given: 2.2.0 up to 3.1
    #[arg(long, value_name = "VERSION", default_value_t)]
    pub presents: PresentedVersion,

    /// How long changes of a service are collected before they are pushed;
    /// Nacos takes 500ms
    #[arg(long, value_name = "TIME", default_value = "5ms")]
    pub push_delay: Period,

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
    fn configs(&self, context: &Context) -> anyhow::Result<Option<ConfigUpstream>> {
        let Some(word) = &self.configs_from else {
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
    /// When the state folder cannot be used, or a port is taken.
    pub async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let settings = Settings {
            version: self.presents,
            push: PushSettings {
                delay: self.push_delay.get(),
                ..PushSettings::default()
            },
            ..Settings::default()
        };
        let configs = self.configs(context)?;
        let registry = match &context.global.state {
            Some(state) => Registry::open(settings, configs, &state.join(Daemon::REGISTRIES))?,
            None => Registry::with_configs(settings, configs),
        };
        let listeners = match self.listen.http().port() {
            0 => Listeners::bind_free().await?,
            _ => Listeners::bind(self.listen.http()).await?,
        };
        let (http, grpc) = (listeners.http_addr(), listeners.grpc_addr());
        let palette = context.screen.palette;
        let hint = palette.dim(format!("look into it: syncline list nacos://{http}"));
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

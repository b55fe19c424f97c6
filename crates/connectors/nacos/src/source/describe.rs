//! What is found out by asking, for people.

use syncline_contract::{Failure, SourceReport};
use syncline_model::{NamespaceId, ServiceKey, Truth};
use syncline_nacos::http::Route;
use syncline_nacos::message::ability;
use syncline_nacos::version::{BulkApi, Generation, Negotiated};

use super::{Reader, advice, poll, watch};
use crate::config::{ListApi, Members, ReadingView};

impl Reader {
    /// Tries out what is permitted where it was read last, or in `public`.
    pub(super) async fn describe(&self) -> Result<SourceReport, Failure> {
        let server = self.cluster.negotiate().await?;
        if let Some(failure) = self.lacks_upgrade_ops(&server) {
            return Err(failure);
        }
        let sample = self.memory.lock().sample.clone();
        let namespace = sample.unwrap_or_else(NamespaceId::public);
        let config = self.cluster.config();
        let mut advice = Vec::new();
        // A look at a service that does not exist costs little and is refused
        // in the same way as any other.
        let look = self
            .look(
                &ServiceKey::new(namespace.clone(), "DEFAULT_GROUP", "syncline.check"),
                &Route::Any,
            )
            .await?;
        if look.truth == Truth::Consumer && config.view == ReadingView::Auto {
            let refusal = self.memory.lock().refusal(&namespace);
            advice.push(advice::consumer(
                &server,
                refusal.as_deref().unwrap_or("refused"),
            ));
        }
        let http = self.cluster.http().await?;
        if http.servers().distinct_members() < 2
            && config.members != Members::Vip
            && let Ok(members) = http.members(&Route::Any).await
            && members.value.len() > 1
        {
            advice.push(advice::members(members.value.len()));
        }
        Ok(SourceReport {
            product: product(&server),
            reading: reading(&server, look.truth, config.list_api),
            truth: look.truth,
            watching: watching(&server, self.tells_names(&server).await).to_owned(),
            advice,
        })
    }
}

impl Reader {
    /// Whether a server says that it tells names.
    async fn tells_names(&self, server: &Negotiated) -> bool {
        if !server.features.fuzzy_watch.worth_trying() {
            return false;
        }
        let connection = self.connection(&Route::Any).await;
        connection.is_ok_and(|(_, it)| it.is_able(ability::FUZZY_WATCH))
    }
}

/// Such as `Nacos 2.1.1` or `Nacos 2.0.0 or later (version hidden)`.
pub(crate) fn product(server: &Negotiated) -> String {
    match server.version {
        Some(version) => format!("Nacos {version}"),
        None => format!("Nacos {} (version hidden)", server.known),
    }
}

fn reading(server: &Negotiated, truth: Truth, list_api: ListApi) -> String {
    let api = match (truth, server.features.bulk) {
        (Truth::Raw, BulkApi::Catalog(_)) => "raw view over the v1 catalog",
        (Truth::Raw, BulkApi::Admin) => "raw view over the v3 admin API",
        (Truth::Consumer, _) if server.features.v1_client.worth_trying() => {
            "consumer's view over v1 lists"
        }
        (Truth::Consumer, _) => "consumer's view over gRPC",
    };
    match list_api {
        ListApi::Auto => api.to_owned(),
        ListApi::UpgradeOps => format!("{api}, names over upgrade-ops"),
    }
}

fn watching(server: &Negotiated, tells_names: bool) -> &'static str {
    match server.generation {
        Generation::V1 => poll::DESCRIPTION,
        Generation::V2 | Generation::V3 if tells_names => watch::TOLD_NAMES,
        Generation::V2 | Generation::V3 => watch::DESCRIPTION,
    }
}

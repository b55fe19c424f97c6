//! Asking for names, which finds what is new and what is gone.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use syncline_model::scope::Scope;
use syncline_model::{NamespaceId, ServiceKey};
use syncline_nacos::http::Fingerprint;
use syncline_nacos::version::{Generation, Negotiated};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use super::Reader;
use super::names::{Again, NoNames};
use super::pace::{Answer, Pace};
use super::reach::{Plot, Reach};

/// How often names are asked for.
const NAMES_EVERY: Duration = Duration::from_secs(2);

/// How often names are asked for that are told by a fuzzy watch.
const AUDIT_EVERY: Duration = Duration::from_secs(60);

/// How many rounds of names go by before the namespaces are looked up again.
const ROUNDS_PER_REACH: u32 = 15;

/// What the list of names found.
pub(super) enum Names {
    /// What is looked through for names.
    In(Arc<Reach>),
    /// The selected services of a namespace.
    Of(NamespaceId, BTreeSet<ServiceKey>),
    /// They cannot be listed at present.
    Down(Arc<str>),
    /// The servers are of another generation than before.
    OtherGeneration,
}

/// Asks for names again and again, and tells them when they are others. Those
/// of namespaces that a fuzzy watch tells are asked for more seldom.
pub(super) async fn find_names(
    reader: &Reader,
    generation: Generation,
    scopes: &[Scope],
    told: watch::Receiver<BTreeSet<NamespaceId>>,
    found: mpsc::Sender<Names>,
) {
    let mut pace = Pace::new(NAMES_EVERY, NAMES_EVERY);
    let mut reach = None;
    let mut known = Known::default();
    for round in 0_u32.. {
        let started = Instant::now();
        if round % ROUNDS_PER_REACH == 0 {
            reach = None;
        }
        let mut answer = Answer::Same;
        let mut news = Vec::new();
        match reader.cluster.negotiated().await {
            Ok(server) if server.generation != generation => news.push(Names::OtherGeneration),
            Ok(server) => {
                let reach = match &mut reach {
                    Some(reach) => reach,
                    none => {
                        let found = Arc::new(reader.reach(scopes, &server).await);
                        news.push(Names::In(Arc::clone(&found)));
                        none.insert(found)
                    }
                };
                for plot in &reach.plots {
                    if told.borrow().contains(&plot.namespace) && known.is_fresh(plot) {
                        continue;
                    }
                    match look_for_names(reader, &server, reach, plot, &mut known).await {
                        Ok(names) => news.extend(names),
                        Err(NoNames::Failed(failure)) => {
                            answer = Answer::None;
                            known = Known::default();
                            news.push(Names::Down(failure.chain().into()));
                        }
                        // The audit says what to grant; there is nothing to watch.
                        Err(NoNames::Refused(_)) => answer = Answer::None,
                    }
                }
            }
            Err(failure) => {
                answer = Answer::None;
                known = Known::default();
                news.push(Names::Down(failure.chain().into()));
            }
        }
        for news in news {
            if found.send(news).await.is_err() {
                return;
            }
        }
        sleep(pace.after(started.elapsed(), answer)).await;
    }
}

/// The names that were passed on last, by namespace.
#[derive(Default)]
struct Known(HashMap<NamespaceId, Told>);

impl Known {
    /// Whether the names of a plot were asked for not long ago.
    fn is_fresh(&self, plot: &Plot) -> bool {
        let told = self.0.get(&plot.namespace);
        told.is_some_and(|told| told.asked.elapsed() < AUDIT_EVERY)
    }
}

/// Which names of a namespace were told last.
struct Told {
    /// By the answer that had them, where it has a fingerprint.
    answer: Option<Fingerprint>,
    /// By the sum of their hashes.
    sum: u64,
    /// When they were asked for.
    asked: Instant,
}

/// The names of a plot, unless they are those that were told last. Ten thousand
/// names are compared by a sum of their hashes, without any work for each.
async fn look_for_names(
    reader: &Reader,
    server: &Negotiated,
    reach: &Reach,
    plot: &Plot,
    Known(known): &mut Known,
) -> Result<Option<Names>, NoNames> {
    let before = known.get_mut(&plot.namespace);
    let fingerprint = before.as_ref().and_then(|told| told.answer);
    let asked = Instant::now();
    let Again::Others(answer, all) = reader.names_again(server, plot, fingerprint).await? else {
        if let Some(told) = before {
            told.asked = asked;
        }
        return Ok(None);
    };
    let hash = |service: &ServiceKey| {
        let mut hasher = DefaultHasher::new();
        (&service.group, &service.name).hash(&mut hasher);
        hasher.finish()
    };
    let sum = all
        .iter()
        .map(hash)
        .fold(all.len() as u64, u64::wrapping_add);
    let told = Told { answer, sum, asked };
    let before = known.insert(plot.namespace.clone(), told);
    if before.is_some_and(|before| before.sum == sum) {
        return Ok(None);
    }
    let selected = all.into_iter().filter(|service| reach.selects(service));
    Ok(Some(Names::Of(plot.namespace.clone(), selected.collect())))
}

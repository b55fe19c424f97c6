//! What can be set about a registry.

use std::time::Duration;

use crate::access::AccessSettings;
use crate::checks::CheckSettings;
use crate::presented::PresentedVersion;
use crate::udp::UdpSettings;

/// How a registry behaves. The defaults suit a replica or a test.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// The Nacos version that is presented.
    pub version: PresentedVersion,
    /// What stands before every HTTP path, without a slash at its end;
    /// `/nacos` unless a client was told otherwise.
    pub context_path: String,
    /// When subscribers hear of changes.
    pub push: PushSettings,
    /// How long registrations live without a sign of life.
    pub life: LifeSettings,
    /// What a client may cost.
    pub limits: Limits,
    /// Pushes to clients of 1.x.
    pub udp: UdpSettings,
    /// How persistent instances are looked at.
    pub checks: CheckSettings,
    /// Who may do what.
    pub access: AccessSettings,
}

/// When subscribers hear of changes.
#[derive(Clone, PartialEq, Debug)]
pub struct PushSettings {
    /// From a change to its push while a service is calm. Changes within it
    /// travel together. Nacos waits 500 ms.
    pub delay: Duration,
    /// The longest pause between two pushes of one service, however expensive
    /// they are.
    pub longest_pause: Duration,
    /// How many instances (those of the service, times its subscribers) one
    /// service may push in a second; beyond it its pushes grow further apart.
    pub instances_per_second: u32,
    /// How long after an unacknowledged push it is sent again. Nacos waits 5 s
    /// for the acknowledgement and 1 s more.
    pub retry_after: Duration,
}

/// How long registrations live without a sign of life.
#[derive(Clone, PartialEq, Debug)]
pub struct LifeSettings {
    /// After the last beat, unless metadata says otherwise
    /// (`preserved.heart.beat.timeout`).
    pub unhealthy_after: Duration,
    /// After the last beat, unless metadata says otherwise
    /// (`preserved.ip.delete.timeout`).
    pub removed_after: Duration,
    /// No instance outlives its last beat by more, whatever its metadata says
    /// (2.x: `nacos.naming.client.expired.time`).
    pub longest_silence: Duration,
    /// How long clients may take to come back after a start, where there may
    /// have been some before: so long nobody can tell what is gone.
    pub return_within: Duration,
    /// How long a service without instances, or an override without its
    /// instance, is remembered.
    pub empty_kept: Duration,
    /// A gRPC connection that was silent for so long is asked whether it is
    /// still there.
    pub idle_after: Duration,
    /// A gRPC connection that does not answer that question for so long is
    /// closed.
    pub answer_within: Duration,
    /// A transport that never becomes a connection, and one whose client stops
    /// reading, are closed after so long.
    pub stuck_after: Duration,
}

/// What a client may cost.
#[derive(Clone, PartialEq, Debug)]
pub struct Limits {
    /// Bytes of an HTTP request's body.
    pub http_body_bytes: usize,
    /// Bytes of a gRPC message; Nacos and its clients accept 10 MiB.
    pub grpc_message_bytes: usize,
    /// Open transports at each port; more are closed at once.
    pub transports: usize,
    /// Bytes of prepared answers that are kept for the next who asks.
    pub answer_cache_bytes: usize,
    /// How much clients may bring.
    pub quotas: Quotas,
    /// How much fuzzy watches may tell.
    pub watches: WatchLimits,
}

/// How much fuzzy watches may tell (3.0 and later), for all clients together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WatchLimits {
    /// Patterns that are watched at a time, each counted once
    /// (`nacos.naming.fuzzy.watch.max.pattern.count`).
    pub patterns: usize,
    /// Services that a pattern tells of; others are not told
    /// (`nacos.naming.fuzzy.watch.max.pattern.match.service.count`).
    pub matches: usize,
}

/// How much clients may bring. Nothing is limited where nothing is said, and
/// what links publish is not counted.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Quotas {
    /// Services in one namespace, from the first registration until they are
    /// forgotten.
    pub services_per_namespace: Option<usize>,
    /// Instances in one namespace, each publisher's counted.
    pub instances_per_namespace: Option<usize>,
    /// Instances of one service, each publisher's counted.
    pub instances_per_service: Option<usize>,
    /// Instances of one connection, or of one address over HTTP, in all
    /// services.
    pub instances_per_client: Option<usize>,
    /// Services that one connection listens to. Those who listen over UDP have
    /// a [limit](UdpSettings::subscriptions) together.
    pub subscriptions_per_client: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: PresentedVersion::default(),
            context_path: "/nacos".into(),
            push: PushSettings::default(),
            life: LifeSettings::default(),
            limits: Limits::default(),
            udp: UdpSettings::default(),
            checks: CheckSettings::default(),
            access: AccessSettings::default(),
        }
    }
}

impl Default for PushSettings {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(5),
            longest_pause: Duration::from_millis(500),
            instances_per_second: 200_000,
            retry_after: Duration::from_secs(6),
        }
    }
}

impl PushSettings {
    /// The pause to keep after a push of so many instances to so many.
    pub(crate) fn pause(&self, instances: usize, subscribers: usize) -> Duration {
        let sent = instances.saturating_mul(subscribers) as f64;
        let pause = sent / f64::from(self.instances_per_second.max(1));
        Duration::try_from_secs_f64(pause).map_or(self.longest_pause, |pause| {
            pause.max(self.delay).min(self.longest_pause)
        })
    }
}

impl Default for LifeSettings {
    fn default() -> Self {
        Self {
            unhealthy_after: Duration::from_secs(15),
            removed_after: Duration::from_secs(30),
            longest_silence: Duration::from_secs(180),
            return_within: Duration::from_secs(30),
            empty_kept: Duration::from_secs(60),
            idle_after: Duration::from_secs(20),
            answer_within: Duration::from_secs(5),
            stuck_after: Duration::from_secs(300),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            http_body_bytes: 2 * 1024 * 1024,
            grpc_message_bytes: 10 * 1024 * 1024,
            transports: 20_000,
            answer_cache_bytes: 16 * 1024 * 1024,
            quotas: Quotas::default(),
            watches: WatchLimits::default(),
        }
    }
}

/// As many as Nacos 3.0 allows.
impl Default for WatchLimits {
    fn default() -> Self {
        Self {
            patterns: 20,
            matches: 500,
        }
    }
}

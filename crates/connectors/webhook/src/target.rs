//! The webhook as a target of one link.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use parking_lot::Mutex;
use reqwest::header::{CONTENT_TYPE, USER_AGENT};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use syncline_contract::{
    Class, Ending, Failure, Hold, Target, TargetReport, Unavailable, Whose, Write,
};
use syncline_model::{Identity, LinkName, ServiceKey};
use syncline_nacos::http::{SetupError, retry_after};

use crate::answer::taken;
use crate::config::WebhookConfig;
use crate::event::Event;
use crate::guarded::Guarded;
use crate::memory::Memory;
use crate::signature::{ID, SIGNATURE, TIMESTAMP, signature};

/// How long a connection may take to stand.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// How much of an answer is read, so that its connection can be used again.
const MOST_ANSWER: usize = 16 * 1024;

/// A URL to which one link posts.
#[derive(Debug)]
pub struct WebhookTarget {
    config: WebhookConfig,
    link: LinkName,
    /// Why there is none is told with each post.
    client: Result<Client, Arc<SetupError>>,
    memory: Mutex<Memory>,
}

impl WebhookTarget {
    /// A target as configured. Nothing is connected before there is something to
    /// post.
    pub fn new(config: &WebhookConfig, link: &LinkName) -> Self {
        Self {
            config: config.clone(),
            link: link.clone(),
            client: client(config).map_err(Arc::new),
            memory: Mutex::new(Memory::new()),
        }
    }

    fn failed(&self, class: Class, service: &ServiceKey) -> Failure {
        let doing = format!("post {service} to {}", self.config.url);
        Failure::new(class, doing)
    }

    async fn post(
        &self,
        service: &ServiceKey,
        id: &str,
        body: Vec<u8>,
    ) -> Result<Response, Failure> {
        let client = self.client.as_ref().map_err(|error| {
            let failure = self.failed(Class::Fatal, service);
            failure
                .blaming(Whose::Configuration)
                .because(Arc::clone(error))
        })?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let timestamp = since.unwrap_or_default().as_secs();
        let signature = signature(&self.config.secret, timestamp, &body);
        let post = client
            .post(self.config.url.0.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("syncline/", env!("CARGO_PKG_VERSION")))
            .header(ID, id)
            .header(TIMESTAMP, timestamp)
            .header(SIGNATURE, signature)
            .body(body);
        // The URL may hold a secret of the receiver's.
        let posted = post.send().await;
        posted.map_err(|error| {
            self.failed(Class::Transient, service)
                .because(error.without_url())
        })
    }
}

fn client(config: &WebhookConfig) -> Result<Client, SetupError> {
    let tls = match config.url.0.scheme() {
        "https" => config.tls().client_config()?,
        // Nobody is trusted where nothing is encrypted.
        _ => ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(SetupError::Tls)?
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth(),
    };
    Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Arc::new(Guarded::of(&config.url.0)))
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_WITHIN)
        .timeout(config.timeout.get())
        .build()
        .map_err(SetupError::Client)
}

#[async_trait]
impl Target for WebhookTarget {
    async fn describe(&self) -> Result<TargetReport, Failure> {
        Ok(TargetReport {
            product: format!("webhook at {}", self.config.url),
            identity: Identity::AddressAndCluster,
            // What was taken is the receiver's, and outlives us.
            hold: Hold::Persistent,
            unavailable: Unavailable::WeightAndHealth,
            advice: Vec::new(),
        })
    }

    async fn apply(&self, write: Write) -> Result<(), Failure> {
        let service = &write.service;
        let post = self.memory.lock().post(&write);
        let body = serde_json::to_vec(&Event::new(&post, &self.link, &write))
            .map_err(|error| self.failed(Class::Fatal, service).because(error))?;
        let response = self.post(service, &post.id, body).await?;
        let (status, wait) = (response.status(), retry_after(response.headers()));
        read_away(response).await;
        taken(
            &format!("post {service} to {}", self.config.url),
            status,
            wait,
        )?;
        self.memory.lock().taken(&write);
        Ok(())
    }

    async fn close(&self, _: Ending) {}
}

/// Reads what nobody wants to know, unless there is much of it.
async fn read_away(mut response: Response) {
    let mut read = 0;
    while let Ok(Some(part)) = response.chunk().await {
        read += part.len();
        if read > MOST_ANSWER {
            return;
        }
    }
}

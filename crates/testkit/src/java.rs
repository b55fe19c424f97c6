//! A genuine Java client, for tests that need no other.

use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};

use crate::client::{GenuineClient, Kind};

pub use crate::client::{Event, Instances, SeenInstance as JavaInstance};

/// A [`GenuineClient`] in Java.
#[derive(Debug)]
pub struct JavaClient(GenuineClient);

impl JavaClient {
    /// Starts a client of version 2.3.2 for a namespace.
    ///
    /// # Errors
    ///
    /// When the testbed cannot build it, or it does not come up.
    pub async fn connect(server: SocketAddr, namespace: &str) -> anyhow::Result<Self> {
        Self::connect_with("2.3.2", server, namespace).await
    }

    /// Starts a client of a given version (`1.4.6` speaks the protocol of 1.x: HTTP, beats and UDP).
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn connect_with(
        version: &'static str,
        server: SocketAddr,
        namespace: &str,
    ) -> anyhow::Result<Self> {
        Self::connect_saying(version, server, namespace, &[]).await
    }

    /// Starts a client with further properties, such as `username` and `password`. Backslashes in values mean escapes.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn connect_saying(
        version: &'static str,
        server: SocketAddr,
        namespace: &str,
        properties: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let properties = properties
            .iter()
            .map(|(key, value)| format!("{key}={value}\n"));
        let properties: String = properties.collect();
        let environment = [("CLIENT_PROPERTIES", &*properties)];
        let kind = Kind::Java(version);
        let client = GenuineClient::start_in(kind, server, namespace, &environment).await?;
        Ok(Self(client))
    }
}

impl Deref for JavaClient {
    type Target = GenuineClient;

    fn deref(&self) -> &GenuineClient {
        &self.0
    }
}

impl DerefMut for JavaClient {
    fn deref_mut(&mut self) -> &mut GenuineClient {
        &mut self.0
    }
}

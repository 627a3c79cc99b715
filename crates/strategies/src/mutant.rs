//! Broken on purpose: what the harness must notice. Reached only through a hidden option of `serve`.

use revbench_model::{Claims, Now, Permission, Reason};
use revbench_store::Client;

use crate::strategy::{Decision, Held, Strategy};
use crate::truth::CHANGE_COUNT_KEY;

/// Denies everyone once anything has changed for anyone: perfect on the changed subjects, wrong on the others.
#[derive(Clone)]
pub struct DenyAllAfterChange<S> {
    inner: S,
    client: Client,
}

impl<S> DenyAllAfterChange<S> {
    /// Around a strategy.
    pub fn new(inner: S, client: Client) -> Self {
        DenyAllAfterChange { inner, client }
    }

    async fn unchanged(&self) -> Result<(), Decision> {
        match self.client.get(CHANGE_COUNT_KEY).await {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(Decision::Deny(Reason::MissingPermission)),
            Err(_) => Err(Decision::Unavailable),
        }
    }
}

impl<S: Strategy> Strategy for DenyAllAfterChange<S> {
    async fn held(&self, claims: &Claims, now: Now) -> Result<Held, Decision> {
        self.unchanged().await?;
        self.inner.held(claims, now).await
    }

    async fn decide(&self, claims: &Claims, wanted: &Permission, now: Now) -> Decision {
        match self.unchanged().await {
            Ok(()) => self.inner.decide(claims, wanted, now).await,
            Err(decision) => decision,
        }
    }

    async fn held_by(&self, token: &str, claims: &Claims, now: Now) -> Result<Held, Decision> {
        self.unchanged().await?;
        self.inner.held_by(token, claims, now).await
    }

    async fn decide_by(&self, token: &str, claims: &Claims, wanted: &Permission, now: Now) -> Decision {
        match self.unchanged().await {
            Ok(()) => self.inner.decide_by(token, claims, wanted, now).await,
            Err(decision) => decision,
        }
    }

    async fn background(&self) {
        self.inner.background().await;
    }
}

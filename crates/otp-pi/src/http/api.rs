//! One HTTP request to one command, one reply to one HTTP response.
//!
//! For `http::listener`. The order: path (404) → health without login → login (401) → method (405) → body (413, 408) →
//! whether the login still holds (401) → `wire::parse` → gateway → `wire::render`; the paths of the small dialects go by `simple`. It must never look at the content type: the documented clients send
//! JSON under several.

use std::future::Future;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use domain::command::Scope;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{AUTHORIZATION, EXPECT, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::auth::{Auth, AuthFailure, Claim, Identity};
use super::error::{self, Fault};
use super::settings::Settings;
use crate::gateway::Gateway;
use crate::wire;

/// What of an oversized body is read and thrown away, so that the client gets to see its answer.
const DISCARDED: usize = 1024 * 1024;

/// What `/readyz` answers.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Readiness {
    /// Settings are loaded and the store can be written.
    pub ready: bool,
    /// What is missing without making the gateway unready, for example a modem, in words.
    pub degraded: Vec<String>,
}

/// What all connections of the API listeners share.
pub struct ApiState {
    pub(super) gateway: Gateway,
    pub(super) auth: Auth,
    rules: RwLock<Arc<Rules>>,
    readiness: Box<dyn Fn() -> Readiness + Send + Sync>,
    metrics: Box<dyn Fn() -> String + Send + Sync>,
}

/// The settings, and what is made of them once.
struct Rules {
    settings: Settings,
    challenge: HeaderValue,
}

impl Rules {
    fn new(settings: Settings) -> Self {
        let realm = settings.realm.replace(['"', '\\'], "");
        let challenge = HeaderValue::from_str(&format!("Basic realm=\"{realm}\", charset=\"UTF-8\""))
            .unwrap_or(HeaderValue::from_static("Basic realm=\"OTP-Pi\", charset=\"UTF-8\""));
        Self { settings, challenge }
    }
}

impl ApiState {
    /// Joins the parts.
    pub fn new(
        gateway: Gateway,
        auth: Auth,
        settings: Settings,
        readiness: impl Fn() -> Readiness + Send + Sync + 'static,
        metrics: impl Fn() -> String + Send + Sync + 'static,
    ) -> Self {
        let rules = RwLock::new(Arc::new(Rules::new(settings)));
        Self { gateway, auth, rules, readiness: Box::new(readiness), metrics: Box::new(metrics) }
    }

    /// Answers by other settings from the next request on. Listen addresses and the cap of connections are not looked at here.
    pub fn set_settings(&self, settings: Settings) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Rules::new(settings));
    }

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The logins, to be told when an API user changes.
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// How a new connection is treated.
    pub(super) fn with_settings<T>(&self, read: impl FnOnce(&Settings) -> T) -> T {
        read(&self.rules().settings)
    }

    /// Answers one request.
    pub(super) async fn answer(self: Arc<Self>, request: Request<Incoming>, peer: IpAddr) -> Response<Full<Bytes>> {
        let rules = self.rules();
        match self.try_answer(request, peer, &rules.settings).await {
            Ok(response) => response,
            Err(fault) => fault.response(&rules.challenge),
        }
    }

    /// Answers a request that is not looked at.
    pub(super) fn refuse(&self, fault: Fault) -> Response<Full<Bytes>> {
        fault.response(&self.rules().challenge)
    }

    async fn try_answer(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
        settings: &Settings,
    ) -> Result<Response<Full<Bytes>>, Fault> {
        let (head, body) = request.into_parts();
        match head.uri.path() {
            "/healthz" => self.health(&head.method, false),
            "/readyz" => self.health(&head.method, true),
            "/metrics" => self.numbers(&head, peer).await,
            path if settings.paths.contain(path) => self.answer_envelope(&head, body, peer, settings).await,
            _ => self.answer_simple(&head, body, peer, settings).await,
        }
    }

    async fn answer_envelope(
        &self,
        head: &Parts,
        body: Incoming,
        peer: IpAddr,
        settings: &Settings,
    ) -> Result<Response<Full<Bytes>>, Fault> {
        let claim = login(head);
        let (identity, body) = self.receive(head, body, settings, self.auth.identify(claim, peer)).await?;
        let (caller, pass) = self.auth.admit(identity, claim, peer).await?;
        let render = &settings.render;
        Ok(error::outcome(match wire::parse(&body) {
            Ok(parsed) => {
                let reply = self.gateway.handle(parsed.command, caller, pass).await;
                wire::render(&parsed.envelope, &reply, render)
            }
            Err(failure) => wire::render_failure(&failure, render),
        }))
    }

    /// Takes a command in: whose it is, then the method, then the body.
    pub(super) async fn receive(
        &self,
        head: &Parts,
        mut body: Incoming,
        settings: &Settings,
        identity: impl Future<Output = Result<Identity, AuthFailure>>,
    ) -> Result<(Identity, Bytes), Fault> {
        let deadline = Instant::now() + settings.body_timeout;
        // A client that waits for leave to send its body is answered at once; others get to see the answer only after that.
        let waits = head.headers.contains_key(EXPECT);
        let identity = match identity.await {
            Ok(_) if head.method != Method::POST && head.method != Method::PUT => Err(Fault::NotACommand),
            other => other.map_err(Fault::from),
        };
        let identity = match identity {
            Ok(identity) => identity,
            Err(fault) => {
                if !waits {
                    discard(&mut body, settings.body_limit, deadline).await;
                }
                return Err(fault);
            }
        };
        Ok((identity, read(body, settings.body_limit, deadline, waits).await?))
    }

    /// The metrics, for who asks from this machine or may by a login.
    async fn numbers(&self, head: &Parts, peer: IpAddr) -> Result<Response<Full<Bytes>>, Fault> {
        if head.method != Method::GET && head.method != Method::HEAD {
            return Err(Fault::NotAQuestion);
        }
        if !peer.to_canonical().is_loopback() {
            let claim = login(head);
            let identity = self.auth.identify(claim, peer).await?;
            // The pass need not outlive this: nothing is done in the user's name.
            let (caller, _pass) = self.auth.admit(identity, claim, peer).await?;
            if !caller.scopes.contains(Scope::Metrics) {
                return Err(Fault::NotForThisLogin);
            }
        }
        Ok(error::metrics((self.metrics)()))
    }

    fn health(&self, method: &Method, is_readiness: bool) -> Result<Response<Full<Bytes>>, Fault> {
        if method != Method::GET && method != Method::HEAD {
            return Err(Fault::NotAQuestion);
        }
        if !is_readiness {
            return Ok(error::state(true, b"{\"status\":\"ok\"}".to_vec()));
        }
        let readiness = (self.readiness)();
        let body = serde_json::to_vec(&readiness).unwrap_or_default();
        Ok(error::state(readiness.ready, body))
    }
}

/// Returns the login that a request brings.
pub(super) fn login(head: &Parts) -> Claim<'_> {
    Claim::Login(head.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes))
}

/// Reads a whole body of at most `limit` bytes.
async fn read(mut body: Incoming, limit: usize, deadline: Instant, waits: bool) -> Result<Bytes, Fault> {
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if declared > limit {
        if !waits {
            discard(&mut body, DISCARDED, deadline).await;
        }
        return Err(Fault::BodyTooLarge);
    }
    let mut whole = Vec::new();
    loop {
        let frame = timeout_at(deadline, body.frame()).await.map_err(|_| Fault::BodyTimedOut)?;
        let Some(frame) = frame else { return Ok(whole.into()) };
        // Trailers are of no interest.
        let Ok(data) = frame.map_err(|_| Fault::BodyBroken)?.into_data() else { continue };
        if whole.is_empty() && body.is_end_stream() {
            return if data.len() > limit { Err(Fault::BodyTooLarge) } else { Ok(data) };
        }
        if whole.len() + data.len() > limit {
            discard(&mut body, DISCARDED, deadline).await;
            return Err(Fault::BodyTooLarge);
        }
        whole.extend_from_slice(&data);
    }
}

/// Throws at most about `limit` bytes of a body away.
async fn discard(body: &mut Incoming, limit: usize, deadline: Instant) {
    let mut discarded = 0;
    while discarded <= limit {
        match timeout_at(deadline, body.frame()).await {
            Ok(Some(Ok(frame))) => discarded += frame.data_ref().map_or(0, Bytes::len),
            Ok(Some(Err(_)) | None) | Err(_) => return,
        }
    }
}

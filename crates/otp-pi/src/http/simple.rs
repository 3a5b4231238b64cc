//! The two small dialects: one request to one answer.
//!
//! For `http::api`. Everything up to the body is as on the other paths, but that callers from the open networks need no
//! login. It must never let somebody in for whom another one speaks, as far as it can tell: what a proxy says that it passes on, or a
//! page in a browser asks for, needs a login. A proxy that adds no header cannot be told from its machine; `doctor` warns of that.

use std::net::IpAddr;

use domain::command::{Caller, Entrance};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, FORWARDED, HeaderName, HeaderValue, ORIGIN, VIA};
use hyper::http::request::Parts;
use hyper::{Method, Response};
use tracing::debug;

use super::api::{ApiState, login};
use super::auth::Claim;
use super::error::{self, Fault};
use super::settings::{Settings, SimpleSettings};
use crate::wire::{self, SimplePath};

/// Say, as `Forwarded` and `Via` do, that somebody else is asking.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

impl ApiState {
    /// Answers a request to a path that takes no envelope.
    pub(super) async fn answer_simple(
        &self,
        head: &Parts,
        body: Incoming,
        peer: IpAddr,
        settings: &Settings,
    ) -> Result<Response<Full<Bytes>>, Fault> {
        let simple = settings.simple.as_ref().ok_or(Fault::NotFound)?;
        if head.uri.path() == "/health" {
            return self.answer_health(&head.method);
        }
        let path = SimplePath::find(head.uri.path()).ok_or(Fault::NotFound)?;
        let claim = claim(simple, head, peer);
        let (identity, body) = self.receive(head, body, settings, self.auth.identify(claim, peer)).await?;
        let (caller, pass) = self.auth.admit(identity, claim, peer).await?;
        let caller = Caller { entrance: Entrance::Simple, ..caller };
        let content_type = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        Ok(error::simple(match wire::parse_simple(path, content_type, &body) {
            Ok(request) => {
                let reply = self.gateway.handle(request.command, caller, pass).await;
                if let Some(error) = &reply.error {
                    // These callers get few words; their owner may want more.
                    debug!(reply.outcome = ?reply.outcome, "{path:?} refused: {error}");
                }
                wire::render_simple(request.question, &reply, settings.render.uniform_failures)
            }
            Err(failure) => failure.answer(),
        }))
    }

    /// Without a login, as all questions about health.
    fn answer_health(&self, method: &Method) -> Result<Response<Full<Bytes>>, Fault> {
        if method != Method::GET && method != Method::HEAD {
            return Err(Fault::NotAQuestion);
        }
        let can_send = self.gateway.can_send();
        let words: &[u8] =
            if can_send { b"{\"status\":\"SIM800L OK\"}" } else { b"{\"status\":\"no modem can send\"}" };
        Ok(error::state(can_send, words.to_vec()))
    }
}

/// Who calls from an open network, and speaks for itself, needs no login. The user in whose name it acts may have networks of its own:
/// then the caller must be in both.
fn claim<'a>(simple: &'a SimpleSettings, head: &'a Parts, peer: IpAddr) -> Claim<'a> {
    let speaks_for_itself = [AUTHORIZATION, ORIGIN, FORWARDED, VIA, FORWARDED_FOR, REAL_IP]
        .iter()
        .all(|name| !head.headers.contains_key(name));
    if speaks_for_itself && simple.open.iter().any(|network| network.contains(peer)) {
        return Claim::Open(&simple.open_user);
    }
    login(head)
}

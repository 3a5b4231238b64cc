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

use super::api::ApiState;
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
        let (caller, body) = self.receive(head, body, settings, self.simple_caller(simple, head, peer)).await?;
        let content_type = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        Ok(error::simple(match wire::parse_simple(path, content_type, &body) {
            Ok(request) => {
                let reply = self.gateway.handle(request.command, caller).await;
                if let Some(error) = &reply.error {
                    // These callers get few words; their owner may want more.
                    debug!(reply.outcome = ?reply.outcome, "{path:?} refused: {error}");
                }
                wire::render_simple(request.question, &reply, settings.render.uniform_failures)
            }
            Err(failure) => failure.answer(),
        }))
    }

    async fn simple_caller(&self, simple: &SimpleSettings, head: &Parts, peer: IpAddr) -> Result<Caller, Fault> {
        let speaks_for_itself = [AUTHORIZATION, ORIGIN, FORWARDED, VIA, FORWARDED_FOR, REAL_IP]
            .iter()
            .all(|name| !head.headers.contains_key(name));
        let caller = if speaks_for_itself && simple.open.iter().any(|network| network.contains(peer)) {
            self.auth.named(&simple.open_user).await.map_err(Fault::from)?
        } else {
            self.login(head, peer).await?
        };
        Ok(Caller { entrance: Entrance::Simple, peer: Some(peer), ..caller })
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

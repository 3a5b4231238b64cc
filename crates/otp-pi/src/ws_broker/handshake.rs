//! From an HTTP request to the topic of a WebSocket connection.
//!
//! For [`super::server`]. It must never tell a stranger more than that a login is needed: the login comes first, then path and topic.

use std::net::IpAddr;

use axum::extract::Query;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    AUTHORIZATION, CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::{Method, Request, Response, Uri};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::http::auth::{Auth, Claim};
use crate::http::{Fault, websocket};

/// The longest name of a topic, in bytes.
const LONGEST_TOPIC: usize = 255;

/// A handshake that is agreed to.
#[derive(Debug)]
pub(super) struct Agreed {
    pub(super) user: String,
    pub(super) topic: String,
    pub(super) answer: Response<Full<Bytes>>,
}

/// Judges a request.
pub(super) async fn agree<B>(
    request: &Request<B>,
    auth: &Auth,
    path: Option<&str>,
    peer: IpAddr,
) -> Result<Agreed, Fault> {
    let login = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let identity = auth.identify(Claim::Login(login), peer).await?;
    let (caller, pass) = auth.admit(identity, Claim::Login(login), peer).await?;
    drop(pass);
    if path.is_some_and(|path| path != request.uri().path()) {
        return Err(Fault::NotFound);
    }
    let key = key(request).ok_or(Fault::NotAWebSocket)?;
    let topic = topic(request.uri()).ok_or(Fault::NoTopic)?;
    let accept = HeaderValue::try_from(derive_accept_key(key)).map_err(|_| Fault::NotAWebSocket)?;
    Ok(Agreed { user: caller.api_user, topic, answer: websocket(accept) })
}

/// The key of the client's handshake.
///
/// # Standard
/// RFC 6455 section 4.2.1.
fn key<B>(request: &Request<B>) -> Option<&[u8]> {
    let headers = request.headers();
    let is_version_13 = headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    let is_asked = request.method() == Method::GET
        && lists(headers, &CONNECTION, "upgrade")
        && lists(headers, &UPGRADE, "websocket");
    let key = headers.get(SEC_WEBSOCKET_KEY)?.as_bytes();
    // 16 bytes in base64.
    (is_asked && is_version_13 && key.len() == 24).then_some(key)
}

fn lists(headers: &HeaderMap, name: &hyper::header::HeaderName, wanted: &str) -> bool {
    let mut values =
        headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    values.any(|value| value.trim().eq_ignore_ascii_case(wanted))
}

/// The topic: `topic`, which the programs send, or `channel`, which some pages say. Both at once must mean the same.
fn topic(uri: &Uri) -> Option<String> {
    let Query(fields) = Query::<Vec<(String, String)>>::try_from_uri(uri).ok()?;
    let mut named = fields.into_iter().filter(|(name, _)| name == "topic" || name == "channel").map(|(_, value)| value);
    let topic = named.next()?;
    let is_one = named.all(|other| other == topic);
    (is_one && (1..=LONGEST_TOPIC).contains(&topic.len())).then_some(topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_named_once_by_either_name() {
        let long = format!("/?topic={}", "x".repeat(LONGEST_TOPIC + 1));
        for (uri, expected) in [
            ("/ws?topic=sms", Some("sms")),
            ("/?channel=sms", Some("sms")),
            ("/ws?a=1&topic=a%20b%2Bc", Some("a b+c")),
            ("/ws?topic=sms&channel=sms", Some("sms")),
            ("/ws?topic=sms&channel=mail", None),
            ("/ws?topic=", None),
            ("/ws?Topic=sms", None),
            ("/ws", None),
            (&long, None),
        ] {
            assert_eq!(topic(&uri.parse().unwrap()).as_deref(), expected, "{uri}");
        }
    }
}

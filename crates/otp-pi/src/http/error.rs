//! The faults of the transport, and the only HTTP status codes of this program.
//!
//! For the other files of `http`. What a command brings is never a fault: outcomes are 200 with a `response_code`, because
//! that is what the documented clients read. Only the two small dialects say by the status what became of a request.

use std::time::Duration;

use domain::clock::whole_seconds;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_VERSION, UPGRADE, WWW_AUTHENTICATE,
};
use hyper::{Response, StatusCode};

use super::auth::AuthFailure;
use crate::telemetry::metrics::Exposition;
use crate::wire::{AnswerKind, SimpleAnswer};

/// Why a request has no outcome.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// No login, or a wrong one.
    Unauthorized,
    /// A login that may not read this.
    NotForThisLogin,
    /// Too many wrong logins from this address.
    Throttled(Duration),
    /// No room to check the login.
    Busy,
    /// Too many connections.
    TooManyConnections,
    /// HTTP without TLS on a listener that speaks HTTPS.
    NotEncrypted,
    /// What came is no request, or could be taken for two different ones.
    Malformed,
    /// The head is longer than allowed.
    HeadTooLarge,
    /// No such path.
    NotFound,
    /// A method other than POST and PUT where a command is meant.
    NotACommand,
    /// A method other than GET and HEAD where a state is asked.
    NotAQuestion,
    /// No handshake of WebSocket where nothing else is understood.
    NotAWebSocket,
    /// A subscriber of a broker that names no topic, or not one.
    NoTopic,
    /// The body is longer than allowed.
    BodyTooLarge,
    /// The body did not come in time.
    BodyTimedOut,
    /// The connection or its framing broke within the body.
    BodyBroken,
}

/// How long a caller should wait for room.
const ROOM_IN: Duration = Duration::from_secs(1);

impl Fault {
    /// Returns the status of the fault.
    ///
    /// # Standard
    /// RFC 9110 section 15; 429 and 431 are RFC 6585 sections 4 and 5.
    fn status(self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotForThisLogin => StatusCode::FORBIDDEN,
            Self::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy | Self::TooManyConnections => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::NotACommand | Self::NotAQuestion => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAWebSocket => StatusCode::UPGRADE_REQUIRED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTimedOut => StatusCode::REQUEST_TIMEOUT,
            Self::BodyBroken | Self::NotEncrypted | Self::Malformed | Self::NoTopic => StatusCode::BAD_REQUEST,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Unauthorized => "a valid login is needed",
            Self::NotForThisLogin => "this login may not read that",
            Self::Throttled(_) => "too many wrong logins",
            Self::Busy => "too many logins at once, try again",
            Self::TooManyConnections => "too many connections, try again",
            Self::NotEncrypted => "this is an HTTPS listener: use https://",
            Self::Malformed => "the request is malformed",
            Self::HeadTooLarge => "the header is too large",
            Self::NotFound => "there is nothing at this path",
            Self::NotACommand => "use POST or PUT",
            Self::NotAQuestion => "use GET",
            Self::NotAWebSocket => "this is a WebSocket broker: ask for an upgrade to websocket, version 13",
            Self::NoTopic => "one topic of 1 to 255 bytes is needed: ?topic=NAME",
            Self::BodyTooLarge => "the body is too large",
            Self::BodyTimedOut => "the body did not come in time",
            Self::BodyBroken => "the body could not be read",
        }
    }

    /// Whether what follows on the connection cannot be trusted to be the next request.
    fn ends_connection(self) -> bool {
        matches!(
            self,
            Self::TooManyConnections
                | Self::NotEncrypted
                | Self::Malformed
                | Self::HeadTooLarge
                | Self::NotAWebSocket
                | Self::NoTopic
                | Self::BodyTooLarge
                | Self::BodyTimedOut
                | Self::BodyBroken
        )
    }

    fn allowed(self) -> Option<&'static str> {
        match self {
            Self::NotACommand => Some("POST, PUT"),
            Self::NotAQuestion => Some("GET, HEAD"),
            Self::Unauthorized
            | Self::NotForThisLogin
            | Self::Throttled(_)
            | Self::Busy
            | Self::TooManyConnections
            | Self::NotEncrypted
            | Self::Malformed
            | Self::HeadTooLarge
            | Self::NotFound
            | Self::NotAWebSocket
            | Self::NoTopic
            | Self::BodyTooLarge
            | Self::BodyTimedOut
            | Self::BodyBroken => None,
        }
    }

    fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Throttled(wait) => Some(wait),
            Self::Busy | Self::TooManyConnections => Some(ROOM_IN),
            Self::Unauthorized
            | Self::NotForThisLogin
            | Self::NotEncrypted
            | Self::Malformed
            | Self::HeadTooLarge
            | Self::NotFound
            | Self::NotACommand
            | Self::NotAQuestion
            | Self::NotAWebSocket
            | Self::NoTopic
            | Self::BodyTooLarge
            | Self::BodyTimedOut
            | Self::BodyBroken => None,
        }
    }

    /// Returns the answer; `challenge` is the value of `WWW-Authenticate`.
    #[must_use]
    pub fn response(self, challenge: &HeaderValue) -> Response<Full<Bytes>> {
        let mut response = json(self.status(), format!("{{\"error\":\"{}\"}}", self.words()).into_bytes());
        let headers = response.headers_mut();
        if self == Self::Unauthorized {
            headers.insert(WWW_AUTHENTICATE, challenge.clone());
        }
        if let Some(methods) = self.allowed() {
            headers.insert(ALLOW, HeaderValue::from_static(methods));
        }
        if let Some(wait) = self.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
        }
        if self == Self::NotAWebSocket {
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        if self.ends_connection() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Returns the answer as it goes over a connection that is refused before it is read.
    pub(super) fn raw(self) -> String {
        let body = format!("{{\"error\":\"{}\"}}", self.words());
        let wait = self.retry_after().map(|wait| format!("Retry-After: {}\r\n", whole_seconds(wait)));
        format!(
            "HTTP/1.1 {}\r\nContent-Type: application/json\r\n{}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
            self.status(),
            wait.unwrap_or_default(),
            body.len(),
        )
    }
}

impl From<AuthFailure> for Fault {
    fn from(failure: AuthFailure) -> Self {
        match failure {
            AuthFailure::Refused => Self::Unauthorized,
            AuthFailure::Throttled { retry_after } => Self::Throttled(retry_after),
            AuthFailure::Busy => Self::Busy,
        }
    }
}

/// The answer to a handshake of WebSocket that is agreed to; `accept` is what was made of the client's key.
///
/// # Standard
/// RFC 6455 section 4.2.2.
#[must_use]
pub fn websocket(accept: HeaderValue) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    response
}

/// The answer to a command, whatever its outcome.
pub(super) fn outcome(body: Vec<u8>) -> Response<Full<Bytes>> {
    json(StatusCode::OK, body)
}

/// The answer in a small dialect, whose clients read the status.
pub(super) fn simple(answer: SimpleAnswer) -> Response<Full<Bytes>> {
    let status = match answer.kind {
        AnswerKind::Good => StatusCode::OK,
        AnswerKind::Malformed => StatusCode::BAD_REQUEST,
        AnswerKind::WrongCode => StatusCode::UNAUTHORIZED,
        AnswerKind::NoCode => StatusCode::NOT_FOUND,
        AnswerKind::Forbidden => StatusCode::FORBIDDEN,
        AnswerKind::NotSent => StatusCode::INTERNAL_SERVER_ERROR,
        AnswerKind::Limited => StatusCode::TOO_MANY_REQUESTS,
        AnswerKind::Full => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = json(status, answer.body);
    if let Some(wait) = answer.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
    }
    response
}

/// The answer to a question about the state of the program.
pub(super) fn state(is_good: bool, body: Vec<u8>) -> Response<Full<Bytes>> {
    json(if is_good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, body)
}

/// The numbers for Prometheus.
pub(super) fn metrics(text: String) -> Response<Full<Bytes>> {
    let mut response = json(StatusCode::OK, text.into_bytes());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(Exposition::CONTENT_TYPE));
    response
}

fn json(status: StatusCode, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

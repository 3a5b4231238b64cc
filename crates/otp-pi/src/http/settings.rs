//! How the API listeners behave.

use std::net::SocketAddr;
use std::time::Duration;

use domain::network::Network;

use crate::wire::RenderSettings;

/// How the API listeners behave. Built by `config`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen. `app` binds these; the listener itself does not read them.
    pub listen: Vec<SocketAddr>,
    /// Where to listen with TLS, bound by `app` too.
    pub https_listen: Vec<SocketAddr>,
    /// Where commands are taken.
    pub paths: ApiPaths,
    /// The two small dialects; `None` where they are not spoken.
    pub simple: Option<SimpleSettings>,
    /// How answers are written.
    pub render: RenderSettings,
    /// The longest body, in bytes.
    pub body_limit: usize,
    /// From the connection until TLS must be agreed on.
    pub handshake_timeout: Duration,
    /// From the first byte of a request until its head must be complete.
    pub header_timeout: Duration,
    /// From the head until the body must be complete.
    pub body_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub idle_timeout: Duration,
    /// The most connections of one listener.
    pub max_connections: usize,
    /// The most of them from one IPv4 address, or from one IPv6 network of 64 bits.
    pub max_connections_per_address: usize,
    /// The realm named to callers without a login.
    pub realm: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            https_listen: Vec::new(),
            paths: ApiPaths::default(),
            simple: Some(SimpleSettings::default()),
            render: RenderSettings::default(),
            body_limit: 64 * 1024,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_mins(1),
            max_connections: 1024,
            max_connections_per_address: 256,
            realm: "OTP-Pi".to_owned(),
        }
    }
}

/// Who may speak the two small dialects without a login. By default nobody.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SimpleSettings {
    /// Where they may call from.
    pub open: Vec<Network>,
    /// The API user in whose name they act.
    pub open_user: String,
}

/// The paths that take commands. All are alike: the command decides what is done, never the path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApiPaths {
    /// `otp_path`
    pub otp: String,
    /// `message_path`
    pub message: String,
    /// `sms_path`
    pub sms: String,
    /// `email_path`
    pub email: String,
    /// `block_path`
    pub block: String,
    /// `unblock_path`
    pub unblock: String,
}

impl Default for ApiPaths {
    fn default() -> Self {
        Self {
            otp: "/api/otp".to_owned(),
            message: "/api/message".to_owned(),
            sms: "/api/sms".to_owned(),
            email: "/api/email".to_owned(),
            block: "/api/block".to_owned(),
            unblock: "/api/unblock".to_owned(),
        }
    }
}

impl ApiPaths {
    /// Whether commands are taken at `path`; a slash at the end makes no difference.
    pub(super) fn contain(&self, path: &str) -> bool {
        let bare = |path: &str| path.trim_end_matches('/').len();
        let same = |ours: &String| ours.get(..bare(ours)) == path.get(..bare(path));
        [&self.otp, &self.message, &self.sms, &self.email, &self.block, &self.unblock].into_iter().any(same)
    }
}

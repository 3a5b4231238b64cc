//! Why a broker cannot be used just now.

/// Why a connection to a broker was not made, or ended. Never with a payload or a password.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// There is no way to the server.
    #[error("{address} cannot be reached")]
    Unreachable {
        /// Host and port.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The server does not prove who it is, or refuses our certificate.
    #[error("the TLS handshake with {address} failed")]
    Tls {
        /// Host and port.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No answer in time.
    #[error("no answer within {} s while {doing}", after.as_secs_f32())]
    TimedOut {
        /// What was asked.
        doing: &'static str,
        /// How long it was waited for.
        after: std::time::Duration,
    },
    /// The server answers, and does not let us in or does not let us do it.
    #[error("{doing} was refused: {reason}")]
    Refused {
        /// What was asked.
        doing: &'static str,
        /// In the server's words.
        reason: String,
    },
    /// The connection was there and is not any more.
    #[error("the connection was lost: {0}")]
    Lost(String),
}

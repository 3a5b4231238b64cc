//! Who may call the API, as stored. The product decides what a password check costs and caches it.

use std::net::IpAddr;

use domain::clock::WallTime;
use domain::command::ScopeSet;
use domain::message::Class;

/// One API user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiUser {
    /// The login name.
    pub username: String,
    /// The password's Argon2id PHC string; see [`crate::PasswordHasher`].
    pub password_hash: String,
    /// The hash of the password before it, while that is being rotated out.
    pub previous_hash: Option<String>,
    /// What the user may do.
    pub scopes: ScopeSet,
    /// The class of messages that name none.
    pub class: Class,
    /// False keeps the user from logging in.
    pub is_active: bool,
}

/// When a secret of an API user was used last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretUse {
    /// The login name.
    pub username: String,
    /// Which secret, known by its hash; none for requests that act in the user's name without a login.
    pub secret_hash: Option<String>,
    /// When.
    pub at: WallTime,
    /// From where.
    pub address: IpAddr,
}

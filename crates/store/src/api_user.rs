//! Who may call the API, as stored. The product decides what a password check costs and caches it.

use domain::command::ScopeSet;
use domain::message::Class;

/// One API user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiUser {
    /// The login name.
    pub username: String,
    /// The password's Argon2id PHC string; see [`crate::PasswordHasher`].
    pub password_hash: String,
    /// What the user may do.
    pub scopes: ScopeSet,
    /// The class of messages that name none.
    pub class: Class,
    /// False keeps the user from logging in.
    pub is_active: bool,
}

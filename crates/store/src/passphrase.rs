//! Secrets sealed under a passphrase, for documents that leave the machine.
//!
//! Argon2id makes the key, XChaCha20-Poly1305 seals; the secret's name is bound as associated data. Used for exported settings.
//! Works on the caller's thread for about a tenth of a second at the first use: never on a worker of the runtime.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use domain::secret::SecretText;
use zeroize::Zeroizing;

use crate::keys::fill_random;

/// RFC 9106 section 4, the profile for little memory, halved for a small machine: 32 MiB, four passes, one lane.
const MEMORY_KIB: u32 = 32 * 1024;
const PASSES: u32 = 4;
const SALT_LENGTH: usize = 16;
const NONCE_LENGTH: usize = 24;

/// A secret could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseError {
    /// Another passphrase, or a text that was changed or belongs elsewhere.
    #[error("the passphrase is another one, or the text was changed")]
    NotAuthentic,
    /// The text is not one of ours.
    #[error("it is not a sealed text")]
    NotSealed,
    /// The system gives no randomness, or no memory for the key.
    #[error("the system gives no randomness or no memory")]
    System,
}

/// Seals and opens secrets under one passphrase. The key is made at the first use and kept.
pub struct Passphrase {
    passphrase: SecretText,
    key: Option<([u8; SALT_LENGTH], Zeroizing<[u8; 32]>)>,
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase(•••)")
    }
}

impl Passphrase {
    /// Takes a passphrase.
    #[must_use]
    pub fn new(passphrase: SecretText) -> Self {
        Self { passphrase, key: None }
    }

    /// Seals `clear` under its `name`. The answer is base64 of salt ‖ nonce ‖ ciphertext with its authenticator.
    ///
    /// # Errors
    /// [`PassphraseError::System`].
    pub fn seal(&mut self, name: &str, clear: &SecretText) -> Result<String, PassphraseError> {
        let salt = match &self.key {
            Some((salt, _)) => *salt,
            None => random()?,
        };
        let nonce = random::<NONCE_LENGTH>()?;
        let payload = Payload { msg: clear.expose().as_bytes(), aad: name.as_bytes() };
        let ciphertext = self.cipher(salt)?.encrypt(&XNonce::from(nonce), payload);
        let ciphertext = ciphertext.map_err(|_| PassphraseError::System)?;
        Ok(BASE64.encode([&salt[..], &nonce[..], &ciphertext[..]].concat()))
    }

    /// Opens what [`Self::seal`] made for the same `name`.
    ///
    /// # Errors
    /// [`PassphraseError`], without a word about the secret.
    pub fn open(&mut self, name: &str, sealed: &str) -> Result<SecretText, PassphraseError> {
        let bytes = BASE64.decode(sealed).map_err(|_| PassphraseError::NotSealed)?;
        let (salt, rest) = bytes.split_first_chunk::<SALT_LENGTH>().ok_or(PassphraseError::NotSealed)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LENGTH>().ok_or(PassphraseError::NotSealed)?;
        let payload = Payload { msg: ciphertext, aad: name.as_bytes() };
        let clear = self.cipher(*salt)?.decrypt(&XNonce::from(*nonce), payload);
        let clear = clear.map_err(|_| PassphraseError::NotAuthentic)?;
        String::from_utf8(clear).map(SecretText::new).map_err(|_| PassphraseError::NotAuthentic)
    }

    fn cipher(&mut self, salt: [u8; SALT_LENGTH]) -> Result<XChaCha20Poly1305, PassphraseError> {
        if let Some((known, key)) = &self.key
            && *known == salt
        {
            return Ok(XChaCha20Poly1305::new((&**key).into()));
        }
        let params = Params::new(MEMORY_KIB, PASSES, 1, Some(32)).map_err(|_| PassphraseError::System)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut key = Zeroizing::new([0; 32]);
        let made = argon2.hash_password_into(self.passphrase.expose().as_bytes(), &salt, key.as_mut());
        made.map_err(|_| PassphraseError::System)?;
        let cipher = XChaCha20Poly1305::new((&*key).into());
        self.key = Some((salt, key));
        Ok(cipher)
    }
}

fn random<const N: usize>() -> Result<[u8; N], PassphraseError> {
    let mut bytes = [0; N];
    fill_random(&mut bytes).map_err(|_| PassphraseError::System)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(passphrase: &str) -> Passphrase {
        Passphrase::new(SecretText::new(passphrase))
    }

    #[test]
    fn a_sealed_secret_opens_with_its_passphrase_under_its_name_only() {
        let mut ours = with("correct horse");
        let sealed = ours.seal("api_user.shop.password", &SecretText::new("open sesame")).unwrap();
        let open = |passphrase: &str, name: &str, sealed: &str| {
            with(passphrase).open(name, sealed).map(|clear| clear.expose().to_owned())
        };
        assert_eq!(open("correct horse", "api_user.shop.password", &sealed).unwrap(), "open sesame");
        let refused = Err(PassphraseError::NotAuthentic);
        assert_eq!(open("battery staple", "api_user.shop.password", &sealed), refused);
        assert_eq!(open("correct horse", "api_user.other.password", &sealed), refused);
        for text in ["", "no base64", "AAAA"] {
            assert_eq!(open("correct horse", "x", text), Err(PassphraseError::NotSealed), "{text}");
        }
        assert_ne!(ours.seal("x", &SecretText::new("a")).unwrap(), ours.seal("x", &SecretText::new("a")).unwrap());
    }
}

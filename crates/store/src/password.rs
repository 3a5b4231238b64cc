//! Argon2id for the passwords of API users and administrators.
//!
//! Works on the caller's thread and costs tens of milliseconds: callers run it on their one hashing thread and never
//! on a worker of the runtime. Keeps one memory buffer, so that repeated hashing does not grow the process.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use domain::secret::SecretText;
use subtle::ConstantTimeEq;

use crate::keys::fill_random;

/// OWASP's smallest profile for Argon2id: 9 MiB, four passes, one lane.
const MEMORY_KIB: u32 = 9216;
const PASSES: u32 = 4;
const LANES: u32 = 1;
const SALT_LENGTH: usize = 16;
const HASH_LENGTH: usize = 32;
/// A stored hash may ask for more than ours does, but not for all of a small machine's memory.
const MEMORY_KIB_AT_MOST: u32 = 65_536;
const PASSES_AT_MOST: u32 = 16;
const LANES_AT_MOST: u32 = 4;

/// A password could not be hashed or compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// The text is not an Argon2id PHC string, or asks for an unreasonable effort.
    #[error("not an acceptable Argon2id hash")]
    BadHash,
    /// The system's random number generator failed.
    #[error("the system has no randomness to give")]
    Randomness,
    /// The password is too long for the algorithm.
    #[error("the password cannot be hashed")]
    BadPassword,
}

/// Hashes and compares passwords with one reused buffer of 9 MiB.
///
/// Argon2id per RFC 9106 with m = 9216 KiB, t = 4, p = 1; hashes are PHC strings.
#[derive(Default)]
pub struct PasswordHasher {
    memory: Vec<Block>,
}

impl std::fmt::Debug for PasswordHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordHasher").finish_non_exhaustive()
    }
}

impl PasswordHasher {
    /// Hashes `password` with a fresh salt into a PHC string.
    ///
    /// # Errors
    /// [`PasswordError`], without a word about the password.
    pub fn hash(&mut self, password: &SecretText) -> Result<String, PasswordError> {
        let mut salt = [0_u8; SALT_LENGTH];
        fill_random(&mut salt).map_err(|_| PasswordError::Randomness)?;
        let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_LENGTH)).map_err(|_| PasswordError::BadHash)?;
        let mut output = [0_u8; HASH_LENGTH];
        self.derive(&params, Version::V0x13, password, &salt, &mut output)?;
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params).map_err(|_| PasswordError::BadHash)?,
            salt: Some(Salt::new(&salt).map_err(|_| PasswordError::BadHash)?),
            hash: Some(Output::new(&output).map_err(|_| PasswordError::BadHash)?),
        };
        Ok(hash.to_string())
    }

    /// Tells whether `password` is the one that `phc` was made from. Compares in constant time.
    ///
    /// # Errors
    /// [`PasswordError::BadHash`] when `phc` is not an Argon2id PHC string of reasonable cost.
    pub fn verify(&mut self, password: &SecretText, phc: &str) -> Result<bool, PasswordError> {
        let bad = |_| PasswordError::BadHash;
        let hash = PasswordHash::new(phc).map_err(bad)?;
        if hash.algorithm != Algorithm::Argon2id.ident() {
            return Err(PasswordError::BadHash);
        }
        let params = Params::try_from(&hash).map_err(|_| PasswordError::BadHash)?;
        if params.m_cost() > MEMORY_KIB_AT_MOST || params.t_cost() > PASSES_AT_MOST || params.p_cost() > LANES_AT_MOST {
            return Err(PasswordError::BadHash);
        }
        let version = match hash.version {
            None => Version::V0x13,
            Some(number) => Version::try_from(number).map_err(|_| PasswordError::BadHash)?,
        };
        let (Some(salt), Some(expected)) = (hash.salt, hash.hash) else { return Err(PasswordError::BadHash) };
        let mut output = [0_u8; Output::MAX_LENGTH];
        let output = output.get_mut(..expected.len()).ok_or(PasswordError::BadHash)?;
        self.derive(&params, version, password, &salt, output)?;
        Ok(output.ct_eq(expected.as_ref()).into())
    }

    fn derive(
        &mut self,
        params: &Params,
        version: Version,
        password: &SecretText,
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<(), PasswordError> {
        let blocks = params.block_count();
        if self.memory.len() < blocks {
            self.memory.resize(blocks, Block::default());
        }
        let memory = self.memory.get_mut(..blocks).ok_or(PasswordError::BadHash)?;
        Argon2::new(Algorithm::Argon2id, version, params.clone())
            .hash_password_into_with_memory(password.expose().as_bytes(), salt, output, memory)
            .map_err(|_| PasswordError::BadPassword)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_password_verifies_and_the_wrong_one_does_not() {
        let mut hasher = PasswordHasher::default();
        let phc = hasher.hash(&SecretText::new("correct horse")).unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=9216,t=4,p=1$"), "{phc}");
        assert_eq!(hasher.verify(&SecretText::new("correct horse"), &phc), Ok(true));
        assert_eq!(hasher.verify(&SecretText::new("correct horsf"), &phc), Ok(false));
    }

    #[test]
    fn a_hash_of_foreign_parameters_verifies() {
        // From the reference implementation: echo -n password | argon2 somesalt -id -t 2 -k 256 -p 1 -l 32 -e
        let phc = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        assert_eq!(PasswordHasher::default().verify(&SecretText::new("password"), phc), Ok(true));
    }

    #[test]
    fn a_hash_that_would_eat_the_machine_is_refused() {
        for phc in [
            "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "plain text",
            "",
        ] {
            let verdict = PasswordHasher::default().verify(&SecretText::new("password"), phc);
            assert_eq!(verdict, Err(PasswordError::BadHash), "{phc}");
        }
    }
}

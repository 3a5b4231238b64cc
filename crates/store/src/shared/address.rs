//! The address of the server that holds tickets, as the owner writes it.

use std::fmt;
use std::path::PathBuf;

use domain::secret::SecretText;
use url::Url;

/// What speaks there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Redis, or what speaks its protocol.
    Redis,
    /// MariaDB or MySQL.
    MySql,
    /// PostgreSQL.
    Postgres,
}

/// How the way there is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    /// In clear.
    Off,
    /// Encrypted where the server offers it; anybody could be the server.
    Offered,
    /// Encrypted, and the server is who it says.
    Verified,
}

/// Why an address cannot be used. Never prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It does not begin with a known word.
    #[error("only redis://, rediss://, mysql:// and postgres:// are known")]
    Scheme,
    /// It cannot be read.
    #[error("this is not an address: write for example redis://host:6379/0 or mysql://user@host/database")]
    Form,
    /// It holds a password.
    #[error(
        "a password does not stand in an address; write it into a file and name that in ticket_store_password_file"
    )]
    Password,
    /// It names no database, or what can be none.
    #[error("the address must end with a database: a number for Redis, a name for the others")]
    Database,
    /// It asks for something unknown.
    #[error("after the question mark only tls=off, tls=offered and tls=verify are known, for mysql:// and postgres://")]
    Option,
    /// A certificate file without a use for it.
    #[error("a file of certificates needs an encrypted way: rediss://, or no tls= other than tls=verify")]
    UnusedCertificates,
}

/// The address, the password and whom to trust.
#[derive(Clone)]
pub struct ServerAddress {
    url: Url,
    engine: Engine,
    tls: Tls,
    password: Option<SecretText>,
    ca_file: Option<PathBuf>,
}

impl ServerAddress {
    /// Reads an address; `ca_file` holds the certificates to be trusted instead of the system's, in PEM.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(text: &str, password: Option<SecretText>, ca_file: Option<PathBuf>) -> Result<Self, AddressError> {
        let (scheme, _) = text.split_once("://").ok_or(AddressError::Form)?;
        let engine = match scheme {
            "redis" | "rediss" => Engine::Redis,
            "mysql" => Engine::MySql,
            "postgres" => Engine::Postgres,
            _ => return Err(AddressError::Scheme),
        };
        let url = Url::parse(text).map_err(|_| AddressError::Form)?;
        if url.host_str().is_none_or(str::is_empty) || url.fragment().is_some() {
            return Err(AddressError::Form);
        }
        if url.password().is_some() {
            return Err(AddressError::Password);
        }
        let database = url.path().trim_start_matches('/');
        let is_sound = match engine {
            Engine::Redis => database.is_empty() || database.parse::<u16>().is_ok(),
            Engine::MySql | Engine::Postgres => !database.is_empty() && !database.contains('/'),
        };
        if !is_sound {
            return Err(AddressError::Database);
        }
        let tls = match (engine, url.query()) {
            (Engine::Redis, None) if scheme == "redis" => Tls::Off,
            (Engine::Redis, None) | (Engine::MySql | Engine::Postgres, Some("tls=verify")) => Tls::Verified,
            (Engine::MySql | Engine::Postgres, Some("tls=off")) => Tls::Off,
            (Engine::MySql | Engine::Postgres, None) if ca_file.is_some() => Tls::Verified,
            (Engine::MySql | Engine::Postgres, None | Some("tls=offered")) => Tls::Offered,
            _ => return Err(AddressError::Option),
        };
        if ca_file.is_some() && tls != Tls::Verified {
            return Err(AddressError::UnusedCertificates);
        }
        Ok(Self { url, engine, tls, password, ca_file })
    }

    /// What speaks there.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// True where somebody on the way could read, or be the server: not verified, and not on this machine.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        let is_here = match self.url.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            // The two schemes of Redis are not special to the parser: their hosts are names all.
            Some(url::Host::Domain(name)) => {
                name == "localhost" || name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
            }
            None => false,
        };
        self.tls != Tls::Verified && !is_here
    }

    pub(crate) fn tls(&self) -> Tls {
        self.tls
    }

    pub(crate) fn ca_file(&self) -> Option<&PathBuf> {
        self.ca_file.as_ref()
    }

    /// The address for the driver, the password in it. Never to be printed.
    pub(crate) fn expose(&self) -> Url {
        let mut url = self.url.clone();
        if let Some(password) = &self.password {
            // Fails for addresses without a host alone, which were refused.
            let is_set = url.set_password(Some(password.expose())).is_ok();
            debug_assert!(is_set, "an address with a host takes a password");
        }
        url
    }
}

impl fmt::Display for ServerAddress {
    /// Without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.url.scheme(), self.url.host_str().unwrap_or_default())?;
        if let Some(port) = self.url.port() {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.url.path())
    }
}

impl fmt::Debug for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerAddress({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ServerAddress, AddressError> {
        ServerAddress::parse(text, None, None)
    }

    #[test]
    fn addresses_are_read_or_refused_with_a_reason() {
        let check = |text: &str, expected: Result<(Engine, Tls), AddressError>| {
            let found = parse(text).map(|address| (address.engine, address.tls));
            assert_eq!(found, expected, "{text}");
        };
        check("redis://127.0.0.1", Ok((Engine::Redis, Tls::Off)));
        check("redis://otp@cache.example:6380/3", Ok((Engine::Redis, Tls::Off)));
        check("rediss://cache.example", Ok((Engine::Redis, Tls::Verified)));
        check("mysql://otp@db.example/otp", Ok((Engine::MySql, Tls::Offered)));
        check("mysql://otp@db.example/otp?tls=verify", Ok((Engine::MySql, Tls::Verified)));
        check("postgres://otp@[::1]:5433/otp?tls=off", Ok((Engine::Postgres, Tls::Off)));
        check("redis://host/cache", Err(AddressError::Database));
        check("mysql://host", Err(AddressError::Database));
        check("mysql://host/a/b", Err(AddressError::Database));
        check("mysql://host/a?ssl-mode=disabled", Err(AddressError::Option));
        check("redis://host?tls=verify", Err(AddressError::Option));
        check("redis://otp:secret@host", Err(AddressError::Password));
        check("memcached://host", Err(AddressError::Scheme));
        check("redis://", Err(AddressError::Form));
        check("redis", Err(AddressError::Form));
    }

    #[test]
    fn certificates_need_a_way_that_uses_them() {
        let with = |text: &str| ServerAddress::parse(text, None, Some("/ca.pem".into())).map(|address| address.tls);
        assert_eq!(with("redis://host"), Err(AddressError::UnusedCertificates));
        assert_eq!(with("mysql://host/otp?tls=off"), Err(AddressError::UnusedCertificates));
        assert_eq!(with("mysql://host/otp"), Ok(Tls::Verified));
        assert_eq!(with("rediss://host"), Ok(Tls::Verified));
    }

    #[test]
    fn neither_user_nor_password_is_printed() {
        let password = Some(SecretText::new("s3:cr/et"));
        let address = ServerAddress::parse("mysql://otto@db.example:3307/otp", password, None).unwrap();
        assert_eq!(address.to_string(), "mysql://db.example:3307/otp");
        assert_eq!(format!("{address:?}"), "ServerAddress(mysql://db.example:3307/otp)");
        assert_eq!(address.expose().as_str(), "mysql://otto:s3%3Acr%2Fet@db.example:3307/otp");
    }

    #[test]
    fn a_way_in_clear_to_another_machine_is_exposed() {
        let is_exposed = |text: &str| parse(text).unwrap().is_exposed();
        assert!(is_exposed("redis://cache.example"));
        assert!(is_exposed("mysql://otp@192.0.2.1/otp"));
        assert!(!is_exposed("rediss://cache.example"));
        assert!(!is_exposed("redis://127.0.0.1"));
        assert!(!is_exposed("redis://localhost"));
        assert!(!is_exposed("postgres://otp@[::1]/otp"));
    }
}

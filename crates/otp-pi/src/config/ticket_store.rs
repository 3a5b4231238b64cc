//! Where tickets live: a word, or the address of a server that several nodes share.

use std::path::Path;

use store::{AddressError, ServerAddress, TicketStoreKind};

use super::file::Otp;
use super::first_line;
use super::resolve::Found;

const KEY: &str = "otp.ticket_store";
const PASSWORD_KEY: &str = "otp.ticket_store_password_file";
const CA_KEY: &str = "otp.ticket_store_ca_file";

/// None when something is wrong with it, which is told.
pub(super) fn build(otp: &Otp, found: &mut Found) -> Option<TicketStoreKind> {
    let given = |path: &'_ Path| !path.as_os_str().is_empty();
    if otp.ticket_store.contains("://") {
        return server(otp, found);
    }
    for (key, path) in [(PASSWORD_KEY, &otp.ticket_store_password_file), (CA_KEY, &otp.ticket_store_ca_file)] {
        if given(path) {
            found.warn(
                key,
                "tickets are on this machine: it says nothing",
                "take it out, or write an address as ticket_store",
            );
        }
    }
    match otp.ticket_store.as_str() {
        "sqlite" => Some(TicketStoreKind::Sqlite),
        "memory" => Some(TicketStoreKind::Memory),
        other => {
            let fix = "write \"sqlite\", \"memory\" or an address: redis://host:6379/0, mysql://user@host/database, postgres://user@host/database";
            found.problem(KEY, format!("{other:?} is not known"), fix);
            None
        }
    }
}

fn server(otp: &Otp, found: &mut Found) -> Option<TicketStoreKind> {
    let given = |path: &Path| (!path.as_os_str().is_empty()).then(|| path.to_owned());
    let password = match given(&otp.ticket_store_password_file) {
        Some(path) => Some(found.take(first_line(PASSWORD_KEY, &path))?),
        None => None,
    };
    let ca_file = given(&otp.ticket_store_ca_file);
    if let Some(path) = &ca_file
        && let Err(error) = std::fs::File::open(path)
    {
        found.problem(
            CA_KEY,
            format!("{} cannot be read: {error}", path.display()),
            "check the path and who may read it",
        );
        return None;
    }
    match ServerAddress::parse(&otp.ticket_store, password, ca_file) {
        Ok(address) => {
            if address.is_exposed() {
                let what = "on the way to that server anybody can read the password and change tickets";
                let fix = "write rediss://, or name a ticket_store_ca_file, or end the address with ?tls=verify";
                found.warn(KEY, what, fix);
            }
            Some(TicketStoreKind::Server(address))
        }
        // Never the address itself: a password may stand in it.
        Err(error) => {
            let key = if error == AddressError::UnusedCertificates { CA_KEY } else { KEY };
            found.problem(key, error.to_string(), "docs/configuration.md, tickets on a server, has an example of each");
            None
        }
    }
}

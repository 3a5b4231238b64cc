//! What families of modems do differently: one value per family, chosen by what a modem says of itself.
//!
//! For: saying the right thing first instead of trying everything. Whoever needs to know a way of a modem (session, check,
//! recovery, USSD, tools of the SIM) reads it here. Never: an `if` on a model, here or elsewhere; never a promise, since
//! firmware differs within a family: what is refused is done without, and the driver assumes the worst of every modem
//! where that costs nothing (late prompts, ESC without OK, lines in any order).
//! Called by `session` and by everybody who asks a modem something.
//!
//! Map: [`table`] holds the values. A modem that nobody knows is [`GENERIC`], which tries every way in turn.

mod table;

use gsm::UssdForm;

use crate::status::Identity;
pub(crate) use table::GENERIC;

/// A command, and the name in front of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// The command, such as `AT+CICCID`.
    pub command: &'static str,
    /// The name in front of the answer, such as `+ICCID`; some answer without it.
    pub name: &'static str,
}

/// How a modem is known by what it says of itself; an empty text is in everything. Case does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pattern {
    /// A part of the answer to `AT+CGMI`.
    pub manufacturer: &'static str,
    /// A part of the answer to `AT+CGMM`.
    pub model: &'static str,
    /// A part of the answer to `AT+CGMR`.
    pub revision: &'static str,
}

/// Whether a modem knows LTE, where the circuit-switched registration alone does not tell whether it can send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lte {
    /// It does not: `AT+CEREG` is never said.
    No,
    /// Nobody knows: `AT+CEREG?` is asked where `AT+CREG?` says nothing good.
    Perhaps,
    /// It does: its registration is followed as well (`AT+CEREG=1`).
    Yes,
}

/// USSD (3GPP TS 27.007 §7.15) on one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UssdWays {
    /// Said before the code that begins a dialogue, as a restart forgets it; a refusal means nothing.
    pub prepare: Option<&'static str>,
    /// Forms in the order in which they are tried; after an ERROR the next.
    pub forms: &'static [UssdForm],
}

/// Where the IMEI can be read and written. Writing one is a crime in several countries: only the tool that restores the
/// printed one may read `write`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImeiWays {
    /// Reads the IMEI that is stored, which may differ from the one in use until a restart.
    pub read: &'static str,
    /// What stands before the quoted 15 digits; `None` where it is not known, or locked by the maker.
    pub write: Option<&'static str>,
}

/// One family of modems.
#[derive(Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name in configuration and status; it does not change.
    pub name: &'static str,
    /// What it is for, for people.
    pub title: &'static str,
    /// How it is known; any one fits.
    pub known_by: &'static [Pattern],
    /// Vendor and product on USB, four hexadecimal digits each, an empty product for all of them: a hint only, since
    /// products are renumbered by firmware and by the way they are switched.
    pub usb: &'static [(&'static str, &'static str)],
    /// Said once the modem is known, each for itself; a refusal means nothing. What keeps it quiet on its line.
    pub quieting: &'static [&'static str],
    /// Ways to read the ICCID, in turn.
    pub card: &'static [Way],
    /// Ways to read the PIN tries left, in turn.
    pub pin_tries: &'static [Way],
    /// Whether no OK follows the answer to `AT+CPIN?`.
    pub is_pin_state_bare: bool,
    /// Parameters of `AT+CNMI` with delivery reports, in turn (3GPP TS 27.005 §3.4.1); the last ones are without.
    pub routing_with_reports: &'static [&'static str],
    /// Parameters of `AT+CNMI` without delivery reports, in turn.
    pub routing_without_reports: &'static [&'static str],
    /// Whether it knows LTE.
    pub lte: Lte,
    /// Lines of a restart beside those that every modem may say ([`gsm::at::BootEvent::Started`]).
    pub started: &'static [&'static str],
    /// Lines that end a start beside those that every modem may say ([`gsm::at::BootEvent::SmsReady`]): the first that means
    /// that messages can be sent, since a later one would look like another start.
    pub ready: &'static [&'static str],
    /// Ways to restart it, in turn.
    pub reset: &'static [&'static str],
    /// Whether the link may be asked to stay open between messages (`AT+CMMS`, 3GPP TS 27.005 §3.5.6).
    pub keeps_link_open: bool,
    /// How a message or report that came directly is acknowledged where `AT+CSMS=0` is refused (3GPP TS 27.005 §4.6); `None`
    /// where it never is.
    pub acknowledge: Option<&'static str>,
    /// USSD.
    pub ussd: UssdWays,
    /// The IMEI's place.
    pub imei: ImeiWays,
    /// Tells the supply in millivolts; `None` where the answer means nothing.
    pub supply: Option<&'static str>,
}

impl Profile {
    /// Returns all profiles; the generic one is the last.
    #[must_use]
    pub fn all() -> &'static [&'static Self] {
        &table::ALL
    }

    /// Finds a profile by its name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        Self::all().iter().find(|profile| profile.name == name).copied()
    }

    /// Finds a profile by USB numbers, four hexadecimal digits each, in small letters: a product before its whole vendor.
    #[must_use]
    pub fn find_by_usb(vendor: &str, product: &str) -> Option<&'static Self> {
        let with = |wanted: &str| {
            let is_it = |(its_vendor, its_product): &(&str, &str)| *its_vendor == vendor && *its_product == wanted;
            Self::all().iter().find(|profile| profile.usb.iter().any(is_it)).copied()
        };
        with(product).or_else(|| with(""))
    }

    /// Chooses by what a modem says of itself; the first that fits, else the generic one.
    #[must_use]
    pub fn of(identity: &Identity) -> &'static Self {
        let told = |text: &Option<String>| text.as_deref().unwrap_or_default().to_ascii_lowercase();
        let [manufacturer, model, revision] = [&identity.manufacturer, &identity.model, &identity.revision].map(told);
        let fits = |pattern: &Pattern| {
            manufacturer.contains(pattern.manufacturer)
                && model.contains(pattern.model)
                && revision.contains(pattern.revision)
        };
        Self::all().iter().find(|profile| profile.known_by.iter().any(fits)).copied().unwrap_or(&GENERIC)
    }

    /// Returns the ways of routing that fit the settings.
    pub(crate) fn routings(&self, delivery_reports: bool) -> &'static [&'static str] {
        if delivery_reports { self.routing_with_reports } else { self.routing_without_reports }
    }
}

/// Returns what is left to try after the first way; `None` if nothing is.
pub(crate) fn others<T>(ways: &'static [T]) -> Option<&'static [T]> {
    ways.get(1..).filter(|others| !others.is_empty())
}

#[cfg(test)]
mod tests;

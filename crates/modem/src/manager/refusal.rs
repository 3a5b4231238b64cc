//! What an error of ModemManager says about a message: certainly not sent, or nobody knows.
//!
//! ModemManager names errors after the codes of 3GPP TS 27.005 §3.2.5 and 27.007 §9.2; causes of the network (1 to 127) have no name
//! of their own there and come as `Unknown`. Never: a guess that a message was not sent.

use gsm::{ErrorClass, ErrorCode};

use super::bus::CallError;
use crate::submission::SendError;

const MESSAGE: &str = "org.freedesktop.ModemManager1.Error.Message.";
const EQUIPMENT: &str = "org.freedesktop.ModemManager1.Error.MobileEquipment.";

/// `+CMS ERROR` by name.
const CMS: [(&str, u16); 22] = [
    ("MeFailure", 300),
    ("SmsServiceReserved", 301),
    ("NotAllowed", 302),
    ("NotSupported", 303),
    ("InvalidPduParameter", 304),
    ("InvalidTextParameter", 305),
    ("SimNotInserted", 310),
    ("SimPin", 311),
    ("PhSimPin", 312),
    ("SimFailure", 313),
    ("SimBusy", 314),
    ("SimWrong", 315),
    ("SimPuk", 316),
    ("SimPin2", 317),
    ("SimPuk2", 318),
    ("MemoryFailure", 320),
    ("InvalidIndex", 321),
    ("MemoryFull", 322),
    ("SmscAddressUnknown", 330),
    ("NoNetwork", 331),
    ("NetworkTimeout", 332),
    ("Unknown", 500),
];

/// `+CME ERROR` by name, as far as a message meets them.
const CME: [(&str, u16); 11] = [
    ("NotAllowed", 3),
    ("NotSupported", 4),
    ("SimNotInserted", 10),
    ("SimPin", 11),
    ("SimPuk", 12),
    ("SimFailure", 13),
    ("SimBusy", 14),
    ("SimWrong", 15),
    ("MemoryFull", 20),
    ("NoNetwork", 30),
    ("NetworkTimeout", 31),
];

/// Errors that come before anything was written to the modem, with what may help.
const BEFORE: [(&str, ErrorClass); 9] = [
    ("org.freedesktop.ModemManager1.Error.Core.WrongState", ErrorClass::OtherModem),
    ("org.freedesktop.ModemManager1.Error.Core.Unauthorized", ErrorClass::Configuration),
    ("org.freedesktop.ModemManager1.Error.Core.Unsupported", ErrorClass::OtherModem),
    ("org.freedesktop.DBus.Error.AccessDenied", ErrorClass::Configuration),
    ("org.freedesktop.DBus.Error.ServiceUnknown", ErrorClass::OtherModem),
    ("org.freedesktop.DBus.Error.NameHasNoOwner", ErrorClass::OtherModem),
    ("org.freedesktop.DBus.Error.UnknownObject", ErrorClass::OtherModem),
    ("org.freedesktop.DBus.Error.UnknownInterface", ErrorClass::OtherModem),
    ("org.freedesktop.DBus.Error.UnknownMethod", ErrorClass::OtherModem),
];

/// Judges an error of the making of a message: nothing was transmitted, whatever it was.
pub(super) fn of_create(error: &CallError) -> SendError {
    let class = match error {
        CallError::Refused { name } if name.ends_with(".InvalidArgs") => ErrorClass::GiveUp,
        CallError::Refused { name } => find(&BEFORE, name).copied().unwrap_or(ErrorClass::OtherModem),
        CallError::Late | CallError::Lost => ErrorClass::OtherModem,
    };
    not_sent(class, None, &format!("ModemManager did not make the message: {error}"))
}

/// Judges an error of the sending of a message of so many parts.
///
/// Of several parts the first ones may be out when one is refused.
pub(super) fn of_send(error: &CallError, parts: usize) -> SendError {
    let unknown = || SendError::Unknown { detail: format!("ModemManager did not say that it was sent: {error}") };
    let CallError::Refused { name } = error else { return unknown() };
    if let Some(class) = find(&BEFORE, name) {
        return not_sent(*class, None, &format!("ModemManager did not send it: {error}"));
    }
    let code = code(name).filter(|_| parts == 1);
    match code.map(|code| (code, code.class())) {
        None | Some((_, ErrorClass::Unknown | ErrorClass::AlreadySent)) => unknown(),
        Some((code, class)) => not_sent(class, Some(code), code.meaning()),
    }
}

fn code(name: &str) -> Option<ErrorCode> {
    let cms = name.strip_prefix(MESSAGE).and_then(|name| find(&CMS, name)).map(|code| ErrorCode::Cms(*code));
    cms.or_else(|| name.strip_prefix(EQUIPMENT).and_then(|name| find(&CME, name)).map(|code| ErrorCode::Cme(*code)))
}

/// Answers whether an error is the card's refusal of a PIN.
pub(super) fn is_wrong_pin(error: &CallError) -> bool {
    matches!(error, CallError::Refused { name } if name.starts_with(EQUIPMENT))
}

fn not_sent(class: ErrorClass, code: Option<ErrorCode>, detail: &str) -> SendError {
    SendError::NotSent { class, code, detail: detail.to_owned() }
}

fn find<'a, T>(table: &'a [(&str, T)], name: &str) -> Option<&'a T> {
    table.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str) -> CallError {
        CallError::Refused { name: format!("org.freedesktop.{name}") }
    }

    #[test]
    fn only_what_is_certain_is_not_sent() {
        let cms = |number| Some(Some(ErrorCode::Cms(number)));
        for (error, parts, expected) in [
            (refused("ModemManager1.Error.Message.NoNetwork"), 1, cms(331)),
            (refused("ModemManager1.Error.Message.SimBusy"), 1, cms(314)),
            (refused("ModemManager1.Error.MobileEquipment.SimPin"), 1, Some(Some(ErrorCode::Cme(11)))),
            (refused("ModemManager1.Error.Core.WrongState"), 1, Some(None)),
            (refused("ModemManager1.Error.Core.WrongState"), 3, Some(None)),
            (refused("DBus.Error.ServiceUnknown"), 1, Some(None)),
            // The first parts may be out.
            (refused("ModemManager1.Error.Message.NoNetwork"), 2, None),
            // 332 and 500 leave it open, as they do without ModemManager.
            (refused("ModemManager1.Error.Message.NetworkTimeout"), 1, None),
            (refused("ModemManager1.Error.Message.Unknown"), 1, None),
            (refused("ModemManager1.Error.Serial.ResponseTimeout"), 1, None),
            (refused("ModemManager1.Error.Core.Failed"), 1, None),
            (refused("DBus.Error.NoReply"), 1, None),
            (CallError::Late, 1, None),
            (CallError::Lost, 1, None),
        ] {
            let judged = match of_send(&error, parts) {
                SendError::NotSent { code, .. } => Some(code),
                SendError::Refused | SendError::Unknown { .. } => None,
            };
            assert_eq!(judged, expected, "{error:?} of {parts}");
        }
    }

    #[test]
    fn what_was_not_made_was_not_sent() {
        for (error, expected) in [
            (refused("ModemManager1.Error.Core.InvalidArgs"), ErrorClass::GiveUp),
            (refused("ModemManager1.Error.Core.Unauthorized"), ErrorClass::Configuration),
            (refused("ModemManager1.Error.Core.Failed"), ErrorClass::OtherModem),
            (CallError::Lost, ErrorClass::OtherModem),
        ] {
            let SendError::NotSent { class, .. } = of_create(&error) else { panic!("{error:?}") };
            assert_eq!(class, expected, "{error:?}");
        }
    }
}

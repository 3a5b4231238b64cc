//! The voltage a modem runs on: a module whose supply sags restarts while it sends.

use super::{answer, fields, number_field};

/// The millivolts of `+CBC: <bcs>,<bcl>,<millivolts>`; `None` where a modem tells its charge alone (3GPP TS 27.007 §8.4).
///
/// SIMCom's newer modules tell volts alone, as in `+CBC: 3.824V`.
///
/// # Units
/// Millivolts.
#[must_use]
pub fn supply_millivolts(line: &str) -> Option<u16> {
    let fields = fields(answer(line, "+CBC")?);
    if let Some(millivolts) = number_field(&fields, 2) {
        return Some(millivolts);
    }
    let (volts, thousandths) = fields.first()?.strip_suffix(['V', 'v'])?.split_once('.')?;
    let thousandths = thousandths.get(..3).filter(|_| thousandths.len() == 3)?;
    volts.parse::<u16>().ok()?.checked_mul(1000)?.checked_add(thousandths.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::supply_millivolts;

    #[test]
    fn the_supply_is_read_in_both_forms_and_nothing_else_is_taken_for_it() {
        for (line, expected) in [
            ("+CBC: 0,85,4100", Some(4100)),
            ("+CBC: 3.824V", Some(3824)),
            ("+CBC: 0,85", None),
            ("+CBC: 3.8V", None),
            ("+CBC: 99999.824V", None),
            ("+CBC: €.€V", None),
            ("+CBC:", None),
            ("+CSQ: 0,85,4100", None),
        ] {
            assert_eq!(supply_millivolts(line), expected, "{line:?}");
        }
    }
}

//! The data coding scheme: which alphabet, which class.
//!
//! For: reading one octet. Never fails: reserved values mean the default alphabet. Called by the PDU codecs.
//!
//! # Standard
//! 3GPP TS 23.038 §4.

/// A TP-DCS octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dcs(pub u8);

/// The alphabet of a user data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alphabet {
    /// GSM 7-bit default alphabet.
    Gsm7,
    /// 8-bit data, which is not text.
    Octets,
    /// UCS-2.
    Ucs2,
}

/// A message class: where a phone keeps the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageClass {
    /// Class 0, flash: shown at once, usually not stored.
    Flash,
    /// Class 1, kept in the mobile equipment.
    Equipment,
    /// Class 2, kept on the SIM.
    Sim,
    /// Class 3, handed to the terminal equipment.
    Terminal,
}

/// A message waiting indication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageWaiting {
    /// Messages of this kind wait (or wait no longer).
    pub is_active: bool,
    /// The text is to be kept, not only the indication.
    pub keeps_text: bool,
    /// The kind: 0 voice, 1 fax, 2 e-mail, 3 other.
    pub kind: u8,
}

impl Dcs {
    /// GSM 7-bit, no class.
    pub const GSM7: Self = Self(0x00);
    /// 8-bit data, no class.
    pub const OCTETS: Self = Self(0x04);
    /// UCS-2, no class.
    pub const UCS2: Self = Self(0x08);

    /// The alphabet; reserved codings are the default alphabet.
    #[must_use]
    pub fn alphabet(self) -> Alphabet {
        match self.0 >> 4 {
            0x0..=0x7 => match self.0 & 0x0C {
                0x04 => Alphabet::Octets,
                0x08 => Alphabet::Ucs2,
                _ => Alphabet::Gsm7,
            },
            0xE => Alphabet::Ucs2,
            0xF if self.0 & 0x04 != 0 => Alphabet::Octets,
            _ => Alphabet::Gsm7,
        }
    }

    /// Whether the text is compressed (3GPP TS 23.042).
    #[must_use]
    pub fn is_compressed(self) -> bool {
        self.0 < 0x80 && self.0 & 0x20 != 0
    }

    /// Whether the phone is to delete the message once it is read.
    #[must_use]
    pub fn is_deleted_after_reading(self) -> bool {
        (0x40..0x80).contains(&self.0)
    }

    /// The message class, if the octet names one.
    #[must_use]
    pub fn class(self) -> Option<MessageClass> {
        let names_one = (self.0 < 0x80 && self.0 & 0x10 != 0) || self.0 >= 0xF0;
        names_one.then_some(match self.0 & 0x03 {
            0 => MessageClass::Flash,
            1 => MessageClass::Equipment,
            2 => MessageClass::Sim,
            _ => MessageClass::Terminal,
        })
    }

    /// The message waiting indication, if the octet is one.
    #[must_use]
    pub fn message_waiting(self) -> Option<MessageWaiting> {
        (0xC0..0xF0).contains(&self.0).then_some(MessageWaiting {
            is_active: self.0 & 0x08 != 0,
            keeps_text: self.0 >= 0xD0,
            kind: self.0 & 0x03,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Alphabet, Dcs, MessageClass};

    #[test]
    fn every_row_of_the_coding_table_is_read() {
        use Alphabet::{Gsm7, Octets, Ucs2};
        use MessageClass::{Equipment, Flash, Sim, Terminal};
        let rows: &[(u8, Alphabet, Option<MessageClass>, bool)] = &[
            (0x00, Gsm7, None, false),
            (0x04, Octets, None, false),
            (0x08, Ucs2, None, false),
            (0x0C, Gsm7, None, false),
            (0x10, Gsm7, Some(Flash), false),
            (0x14, Octets, Some(Flash), false),
            (0x18, Ucs2, Some(Flash), false),
            (0x11, Gsm7, Some(Equipment), false),
            (0x15, Octets, Some(Equipment), false),
            (0x19, Ucs2, Some(Equipment), false),
            (0x12, Gsm7, Some(Sim), false),
            (0x1A, Ucs2, Some(Sim), false),
            (0x13, Gsm7, Some(Terminal), false),
            (0x1B, Ucs2, Some(Terminal), false),
            (0x20, Gsm7, None, true),
            (0x38, Ucs2, Some(Flash), true),
            (0x48, Ucs2, None, false),
            (0x60, Gsm7, None, true),
            (0x80, Gsm7, None, false),
            (0xB8, Gsm7, None, false),
            (0xC8, Gsm7, None, false),
            (0xD0, Gsm7, None, false),
            (0xE0, Ucs2, None, false),
            (0xF0, Gsm7, Some(Flash), false),
            (0xF1, Gsm7, Some(Equipment), false),
            (0xF4, Octets, Some(Flash), false),
            (0xF7, Octets, Some(Terminal), false),
        ];
        for &(octet, alphabet, class, compressed) in rows {
            let dcs = Dcs(octet);
            assert_eq!(
                (dcs.alphabet(), dcs.class(), dcs.is_compressed()),
                (alphabet, class, compressed),
                "{octet:02X}"
            );
        }
    }

    #[test]
    fn a_message_waiting_indication_names_its_kind_and_whether_the_text_stays() {
        let waiting = |octet: u8| Dcs(octet).message_waiting().map(|it| (it.is_active, it.keeps_text, it.kind));
        assert_eq!(waiting(0xC8), Some((true, false, 0)));
        assert_eq!(waiting(0xC1), Some((false, false, 1)));
        assert_eq!(waiting(0xDA), Some((true, true, 2)));
        assert_eq!(waiting(0xE3), Some((false, true, 3)));
        assert_eq!(waiting(0xF0), None);
        assert_eq!(waiting(0x00), None);
    }

    #[test]
    fn only_the_automatic_deletion_group_is_deleted_after_reading() {
        assert!(Dcs(0x40).is_deleted_after_reading() && Dcs(0x7F).is_deleted_after_reading());
        assert!(!Dcs(0x3F).is_deleted_after_reading() && !Dcs(0x80).is_deleted_after_reading());
    }
}

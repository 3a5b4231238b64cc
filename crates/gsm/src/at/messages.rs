//! Answers of the message commands.

use super::{answer, fields, number_field, text_field};
use crate::address::Address;
use crate::ucs2;

/// The reference of `+CMGS: <mr>[,<ackpdu>]` (also `+CMSS`): a status report will name it (3GPP TS 27.005 §4.3).
#[must_use]
pub fn submitted_reference(line: &str) -> Option<u8> {
    number_field(&fields(answer(line, "+CMGS").or_else(|| answer(line, "+CMSS"))?), 0)
}

/// The service centre of `+CSCA: "<number>",<type>`; `None` if it is not set (3GPP TS 27.005 §3.3.1).
///
/// The number may come as UCS-2 in hexadecimal when `AT+CSCS="UCS2"` is set.
#[must_use]
pub fn service_center(line: &str) -> Option<Address> {
    let fields = fields(answer(line, "+CSCA")?);
    let (text, kind) = (text_field(&fields, 0)?, number_field(&fields, 1));
    match ucs2_hex(text) {
        Some(text) => super::sim::numbered(&text, kind),
        None => super::sim::numbered(text, kind),
    }
}

/// Reads a number in UCS-2 hexadecimal: groups of four digits that are all ASCII (`00` in front).
fn ucs2_hex(text: &str) -> Option<String> {
    if text.len() < 8 || !text.len().is_multiple_of(4) || !text.starts_with("00") {
        return None;
    }
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let units: Option<Vec<u16>> = digits?
        .chunks_exact(4)
        .map(|group| u16::try_from(group.iter().fold(0, |sum, digit| sum * 16 + digit)).ok())
        .map(|unit| unit.filter(|unit| (0x20..0x7F).contains(unit)))
        .collect();
    Some(ucs2::decode(&units?).as_str().to_owned())
}

/// `+CPMS`: how full the storage messages are read from is (3GPP TS 27.005 §3.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageUse {
    /// The storage; only the answer to `AT+CPMS?` names it.
    pub name: Option<String>,
    /// Messages in it.
    pub used: u16,
    /// Messages it can hold.
    pub total: u16,
}

impl StorageUse {
    /// Reads the answer to a setting or a question; the first storage only. Some modems answer nothing: none.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let fields = fields(answer(line, "+CPMS")?);
        let named = number_field::<u16>(&fields, 0).is_none();
        let first = usize::from(named);
        Some(Self {
            name: named.then(|| text_field(&fields, 0).map(str::to_owned)).flatten(),
            used: number_field(&fields, first)?,
            total: number_field(&fields, first + 1)?,
        })
    }

    /// Reads the answer to `AT+CPMS?`: the storages that messages are read from, written to and received in, as far as they are
    /// told. None where they are not named.
    #[must_use]
    pub fn parse_all(line: &str) -> Vec<Self> {
        let fields = answer(line, "+CPMS").map(fields).unwrap_or_default();
        let storage = |place: usize| {
            let first = place * 3;
            if number_field::<u16>(&fields, first).is_some() {
                return None;
            }
            Some(Self {
                name: Some(text_field(&fields, first)?.to_owned()),
                used: number_field(&fields, first + 1)?,
                total: number_field(&fields, first + 2)?,
            })
        };
        (0..3).map_while(storage).collect()
    }
}

/// `+CPMS: (…),(…),(…)`: the storages a modem has, for reading, writing and receiving.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StorageSupport(pub Vec<Vec<String>>);

impl StorageSupport {
    /// Reads the answer to `AT+CPMS=?`; an extra pair of parentheses around all is dropped.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut rest = answer(line, "+CPMS")?;
        if rest.starts_with("((") && rest.ends_with("))") {
            rest = rest.strip_prefix('(')?.strip_suffix(')')?;
        }
        let lists = fields(rest).into_iter().filter_map(|list| {
            let inner = list.strip_prefix('(')?.trim_end_matches(')');
            Some(fields(inner).into_iter().map(|name| super::unquoted(name).to_owned()).collect())
        });
        let lists: Vec<Vec<String>> = lists.collect();
        (!lists.is_empty()).then_some(Self(lists))
    }

    /// Whether every list there is (reading, writing, receiving) has the storage.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().all(|list| list.iter().any(|known| known == name))
    }
}

/// The line before a PDU in a listing: `+CMGL: <index>,<stat>,[<alpha>],<length>` (3GPP TS 27.005 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedMessage {
    /// The place in the storage.
    pub index: u16,
    /// 0 unread, 1 read, 2 unsent, 3 sent.
    pub status: u8,
    /// The length of the TPDU, in octets.
    pub tpdu_length: usize,
}

impl ListedMessage {
    /// Reads one line.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let fields = fields(answer(line, "+CMGL")?);
        Some(Self {
            index: number_field(&fields, 0)?,
            status: number_field(&fields, 1)?,
            tpdu_length: number_field(&fields, fields.len().checked_sub(1).filter(|last| *last >= 2)?)?,
        })
    }
}

/// The line before a PDU that was asked for: `+CMGR: <stat>,[<alpha>],<length>` (3GPP TS 27.005 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadMessage {
    /// 0 unread, 1 read, 2 unsent, 3 sent.
    pub status: u8,
    /// The length of the TPDU, in octets.
    pub tpdu_length: usize,
}

impl ReadMessage {
    /// Reads one line.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let fields = fields(answer(line, "+CMGR")?);
        let last = fields.len().checked_sub(1).filter(|last| *last >= 1)?;
        Some(Self { status: number_field(&fields, 0)?, tpdu_length: number_field(&fields, last)? })
    }
}

/// The values a setting can have, such as `(0-1,3)`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ValueSet(Vec<(u16, u16)>);

impl ValueSet {
    /// Reads one parenthesised list; what is no number or range in it is left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let inner = text.trim().trim_start_matches('(').trim_end_matches(')');
        let range = |item: &str| {
            let (first, last) = item.split_once('-').unwrap_or((item, item));
            Some((super::unquoted(first).parse().ok()?, super::unquoted(last).parse().ok()?))
        };
        Self(inner.split(',').filter_map(range).collect())
    }

    /// Whether the setting can have this value.
    #[must_use]
    pub fn contains(&self, value: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&value))
    }
}

/// `+CNMI: (…),(…),(…),(…),(…)`: how a modem can announce messages (3GPP TS 27.005 §3.4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessageSupport([ValueSet; 5]);

impl NewMessageSupport {
    /// Reads the answer to `AT+CNMI=?`; lists that are missing at the end hold 0 only.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let rest = answer(line, "+CNMI")?;
        let mut lists = fields(rest).into_iter();
        let first = lists.next().filter(|list| list.starts_with('('))?;
        let mut next = || ValueSet::parse(lists.next().unwrap_or("(0)"));
        Some(Self([ValueSet::parse(first), next(), next(), next(), next()]))
    }

    /// Whether every value of mode, mt, bm, ds and bfr is listed.
    #[must_use]
    pub fn allows(&self, values: [u16; 5]) -> bool {
        self.0.iter().zip(values).all(|(set, value)| set.contains(value))
    }
}

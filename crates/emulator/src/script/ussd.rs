//! One answer of the network to a USSD code or reply.
//!
//! Read from a script or made by a test; the engine does what stands here.

use std::time::Duration;

use serde::Deserialize;

/// What the network answers to one code, or to one reply after it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UssdRule {
    /// The code, and the replies that lead on from it, with one blank between: `*123#`, `*123# 2`, `*123# 2 1`.
    pub dial: String,
    /// The text.
    #[serde(default)]
    pub answer: String,
    /// Whether the network waits for a reply.
    #[serde(default)]
    pub menu: bool,
    /// How the text is coded.
    #[serde(default)]
    pub coding: UssdCoding,
    /// `<m>` of the answer; without it 1 for a menu and 0 else.
    #[serde(default)]
    pub status: Option<u8>,
    /// This line instead, as it is; with `\r\n` in it, several.
    #[serde(default)]
    pub raw: Option<String>,
    /// No answer ever comes.
    #[serde(default)]
    pub silent: bool,
    /// When the answer comes; without it after the air time.
    #[serde(default, deserialize_with = "crate::duration::optional::deserialize")]
    pub after: Option<Duration>,
    /// When the network ends a menu in which nobody replies.
    #[serde(default, deserialize_with = "crate::duration::optional::deserialize")]
    pub ends_after: Option<Duration>,
    /// Only the modem of this name.
    #[serde(default)]
    pub modem: Option<String>,
}

impl UssdRule {
    /// Makes a rule that answers with a text and ends the dialogue.
    #[must_use]
    pub fn answer(dial: impl Into<String>, answer: impl Into<String>) -> Self {
        Self {
            dial: dial.into(),
            answer: answer.into(),
            menu: false,
            coding: UssdCoding::Gsm7,
            status: None,
            raw: None,
            silent: false,
            after: None,
            ends_after: None,
            modem: None,
        }
    }
}

/// How the text of an answer is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UssdCoding {
    /// Data coding scheme 15.
    #[default]
    Gsm7,
    /// Data coding scheme 72.
    Ucs2,
    /// Data coding scheme 68: UTF-8 in octets.
    Octets,
}

/// What keeps a rule from ever doing what it says.
pub(super) fn problem(rule: &UssdRule) -> Option<&'static str> {
    let mut words = rule.dial.split(' ');
    let is_code = words.next().is_some_and(|code| code.starts_with(['*', '#']) && code.ends_with('#'));
    if !is_code || words.any(str::is_empty) {
        return Some("`dial` is a code like *123#, and the replies after it with one blank between: \"*123# 2\"");
    }
    if rule.ends_after.is_some() && !rule.menu {
        return Some("`ends_after` needs `menu = true`");
    }
    if rule.status.is_some_and(|status| status > 5) {
        return Some("`status` is 0 to 5");
    }
    None
}

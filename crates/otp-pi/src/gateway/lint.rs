//! What there is to say about the text of a code before it is used: its size, its alphabet, whether phones will find the code.
//!
//! For the command line and the check of settings; refuses what [`super::text`] refuses, by asking it. It must never change a text:
//! look-alikes are proposed to a person and put in by nobody.

use domain::autofill::{Autofill, Host};
use domain::otp::CodeLength;
use gsm::{Encoding, gsm7, segment};

use super::text::{self, TextError};

/// What `app_hash` puts around a text, in bytes: the prefix, and the hash on a line of its own.
const APP_HASH_BYTES: usize = 16;

/// How grave a finding is.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// Good to know.
    Note,
    /// Costs more, or works less well than it could.
    Warning,
    /// It is refused.
    Error,
}

impl Severity {
    /// Answers the word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// How grave.
    pub severity: Severity,
    /// What there is.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

/// A character that is not in the GSM 7-bit alphabet: one of them is enough to halve what fits into an SMS.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Forced {
    /// The character.
    pub character: char,
    /// Its place among the characters of the text as it was written, from 1.
    pub position: usize,
    /// What says nearly the same and is in the alphabet.
    pub instead: Option<&'static str>,
}

/// A text, measured with a code of zeros and everything that is put around it.
#[derive(Clone, Debug)]
pub struct Lint {
    /// The alphabet that it is sent in.
    pub encoding: Encoding,
    /// Septets, or UTF-16 units.
    pub units: usize,
    /// How many of them one SMS holds.
    pub room: usize,
    /// How many SMS it takes.
    pub parts: usize,
    /// Bytes of UTF-8, as the SMS Retriever counts.
    pub bytes: usize,
    /// The last line, if browsers find site and code in it.
    pub last_line: Option<String>,
    /// What is not in the GSM 7-bit alphabet.
    pub forced: Vec<Forced>,
    /// What there is to say, the gravest first.
    pub findings: Vec<Finding>,
}

impl Lint {
    /// True for a text that may be used.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity < Severity::Error)
    }
}

/// Looks at a text.
#[must_use]
pub fn lint(text: &str, autofill: &Autofill, length: CodeLength) -> Lint {
    let composed = text::compose(text, autofill, length);
    let whole = composed.as_ref().map_or(text, |whole| whole.expose());
    let encoding = Encoding::of(whole);
    let units = gsm7::septets_needed(whole).unwrap_or_else(|| whole.encode_utf16().count());
    let last_line = whole.rsplit('\n').next().unwrap_or_default();
    let mut lint = Lint {
        encoding,
        units,
        room: encoding.capacity(0),
        parts: segment::count(whole),
        bytes: whole.len(),
        last_line: is_origin_bound(last_line).then(|| last_line.to_owned()),
        forced: forced(text),
        findings: Vec::new(),
    };
    let refused =
        composed.as_ref().map_err(|error| TextError::from(*error)).and_then(|_| text::check_size(whole, autofill));
    lint.findings.extend(refused.err().map(refusal));
    lint.findings.extend(long(&lint));
    lint.findings.extend(alphabet(&lint));
    lint.findings.extend(for_browsers(last_line, &lint));
    lint.findings.extend(for_apps(autofill, &lint));
    lint.findings.extend(locked_screen(text));
    lint.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    lint
}

fn refusal(error: TextError) -> Finding {
    let fix = match error {
        TextError::Template(_) => "write a text with one %s where the code belongs",
        TextError::TooManyParts(_) => "write a shorter text",
        TextError::TooLongForApps(_) => "write a shorter text, or leave app_hash out",
    };
    Finding { severity: Severity::Error, what: error.to_string(), fix: fix.to_owned() }
}

fn long(lint: &Lint) -> Option<Finding> {
    let unit = if lint.encoding == Encoding::Gsm7 { "septets" } else { "units of UCS-2" };
    (lint.parts == text::MOST_PARTS).then(|| Finding {
        severity: Severity::Warning,
        what: format!("it takes {} SMS with its code: each code costs twice, and both must arrive", lint.parts),
        fix: format!("shorten it by {} {unit}, to {} for one SMS", lint.units.saturating_sub(lint.room), lint.room),
    })
}

fn alphabet(lint: &Lint) -> Option<Finding> {
    let [first, ..] = lint.forced.as_slice() else { return None };
    let proposals: Vec<String> = lint.forced.iter().filter_map(proposal).collect();
    let can_be_mended = proposals.len() == lint.forced.len();
    let count = lint.forced.len();
    Some(Finding {
        severity: if can_be_mended { Severity::Warning } else { Severity::Note },
        what: format!(
            "{count} character(s) are not in the GSM alphabet, the first is {:?} at {}: an SMS holds 70 characters instead of 160",
            first.character, first.position
        ),
        fix: if can_be_mended {
            format!("write {}", proposals.join(", "))
        } else {
            "nothing, if the language needs them".to_owned()
        },
    })
}

fn proposal(forced: &Forced) -> Option<String> {
    Some(format!("{:?} instead of {:?} at {}", forced.instead?, forced.character, forced.position))
}

fn for_browsers(last_line: &str, lint: &Lint) -> Option<Finding> {
    (last_line.starts_with('@') && lint.last_line.is_none()).then(|| Finding {
        severity: Severity::Warning,
        what: "the last line begins with @, and browsers find no site and code in it".to_owned(),
        fix: "write it as @example.com #%s with one space, or leave it out and give domain".to_owned(),
    })
}

fn for_apps(autofill: &Autofill, lint: &Lint) -> Option<Finding> {
    let with_hash = lint.bytes.saturating_add(APP_HASH_BYTES);
    (autofill.app_hash.is_none() && with_hash > Autofill::MOST_RETRIEVER_BYTES).then(|| Finding {
        severity: Severity::Note,
        what: format!("with an app_hash it would have {with_hash} bytes, and Android apps read at most 140"),
        fix: "nothing, unless requests name an app_hash".to_owned(),
    })
}

fn locked_screen(text: &str) -> Option<Finding> {
    text.starts_with("%s").then(|| Finding {
        severity: Severity::Note,
        what: "it begins with the code, which a locked phone may then show to whoever holds it".to_owned(),
        fix: "put the code behind some words, if that matters (NIST SP 800-63B: not shown while locked)".to_owned(),
    })
}

/// Tells whether a browser finds a site and a code in the last line.
///
/// # Standard
/// WICG "Origin-bound one-time codes delivered via SMS" §3.2 (2021).
fn is_origin_bound(line: &str) -> bool {
    let mut fields = line.split(' ');
    let host = fields.next().and_then(|field| field.strip_prefix('@'));
    let code = fields.next().and_then(|field| field.strip_prefix('#'));
    host.is_some_and(|host| Host::parse(host).is_ok()) && code.is_some_and(|code| !code.is_empty())
}

fn forced(text: &str) -> Vec<Forced> {
    let outside = |character: &char| gsm7::septets_needed(character.encode_utf8(&mut [0; 4])).is_none();
    let numbered = text.chars().zip(1..).filter(|(character, _)| outside(character));
    numbered.map(|(character, position)| Forced { character, position, instead: instead_of(character) }).collect()
}

/// What is in the alphabet and says nearly the same.
fn instead_of(character: char) -> Option<&'static str> {
    Some(match character {
        '\u{2018}' | '\u{2019}' | '\u{201A}' | '\u{2032}' | '`' | '\u{B4}' => "'",
        '\u{201C}' | '\u{201D}' | '\u{201E}' | '\u{AB}' | '\u{BB}' | '\u{2033}' => "\"",
        '\u{2010}'..='\u{2015}' | '\u{2212}' => "-",
        '\u{2026}' => "...",
        '\u{A0}' | '\u{2007}' | '\u{2009}' | '\u{202F}' | '\t' => " ",
        '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{FEFF}' | '\u{AD}' => "",
        '\u{2022}' | '\u{B7}' => "*",
        'ç' => "c",
        'á' | 'â' | 'ã' => "a",
        'Á' | 'À' | 'Â' | 'Ã' => "A",
        'ê' | 'ë' => "e",
        'Ê' | 'È' | 'Ë' => "E",
        'í' | 'î' | 'ï' | 'ı' => "i",
        'Í' | 'Ì' | 'Î' | 'İ' => "I",
        'ó' | 'ô' | 'õ' => "o",
        'Ó' | 'Ò' | 'Ô' | 'Õ' => "O",
        'ú' | 'û' => "u",
        'Ú' | 'Ù' | 'Û' => "U",
        'ğ' => "g",
        'Ğ' => "G",
        'ş' => "s",
        'Ş' => "S",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use domain::autofill::{AppHash, BoundDomain};

    use super::*;

    fn look(text: &str) -> Lint {
        lint(text, &Autofill::default(), CodeLength::default())
    }

    fn said(lint: &Lint) -> Vec<(&'static str, &str)> {
        lint.findings.iter().map(|finding| (finding.severity.as_str(), finding.what.as_str())).collect()
    }

    #[test]
    fn a_short_text_of_the_alphabet_is_measured_and_nothing_is_said() {
        let lint = look("Your code is %s");
        assert_eq!((lint.encoding, lint.units, lint.room, lint.parts, lint.bytes), (Encoding::Gsm7, 19, 160, 1, 19));
        assert_eq!((lint.is_good(), said(&lint)), (true, vec![]));
        // Two septets each in the extension table.
        assert_eq!(look("[%s] {€}").units, 4 + 6 + 1 + 6);
    }

    #[test]
    fn what_is_refused_to_callers_is_an_error_here() {
        for (text, what) in [
            ("Your code", "the message holds no %s for the code"),
            ("%s %s", "the message holds more than one %s"),
            (&format!("{}%s", "a".repeat(301)), "it takes 3 SMS with its code, at most 2 are allowed"),
        ] {
            let lint = look(text);
            assert!(!lint.is_good(), "{text}");
            assert_eq!(said(&lint)[0], ("error", what));
        }
    }

    #[test]
    fn characters_that_force_ucs2_are_named_with_their_place_and_what_to_write_instead() {
        let lint = look("Your “code”\u{a0}is %s…");
        assert_eq!(lint.encoding, Encoding::Ucs2);
        let forced: Vec<_> = lint.forced.iter().map(|one| (one.character, one.position, one.instead)).collect();
        assert_eq!(
            forced,
            [('“', 6, Some("\"")), ('”', 11, Some("\"")), ('\u{a0}', 12, Some(" ")), ('…', 18, Some("..."))]
        );
        assert_eq!(lint.findings[0].severity, Severity::Warning);
        assert!(lint.findings[0].fix.starts_with("write \"\\\"\" instead of '“' at 6, "), "{}", lint.findings[0].fix);
        let russian = look("Ваш код: %s");
        assert_eq!((russian.units, russian.room, russian.findings[0].severity), (15, 70, Severity::Note));
    }

    #[test]
    fn every_proposal_is_in_the_alphabet_and_every_one_is_needed() {
        for character in '\u{1}'..='\u{FFFF}' {
            if let Some(instead) = instead_of(character) {
                assert!(gsm7::septets_needed(instead).is_some(), "{instead:?}");
                assert!(gsm7::septets_needed(&character.to_string()).is_none(), "{character:?} is in the alphabet");
            }
        }
    }

    #[test]
    fn a_second_sms_is_a_warning_with_how_much_is_too_much() {
        let lint = look(&format!("{}%s", "a".repeat(160)));
        assert_eq!((lint.parts, lint.is_good()), (2, true));
        assert_eq!(lint.findings[0].fix, "shorten it by 6 septets, to 160 for one SMS");
    }

    #[test]
    fn the_line_for_browsers_is_shown_and_a_broken_one_of_ones_own_is_told() {
        let domain = BoundDomain { host: Host::parse("example.com").unwrap(), embedded: None };
        let app_hash = Some(AppHash::parse("FA+9qCX9VSu").unwrap());
        let all = lint("Kode: %s", &Autofill { domain: Some(domain), app_hash }, CodeLength::default());
        assert_eq!(all.last_line.as_deref(), Some("@example.com #000000 FA+9qCX9VSu"));
        assert_eq!(all.bytes, "<#> Kode: 000000\n@example.com #000000 FA+9qCX9VSu".len());
        for (text, found) in [
            ("Kode\n@example.com #%s", true),
            ("Kode\n@example.com #%s @shop.example", true),
            ("Kode\n@example.com  #%s", false),
            ("Kode\n@example.com:443 #%s", false),
            ("Kode\n@example.com %s", false),
        ] {
            let lint = look(text);
            assert_eq!(lint.last_line.is_some(), found, "{text}");
            assert_eq!(said(&lint).iter().any(|(_, what)| what.starts_with("the last line")), !found, "{text}");
        }
    }

    #[test]
    fn a_code_at_the_beginning_and_a_text_too_long_for_apps_are_noted() {
        assert!(look("%s is your code").findings[0].what.starts_with("it begins with the code"));
        let lint = look(&format!("{}%s", "a".repeat(119)));
        assert_eq!(
            said(&lint),
            [("note", "with an app_hash it would have 141 bytes, and Android apps read at most 140")]
        );
    }
}

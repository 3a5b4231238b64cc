//! The texts of codes: which one, what is put around it, and whether it may be sent so.
//!
//! Everything is known before there is a code, because its digits do not change a length. Called by [`super::otp`], and by whoever checks
//! texts before they are used. It must never show a text.

use std::collections::BTreeMap;

use domain::autofill::Autofill;
use domain::locale::Locale;
use domain::otp::{Code, CodeLength};
use domain::secret::SecretText;
use domain::template::{Template, TemplateError};
use gsm::segment;

/// An OTP text may take this many parts at most: more cost more and arrive late.
pub(super) const MOST_PARTS: usize = 2;

/// The configured texts, each with one `%s`.
#[derive(Clone, Debug)]
pub struct Texts {
    /// Where no language is named, or there is none for it.
    pub fallback: SecretText,
    /// By language.
    pub by_locale: BTreeMap<Locale, SecretText>,
}

impl Texts {
    /// Chooses a text: exactly this language, else a broader one, else the fallback.
    pub(super) fn choose(&self, locale: Option<&Locale>) -> &SecretText {
        let found = locale.and_then(|locale| locale.lookup().find_map(|tag| self.by_locale.get(&tag)));
        found.unwrap_or(&self.fallback)
    }
}

/// Why a code cannot be sent with a text.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TextError {
    /// It is no template.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// It takes too many SMS.
    #[error("it takes {0} SMS with its code, at most {MOST_PARTS} are allowed")]
    TooManyParts(usize),
    /// The SMS Retriever would not read it.
    #[error("it has {0} bytes with its code and app_hash, and Android apps read at most {most}", most = Autofill::MOST_RETRIEVER_BYTES)]
    TooLongForApps(usize),
}

/// Puts a code of zeros into a text.
pub(super) fn compose(text: &str, autofill: &Autofill, length: CodeLength) -> Result<SecretText, TemplateError> {
    Ok(Template::parse(text)?.with(autofill).render(&Code::placeholder(length)))
}

/// Checks the text of a code: one place for it, and not too long with it and with what is put around it.
///
/// # Errors
/// [`TextError`].
pub fn check_text(text: &str, autofill: &Autofill, length: CodeLength) -> Result<(), TextError> {
    let whole = compose(text, autofill, length)?;
    check_size(whole.expose(), autofill)
}

pub(super) fn check_size(whole: &str, autofill: &Autofill) -> Result<(), TextError> {
    if autofill.app_hash.is_some() && whole.len() > Autofill::MOST_RETRIEVER_BYTES {
        return Err(TextError::TooLongForApps(whole.len()));
    }
    match segment::count(whole) {
        0..=MOST_PARTS => Ok(()),
        parts => Err(TextError::TooManyParts(parts)),
    }
}

#[cfg(test)]
mod tests {
    use domain::autofill::AppHash;

    use super::*;

    #[test]
    fn a_language_without_a_text_is_answered_in_a_broader_one_or_the_fallback() {
        let by_locale = [("id", "Kode %s"), ("pt-BR", "Código %s")]
            .map(|(tag, text)| (Locale::parse(tag).unwrap(), SecretText::new(text)));
        let texts = Texts { fallback: SecretText::new("Code %s"), by_locale: BTreeMap::from(by_locale) };
        for (tag, text) in [
            ("id", "Kode %s"),
            ("id_ID", "Kode %s"),
            ("ID-id-x-shop", "Kode %s"),
            ("pt-br", "Código %s"),
            ("pt", "Code %s"),
            ("pt-PT", "Code %s"),
            ("de", "Code %s"),
        ] {
            assert_eq!(texts.choose(Some(&Locale::parse(tag).unwrap())).expose(), text, "{tag}");
        }
        assert_eq!(texts.choose(None).expose(), "Code %s");
    }

    #[test]
    fn a_text_for_apps_has_at_most_140_bytes_with_all_that_is_put_around_it() {
        let for_apps = Autofill { domain: None, app_hash: Some(AppHash::parse("FA+9qCX9VSu").unwrap()) };
        let check = |text: &str, autofill: &Autofill| check_text(text, autofill, CodeLength::default());
        // 4 for the prefix, 6 for the code, 12 for the hash and its line.
        let most = format!("{}%s", "a".repeat(118));
        assert_eq!(check(&most, &for_apps), Ok(()));
        assert_eq!(check(&format!("{most}b"), &for_apps), Err(TextError::TooLongForApps(141)));
        assert_eq!(check(&format!("{most}b"), &Autofill::default()), Ok(()));
        // Bytes, not letters.
        assert_eq!(check(&format!("{}%s", "é".repeat(59)), &for_apps), Ok(()));
        assert_eq!(check(&format!("{}%s", "é".repeat(60)), &for_apps), Err(TextError::TooLongForApps(142)));
    }
}

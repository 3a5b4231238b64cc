//! The language that a user reads, as callers name it, and which others do instead.
//!
//! For choosing among the texts of the settings. A tag is only compared here: whether such a language exists is not asked.

/// The longest tag that is taken; those in use are far shorter.
const LONGEST_TAG: usize = 35;

/// Why a text is no language tag.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it must be a language tag like id, id-ID or zh-Hant-TW")]
pub struct LocaleError;

/// A language tag, in small letters.
///
/// # Standard
/// RFC 5646 §2.1 (BCP 47), its form alone; `_` is read as `-`, as phones write it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Locale(String);

impl Locale {
    /// Reads a tag.
    ///
    /// # Errors
    /// [`LocaleError`].
    pub fn parse(text: &str) -> Result<Self, LocaleError> {
        let tag = text.to_ascii_lowercase().replace('_', "-");
        let is_language =
            |subtag: &str| (2..=8).contains(&subtag.len()) && subtag.bytes().all(|b| b.is_ascii_alphabetic());
        let is_subtag =
            |subtag: &str| (1..=8).contains(&subtag.len()) && subtag.bytes().all(|b| b.is_ascii_alphanumeric());
        let mut subtags = tag.split('-');
        if tag.len() <= LONGEST_TAG && subtags.next().is_some_and(is_language) && subtags.all(is_subtag) {
            Ok(Self(tag))
        } else {
            Err(LocaleError)
        }
    }

    /// Answers the tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Answers the tag and whatever else would do, best first: one subtag less each time.
    ///
    /// # Standard
    /// RFC 4647 §3.4, lookup.
    pub fn lookup(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self.0.as_str()), |tag| {
            let (rest, _) = tag.rsplit_once('-')?;
            // A single letter begins an extension and means nothing by itself.
            match rest.rsplit_once('-') {
                Some((before, single)) if single.len() == 1 => Some(before),
                _ => Some(rest),
            }
        })
        .map(|tag| Self(tag.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_falls_back_to_its_language() {
        for (tag, expected) in [
            ("id", &["id"] as &[&str]),
            ("id-ID", &["id-id", "id"]),
            ("id_ID", &["id-id", "id"]),
            ("zh-Hant-TW", &["zh-hant-tw", "zh-hant", "zh"]),
            ("en-u-ca-gregory", &["en-u-ca-gregory", "en-u-ca", "en"]),
        ] {
            let found: Vec<_> = Locale::parse(tag).unwrap().lookup().map(|locale| locale.as_str().to_owned()).collect();
            assert_eq!(found, expected, "{tag}");
        }
    }

    #[test]
    fn what_is_no_tag_is_refused() {
        for text in [
            "",
            "i",
            "-",
            "id-",
            "-id",
            "id--ID",
            "id ID",
            "id-ÏD",
            "1d",
            "indonesian",
            "*",
            "en-toolongsubtag",
            &"ab-".repeat(20),
        ] {
            assert_eq!(Locale::parse(text), Err(LocaleError), "{text:?}");
        }
    }
}

//! The texts of codes: the one for everybody, and those in other languages.

use std::collections::BTreeMap;

use domain::autofill::Autofill;
use domain::locale::Locale;
use domain::otp::CodeLength;
use domain::secret::SecretText;

use super::file::File;
use super::resolve::Found;
use crate::gateway::{Severity, Texts, check_text, lint};

/// Reads the texts.
pub(super) fn read(file: &File, length: Option<CodeLength>, found: &mut Found) -> Option<Texts> {
    let length = length?;
    let fallback = text("otp.template", &file.otp.template, length, found);
    let mut by_locale = BTreeMap::new();
    for (index, one) in file.otp_template.iter().enumerate() {
        let key = |name: &str| format!("otp_template[{index}].{name}");
        let locale = match Locale::parse(&one.locale) {
            Ok(locale) => locale,
            Err(error) => {
                found.problem(key("locale"), format!("{:?}: {error}", one.locale), "write it like \"id\" or \"pt-BR\"");
                continue;
            }
        };
        if let Some(text) = text(&key("text"), &one.text, length, found)
            && by_locale.insert(locale, text).is_some()
        {
            found.problem(key("locale"), format!("{:?} is there twice", one.locale), "keep one of them");
        }
    }
    Some(Texts { fallback: fallback?, by_locale })
}

fn text(key: &str, text: &str, length: CodeLength, found: &mut Found) -> Option<SecretText> {
    if let Err(error) = check_text(text, &Autofill::default(), length) {
        found.problem(key, error.to_string(), "write a short text with one %s, like \"Your code is %s\"");
        return None;
    }
    for finding in lint(text, &Autofill::default(), length).findings {
        if finding.severity == Severity::Warning {
            found.warn(key, finding.what, finding.fix);
        }
    }
    Some(SecretText::new(text))
}

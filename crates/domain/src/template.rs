//! The text of an OTP message with the one place for its code, and what is put around it for phones that read it.
//!
//! `%s` is replaced literally; there is no format function, so `%d` and `%%` are just text. A caller writes one place; a second
//! one is only ever ours, in the last line that web browsers look for. How long a text becomes does not depend on the digits.

use std::fmt;

use crate::autofill::Autofill;
use crate::otp::Code;
use crate::secret::SecretText;

/// Where the code goes.
const PLACE: &str = "%s";

/// Why a text is not a template.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TemplateError {
    /// No place for the code.
    #[error("the message holds no %s for the code")]
    NoPlace,
    /// More than one place for the code.
    #[error("the message holds more than one %s")]
    ManyPlaces,
}

/// A text that holds exactly one `%s`, and what [`Self::with`] puts around it.
#[derive(Clone, PartialEq, Eq)]
pub struct Template {
    /// The code stands between each two of them.
    pieces: Vec<SecretText>,
}

impl Template {
    /// Parses a text.
    ///
    /// # Errors
    /// If it holds no `%s`, or more than one.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let (before, after) = text.split_once(PLACE).ok_or(TemplateError::NoPlace)?;
        if after.contains(PLACE) {
            return Err(TemplateError::ManyPlaces);
        }
        Ok(Self { pieces: vec![SecretText::new(before), SecretText::new(after)] })
    }

    /// Adds what phones look for. For a site the last line is `@host #code`, or `@host #code @embedded`, where the code stands a
    /// second time; for an app the text begins with `<#> ` and ends with the hash, on a line of its own or after the site's
    /// fields, where that line's rules let anything stand.
    ///
    /// # Standard
    /// WICG "Origin-bound one-time codes delivered via SMS" §3 (2021): one U+0020 between fields, what follows them is ignored.
    /// Android SMS Retriever: the prefix and the hash at the end satisfy its old rules and its new ones.
    #[must_use]
    pub fn with(mut self, autofill: &Autofill) -> Self {
        let Autofill { domain, app_hash } = autofill;
        if app_hash.is_some()
            && let Some(first) = self.pieces.first_mut()
        {
            *first = SecretText::new(format!("<#> {}", first.expose()));
        }
        if let Some(domain) = domain {
            self.append(&format!("\n@{} #", domain.host.as_str()));
            let embedded = domain.embedded.as_ref().map(|embedded| format!(" @{}", embedded.as_str()));
            self.pieces.push(SecretText::new(embedded.unwrap_or_default()));
        }
        if let Some(app_hash) = app_hash {
            let between = if domain.is_some() { ' ' } else { '\n' };
            self.append(&format!("{between}{}", app_hash.as_str()));
        }
        self
    }

    fn append(&mut self, more: &str) {
        if let Some(last) = self.pieces.last_mut() {
            *last = SecretText::new(format!("{}{more}", last.expose()));
        }
    }

    /// Puts the code in its places.
    pub fn render(&self, code: &Code) -> SecretText {
        // Sized beforehand: growing would leave a copy of the code behind.
        let length = self.pieces.iter().map(|piece| piece.expose().len() + code.expose().len()).sum();
        let mut text = String::with_capacity(length);
        for (piece, is_first) in self.pieces.iter().zip(std::iter::once(true).chain(std::iter::repeat(false))) {
            if !is_first {
                text.push_str(code.expose());
            }
            text.push_str(piece.expose());
        }
        SecretText::new(text)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Template(•••)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::autofill::{AppHash, BoundDomain, Host};
    use crate::otp::CodeLength;

    fn autofill(host: &str, embedded: &str, app_hash: &str) -> Autofill {
        let embedded = Some(embedded).filter(|text| !text.is_empty()).map(|text| Host::parse(text).unwrap());
        let domain = Some(host).filter(|text| !text.is_empty());
        Autofill {
            domain: domain.map(|text| BoundDomain { host: Host::parse(text).unwrap(), embedded }),
            app_hash: Some(app_hash).filter(|text| !text.is_empty()).map(|text| AppHash::parse(text).unwrap()),
        }
    }

    fn compose(template: &str, autofill: &Autofill) -> String {
        let code = Code::placeholder(CodeLength::default());
        Template::parse(template).unwrap().with(autofill).render(&code).expose().to_owned()
    }

    #[test]
    fn sites_and_apps_find_the_code_where_they_look_for_it() {
        let check = |template: &str, (host, embedded, app_hash): (&str, &str, &str), text: &str| {
            assert_eq!(compose(template, &autofill(host, embedded, app_hash)), text);
        };
        check("%s is your code.", ("", "", ""), "000000 is your code.");
        check("%s is your code.", ("example.com", "", ""), "000000 is your code.\n@example.com #000000");
        check("%s", ("example.com", "pay.example", ""), "000000\n@example.com #000000 @pay.example");
        check("Kode: %s\n", ("Example.com", "", ""), "Kode: 000000\n\n@example.com #000000");
        check("Ваш код: %s", ("example.com", "", ""), "Ваш код: 000000\n@example.com #000000");
        check("%s is your code.", ("", "", "FA+9qCX9VSu"), "<#> 000000 is your code.\nFA+9qCX9VSu");
        check("Ваш код: %s", ("", "", "FA+9qCX9VSu"), "<#> Ваш код: 000000\nFA+9qCX9VSu");
        check("%s: kode", ("example.com", "", "FA+9qCX9VSu"), "<#> 000000: kode\n@example.com #000000 FA+9qCX9VSu");
        check("%s", ("a.example", "b.example", "FA+9qCX9VSu"), "<#> 000000\n@a.example #000000 @b.example FA+9qCX9VSu");
    }

    /// Reads a message as the WICG's rules say, written from them alone: top-level host, embedded host, code.
    fn parse_origin_bound(message: &str) -> Option<(String, Option<String>, String)> {
        let normalised = message.replace("\r\n", "\n").replace('\r', "\n");
        let line: Vec<char> = normalised.rsplit('\n').next()?.chars().collect();
        let mut position = 0;
        let token = |marker: char, position: &mut usize| {
            if *line.get(*position)? != marker {
                return None;
            }
            *position += 1;
            let is_space = |c: char| matches!(c, '\t' | '\n' | '\u{c}' | '\r' | ' ');
            let text: String = line[*position..].iter().take_while(|c| !is_space(**c)).collect();
            *position += text.chars().count();
            (!text.is_empty()).then_some(text)
        };
        let host = token('@', &mut position)?;
        if *line.get(position)? != ' ' {
            return None;
        }
        position += 1;
        let code = token('#', &mut position)?;
        let mut embedded = None;
        if line.get(position) == Some(&' ') {
            position += 1;
            embedded = token('@', &mut position);
        }
        Some((host, embedded, code))
    }

    proptest! {
        #[test]
        fn whatever_the_text_says_the_last_line_names_the_site_and_the_code(
            before in "[^%]*",
            after in "[^%]*",
            host in "[a-z0-9]{1,20}(\\.[a-z0-9-]{0,5}[a-z]){1,3}",
            embedded in proptest::option::of("[a-z]{1,9}\\.example"),
            app_hash in proptest::option::of("[A-Za-z0-9+/]{11}"),
        ) {
            let Ok(parsed) = Host::parse(&host) else { return Ok(()) };
            let autofill = autofill(parsed.as_str(), embedded.as_deref().unwrap_or(""), app_hash.as_deref().unwrap_or(""));
            let text = compose(&format!("{before}%s{after}"), &autofill);
            prop_assert_eq!(parse_origin_bound(&text), Some((host, embedded, "000000".to_owned())));
            if let Some(app_hash) = app_hash {
                prop_assert!(text.starts_with("<#> ") && text.ends_with(&app_hash));
            }
        }
    }

    fn render(template: &str) -> Result<String, TemplateError> {
        let code = Code::placeholder(CodeLength::default());
        Template::parse(template).map(|template| template.render(&code).expose().to_owned())
    }

    #[test]
    fn the_one_place_is_replaced_literally() {
        for (template, text) in [
            ("%s", "000000"),
            ("Your code is %s", "Your code is 000000"),
            ("%s is your code. 100%% safe, %d %n {}", "000000 is your code. 100%% safe, %d %n {}"),
            ("50%%s", "50%000000"),
            ("kode Anda: %s ✓", "kode Anda: 000000 ✓"),
        ] {
            assert_eq!(render(template).unwrap(), text);
        }
    }

    #[test]
    fn no_place_or_two_are_refused() {
        for (template, error) in [
            ("", TemplateError::NoPlace),
            ("Your code", TemplateError::NoPlace),
            ("%S % s %d", TemplateError::NoPlace),
            ("%s %s", TemplateError::ManyPlaces),
            ("%s%s%s", TemplateError::ManyPlaces),
        ] {
            assert_eq!(render(template), Err(error), "{template}");
        }
    }

    #[test]
    fn debug_does_not_show_the_text() {
        assert_eq!(format!("{:?}", Template::parse("secret %s").unwrap()), "Template(•••)");
    }
}

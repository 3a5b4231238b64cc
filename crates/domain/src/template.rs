//! The text of an OTP message with the one place for its code.
//!
//! `%s` is replaced literally; there is no format function, so `%d` and `%%` are just text.

use std::fmt;

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

/// A text that holds exactly one `%s`.
#[derive(Clone, PartialEq, Eq)]
pub struct Template {
    before: SecretText,
    after: SecretText,
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
        Ok(Self { before: SecretText::new(before), after: SecretText::new(after) })
    }

    /// Puts the code in its place.
    pub fn render(&self, code: &Code) -> SecretText {
        let parts = [self.before.expose(), code.expose(), self.after.expose()];
        // Sized beforehand: growing would leave a copy of the code behind.
        let mut text = String::with_capacity(parts.iter().map(|part| part.len()).sum());
        text.extend(parts);
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
    use super::*;
    use crate::otp::CodeLength;

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

//! Takes a command line apart: V.250 basic commands, extended commands separated by semicolons, and their arguments.
//!
//! Called by the engine; never executes anything.
//!
//! # Standard
//! ITU-T V.250 §5.2–§5.4.

use super::error::AtError;

/// How a command is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    /// `AT+CSQ`
    Plain,
    /// `AT+CREG?`
    Read,
    /// `AT+CREG=?`
    Test,
    /// `AT+CREG=2`, `ATE0`
    Set(String),
}

/// One command of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    /// Upper case, with its mark: `E`, `&F`, `+CMGS`.
    pub(crate) name: String,
    pub(crate) form: Form,
    /// `AT` and the command as written, for faults.
    pub(crate) written: String,
}

impl Command {
    /// Whether it is about a message that is given or sent, in steps of its own.
    pub(crate) fn has_body(&self) -> bool {
        matches!(self.name.as_str(), "+CMGS" | "+CMGW" | "+CMSS")
    }
}

/// Splits what follows `AT`.
pub(crate) fn split(line: &str) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut rest = line.trim_start_matches([' ', ';']);
    while let Some(first) = rest.chars().next() {
        let end = if first.is_ascii_alphabetic() || first == '&' { basic_end(rest) } else { extended_end(rest) };
        let (written, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        commands.push(parse(written.trim()));
        rest = after.trim_start_matches([' ', ';']);
    }
    commands
}

/// Where a basic command ends: letter (with `&`), digits; `S` registers and dialling take more.
fn basic_end(text: &str) -> usize {
    let name = usize::from(text.starts_with('&')) + 1;
    let after = text.get(name..).unwrap_or_default();
    match text.chars().next().map(|letter| letter.to_ascii_uppercase()) {
        Some('D') => text.len(),
        Some('S') => {
            name + after.find(|letter: char| !letter.is_ascii_digit() && !"=?".contains(letter)).unwrap_or(after.len())
        }
        _ => name + after.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(after.len()),
    }
}

/// Where an extended command ends: at a semicolon outside quotes.
fn extended_end(text: &str) -> usize {
    let mut is_quoted = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '"' => is_quoted = !is_quoted,
            ';' if !is_quoted => return at,
            _ => {}
        }
    }
    text.len()
}

fn parse(written: &str) -> Command {
    let is_basic = written.starts_with(|first: char| first.is_ascii_alphabetic() || first == '&');
    let (name, form) = if let Some((name, value)) = written.split_once('=') {
        (name, if value == "?" { Form::Test } else { Form::Set(value.to_owned()) })
    } else if let Some(name) = written.strip_suffix('?') {
        (name, Form::Read)
    } else if is_basic {
        let length = usize::from(written.starts_with('&')) + 1;
        let (name, value) = written.split_at_checked(length).unwrap_or((written, ""));
        (name, if value.is_empty() { Form::Plain } else { Form::Set(value.to_owned()) })
    } else {
        (written, Form::Plain)
    };
    Command { name: name.trim().to_ascii_uppercase(), form, written: format!("AT{written}") }
}

/// One argument of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Argument {
    pub(crate) text: String,
    pub(crate) is_quoted: bool,
}

/// The arguments of a command; numbers and strings are told apart where it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arguments(Vec<Argument>);

impl Arguments {
    /// Splits at commas outside quotes.
    pub(crate) fn parse(value: &str) -> Self {
        let mut arguments = Vec::new();
        let mut current = Argument { text: String::new(), is_quoted: false };
        let mut inside = false;
        for letter in value.chars() {
            match letter {
                '"' => {
                    inside = !inside;
                    current.is_quoted = true;
                }
                ',' if !inside => {
                    arguments.push(std::mem::replace(&mut current, Argument { text: String::new(), is_quoted: false }));
                }
                ' ' if !inside => {}
                other => current.text.push(other),
            }
        }
        arguments.push(current);
        Self(arguments)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Text of an argument, if it is there and not empty.
    pub(crate) fn text(&self, at: usize) -> Option<&str> {
        self.0.get(at).map(|argument| argument.text.as_str()).filter(|text| !text.is_empty())
    }

    /// A string argument, which must be quoted unless it is plain digits.
    pub(crate) fn string(&self, at: usize) -> Option<&str> {
        let argument = self.0.get(at)?;
        let is_plain = argument.text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+*#-".contains(&byte));
        (argument.is_quoted || is_plain).then_some(argument.text.as_str())
    }

    /// A number of the allowed range; `None` when left out.
    pub(crate) fn number(
        &self,
        at: usize,
        allowed: std::ops::RangeInclusive<u32>,
        wrong: AtError,
    ) -> Result<Option<u32>, AtError> {
        let Some(argument) = self.0.get(at).filter(|argument| !argument.text.is_empty()) else { return Ok(None) };
        if argument.is_quoted {
            return Err(wrong);
        }
        match argument.text.parse() {
            Ok(number) if allowed.contains(&number) => Ok(Some(number)),
            _ => Err(wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_where_v250_says() {
        let cases: [(&str, &[(&str, Form)]); 9] = [
            ("", &[]),
            ("E0V1", &[("E", Form::Set("0".into())), ("V", Form::Set("1".into()))]),
            ("+CMEE=1;+CREG=2", &[("+CMEE", Form::Set("1".into())), ("+CREG", Form::Set("2".into()))]),
            ("e0+csq", &[("E", Form::Set("0".into())), ("+CSQ", Form::Plain)]),
            ("+CUSD=1,\"*1;2#\",15", &[("+CUSD", Form::Set("1,\"*1;2#\",15".into()))]),
            ("&F&C1", &[("&F", Form::Plain), ("&C", Form::Set("1".into()))]),
            ("S0=0", &[("S0", Form::Set("0".into()))]),
            ("+CMGF=?", &[("+CMGF", Form::Test)]),
            ("D*99#;", &[("D", Form::Set("*99#;".into()))]),
        ];
        for (line, expected) in cases {
            let commands: Vec<_> = split(line).into_iter().map(|command| (command.name, command.form)).collect();
            let expected: Vec<_> = expected.iter().map(|(name, form)| ((*name).to_owned(), form.clone())).collect();
            assert_eq!(commands, expected, "{line}");
        }
    }

    #[test]
    fn arguments_know_their_quotes() {
        let arguments = Arguments::parse("1,\"a,b\",,15");
        assert_eq!(arguments.number(0, 0..=2, AtError::Plain), Ok(Some(1)));
        assert_eq!(arguments.text(1), Some("a,b"));
        assert_eq!(arguments.number(2, 0..=2, AtError::Plain), Ok(None));
        assert_eq!(arguments.number(3, 0..=2, AtError::Plain), Err(AtError::Plain));
        assert_eq!(Arguments::parse("\"1\"").number(0, 0..=2, AtError::Plain), Err(AtError::Plain));
    }
}

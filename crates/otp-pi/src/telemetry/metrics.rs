//! Numbers for Prometheus, written when they are asked for: text format 0.0.4.
//!
//! A few lines of text need no registry: whoever owns a number is asked for it at that moment, so nothing is counted twice and nothing
//! runs between two scrapes. Pure; filled by `app`. It must never be given a number of somebody, a text or a name that a caller chose.

use std::fmt::{Display, Write as _};

/// What kind of number it is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the program starts anew.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// The text as far as it is written.
#[derive(Clone, Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// The content type of the answer.
    pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// Writes one family: its head, and a line for each pair of labels and number. A family without lines is left out.
    pub fn family<'a, V: Display>(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        samples: impl IntoIterator<Item = (Vec<(&'a str, &'a str)>, V)>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        self.0.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        for (labels, value) in samples {
            self.0.push_str(name);
            for (place, (label, text)) in labels.iter().enumerate() {
                self.0.push_str(if place == 0 { "{" } else { "," });
                self.0.push_str(&format!("{label}=\"{}\"", escaped(text)));
            }
            self.0.push_str(if labels.is_empty() { " " } else { "} " });
            // Writing to a string cannot fail.
            writeln!(self.0, "{value}").ok();
        }
    }

    /// Writes a family of one number.
    pub fn number(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help, [(Vec::new(), value)]);
    }

    /// The whole text.
    #[must_use]
    pub fn finish(self) -> String {
        self.0
    }
}

/// What a label may not hold as it is.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_have_a_head_and_labels_are_escaped() {
        let mut text = Exposition::default();
        text.family(
            "otp_pi_a_total",
            Kind::Counter,
            "What it is.",
            [(vec![("modem", "a\"\\\n"), ("state", "sent")], 3), (vec![], 4)],
        );
        text.family("otp_pi_none", Kind::Gauge, "Nothing.", Vec::<(Vec<(&str, &str)>, u32)>::new());
        text.number("otp_pi_b", Kind::Gauge, "A number.", -71);
        let expected = "# HELP otp_pi_a_total What it is.\n# TYPE otp_pi_a_total counter\n\
                        otp_pi_a_total{modem=\"a\\\"\\\\\\n\",state=\"sent\"} 3\notp_pi_a_total 4\n\
                        # HELP otp_pi_b A number.\n# TYPE otp_pi_b gauge\notp_pi_b -71\n";
        assert_eq!(text.finish(), expected);
    }
}

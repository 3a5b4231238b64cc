//! `otp-pi template lint`: what is to be said about the texts of codes before anybody uses them. Needs no gateway.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use domain::autofill::{AppHash, Autofill, BoundDomain, Host};
use domain::otp::CodeLength;
use gsm::Encoding;
use serde::Serialize;

use super::{CONFIG, CONFIG_VARIABLE, output, place};
use crate::gateway::{Lint, lint};

/// What can be done about texts.
#[derive(Debug, Subcommand)]
pub(super) enum TemplateCommand {
    /// Measures a text and tells what is wrong or unwise about it; exit code 1 when it would be refused
    Lint(LintArguments),
}

/// Arguments of `template lint`.
#[derive(Debug, Args)]
pub(super) struct LintArguments {
    /// The text with its one %s; - reads it from standard input
    #[arg(required_unless_present = "all", value_name = "TEXT")]
    text: Option<String>,
    /// Looks at all configured texts instead, in every language
    #[arg(long, conflicts_with = "text")]
    all: bool,
    /// With the last line that browsers look for, for this site
    #[arg(long, value_name = "HOST", value_parser = Host::parse)]
    domain: Option<Host>,
    /// For a frame of this site inside the other
    #[arg(long, value_name = "HOST", value_parser = Host::parse, requires = "domain")]
    embedded_domain: Option<Host>,
    /// With what an Android app looks for
    #[arg(long, value_name = "HASH", value_parser = AppHash::parse)]
    app_hash: Option<AppHash>,
    /// Digits of the code; with --all those of the configuration count
    #[arg(long, value_name = "DIGITS", default_value = "6", value_parser = code_length, conflicts_with = "all")]
    length: CodeLength,
    /// The configuration file, for --all
    #[arg(long, value_name = "FILE", env = CONFIG_VARIABLE, default_value = CONFIG)]
    config: PathBuf,
    /// Answers in JSON
    #[arg(long)]
    json: bool,
}

fn code_length(text: &str) -> Result<CodeLength, String> {
    let digits: u8 = text.parse().map_err(|_| "it must be a number".to_owned())?;
    CodeLength::new(digits).map_err(|error| error.to_string())
}

/// The longest text that is read, in bytes: far more than two SMS hold.
const LONGEST: usize = 16 * 1024;

/// Looks at one text, or at all that are configured.
///
/// # Errors
/// The text or the configuration cannot be read.
pub(super) fn run(command: &TemplateCommand) -> anyhow::Result<ExitCode> {
    let TemplateCommand::Lint(arguments) = command;
    let domain = arguments.domain.clone();
    let autofill = Autofill {
        domain: domain.map(|host| BoundDomain { host, embedded: arguments.embedded_domain.clone() }),
        app_hash: arguments.app_hash.clone(),
    };
    let looked: Vec<(Option<String>, Lint)> = match &arguments.text {
        Some(text) => vec![(None, lint(&read(text)?, &autofill, arguments.length))],
        None => {
            let (length, texts) = configured(arguments)?;
            texts.into_iter().map(|(name, text)| (Some(name), lint(&text, &autofill, length))).collect()
        }
    };
    let views: Vec<View<'_>> = looked.iter().map(|(name, lint)| View::new(name.as_deref(), lint)).collect();
    output::result(arguments.json, &serde_json::json!({ "texts": views }), || {
        views.iter().map(View::words).collect::<Vec<_>>().join("\n")
    })?;
    Ok(if looked.iter().all(|(_, lint)| lint.is_good()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(text: &str) -> anyhow::Result<String> {
    if text != "-" {
        return Ok(text.to_owned());
    }
    let read = place::read_text(Path::new("-"), LONGEST)?;
    // What an editor or `echo` puts at the end belongs to nobody's text.
    Ok(read.expose().strip_suffix('\n').unwrap_or(read.expose()).to_owned())
}

/// The texts of file, environment and database, each with its key; those that a start would refuse too.
fn configured(arguments: &LintArguments) -> anyhow::Result<(CodeLength, Vec<(String, String)>)> {
    let document = super::serve::runtime()?.block_on(place::document(&arguments.config))?;
    let length = CodeLength::new(document.otp.length).context("otp.length")?;
    let mut texts = vec![("otp.template".to_owned(), document.otp.template)];
    texts.extend(document.otp_template.into_iter().map(|one| (format!("otp_template.{}.text", one.locale), one.text)));
    Ok((length, texts))
}

/// What is said about one text.
#[derive(Serialize)]
struct View<'a> {
    name: Option<&'a str>,
    good: bool,
    encoding: &'static str,
    /// Septets, or UTF-16 units.
    units: usize,
    /// How many of them one SMS holds.
    room: usize,
    sms: usize,
    bytes: usize,
    last_line: Option<&'a str>,
    forced: Vec<ForcedView>,
    findings: Vec<FindingView<'a>>,
}

#[derive(Serialize)]
struct ForcedView {
    character: char,
    position: usize,
    instead: Option<&'static str>,
}

#[derive(Serialize)]
struct FindingView<'a> {
    severity: &'static str,
    what: &'a str,
    fix: &'a str,
}

impl<'a> View<'a> {
    fn new(name: Option<&'a str>, lint: &'a Lint) -> Self {
        let forced = lint.forced.iter();
        let findings = lint.findings.iter();
        Self {
            name,
            good: lint.is_good(),
            encoding: match lint.encoding {
                Encoding::Gsm7 => "gsm7",
                Encoding::Ucs2 => "ucs2",
            },
            units: lint.units,
            room: lint.room,
            sms: lint.parts,
            bytes: lint.bytes,
            last_line: lint.last_line.as_deref(),
            forced: forced
                .map(|one| ForcedView { character: one.character, position: one.position, instead: one.instead })
                .collect(),
            findings: findings
                .map(|one| FindingView { severity: one.severity.as_str(), what: &one.what, fix: &one.fix })
                .collect(),
        }
    }

    fn words(&self) -> String {
        let name = self.name.map(|name| format!("{name}: ")).unwrap_or_default();
        let units = if self.encoding == "gsm7" { "GSM-7, septets" } else { "UCS-2, units" };
        let (count, room, sms, bytes) = (self.units, self.room, self.sms, self.bytes);
        let mut lines = vec![format!("{name}{units}: {count} (one SMS holds {room}), SMS: {sms}, bytes: {bytes}")];
        lines.extend(self.last_line.map(|line| format!("  browsers read: {line}")));
        for FindingView { severity, what, fix } in &self.findings {
            lines.push(format!("{severity}: {what}\n  fix: {fix}"));
        }
        lines.join("\n")
    }
}

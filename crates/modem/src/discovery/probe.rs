//! Asks a line whether a modem is behind it, and which.
//!
//! Says ESC, CR, `AT`, and a few questions, which change nothing on a modem. Something else may be behind a serial line
//! (a printer, a ruler, a machine), so only who wants it probes.

use std::path::Path;
use std::time::Duration;

use gsm::{FinalResult, Line, LineSplitter, at};
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::profile::Profile;
use crate::serial::{SerialError, SerialLine};
use crate::session::{answer_result, text};
use crate::settings::Settings;
use crate::status::{Identity, LineFault};

/// How often `AT` is said before a line counts as silent: a modem that measures the speed needs some.
const TRIES: u32 = 3;
/// Bytes read at once.
const READ_BUFFER: usize = 512;
/// Lines kept of one answer.
const ANSWER_LINES: usize = 8;

/// How to probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeSettings {
    /// Speeds to try, in this order; a line over USB ignores them.
    ///
    /// # Units
    /// Bits per second.
    pub rates: Vec<u32>,
    /// How long one answer may take.
    pub patience: Duration,
    /// How long what was half said is drained.
    pub settle: Duration,
}

impl Default for ProbeSettings {
    fn default() -> Self {
        Self { rates: vec![115_200, 9600], patience: Duration::from_millis(400), settle: Duration::from_millis(50) }
    }
}

/// What came of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probed {
    /// A modem answered.
    Answers {
        /// At which speed.
        baud_rate: u32,
        /// Who it is, as far as it tells without its SIM being open.
        identity: Box<Identity>,
    },
    /// Something answers `ERROR` to everything.
    Errors {
        /// At which speed.
        baud_rate: u32,
    },
    /// Something comes from the line, and it is no answer.
    Gibberish,
    /// Nothing comes from the line.
    Silent,
    /// The line cannot be used.
    Unusable(LineFault),
}

/// Asks a line at one speed after the other until something answers.
pub async fn probe(path: &Path, settings: &ProbeSettings) -> Probed {
    let mut best = Probed::Silent;
    for baud_rate in &settings.rates {
        match probe_at(path, *baud_rate, settings).await {
            Ok(Probed::Silent) => {}
            Ok(Probed::Gibberish) => best = Probed::Gibberish,
            Ok(answered) => return answered,
            Err(error) => return Probed::Unusable(error.fault()),
        }
    }
    best
}

async fn probe_at(path: &Path, baud_rate: u32, settings: &ProbeSettings) -> Result<Probed, SerialError> {
    let line = Settings { baud_rate, ..Settings::new("probe", path) };
    let opened = tokio::task::spawn_blocking(move || crate::serial::open(&line.path, &line)).await;
    let line = SerialLine::watch(opened.map_err(|error| SerialError::Unwatchable { source: error.into() })??)?;
    let mut talk = Talk { line, splitter: LineSplitter::new(), settings, is_heard: false };
    talk.drain(b"\x1b").await?;
    talk.drain(b"\r").await?;
    // What was half said before is not the modem's answer.
    talk.is_heard = false;
    let mut last = None;
    for _ in 0..TRIES {
        last = talk.ask("AT").await?.1;
        if last == Some(FinalResult::Ok) {
            let identity = Box::new(talk.identity().await?);
            return Ok(Probed::Answers { baud_rate, identity });
        }
    }
    Ok(match last {
        Some(_) => Probed::Errors { baud_rate },
        None if talk.is_heard => Probed::Gibberish,
        None => Probed::Silent,
    })
}

/// The smallest conversation: a command, its lines, its end.
struct Talk<'a> {
    line: SerialLine,
    splitter: LineSplitter,
    settings: &'a ProbeSettings,
    is_heard: bool,
}

type Lines = Vec<Zeroizing<String>>;

impl Talk<'_> {
    async fn identity(&mut self) -> Result<Identity, SerialError> {
        let manufacturer = self.ask("AT+CGMI").await?.0;
        let model = self.ask("AT+CGMM").await?.0;
        let revision = self.ask("AT+CGMR").await?.0;
        let imei = self.ask("AT+CGSN").await?.0;
        let mut identity = Identity {
            manufacturer: text(&manufacturer, "+CGMI"),
            model: text(&model, "+CGMM"),
            revision: text(&revision, "+CGMR"),
            imei: imei.iter().find_map(|line| at::imei(line)).map(str::to_owned),
            ..Identity::default()
        };
        for way in Profile::of(&identity).card {
            let (lines, result) = self.ask(way.command).await?;
            identity.iccid = lines.iter().find_map(|line| at::iccid(line)).map(str::to_owned);
            // A code is the answer of a modem that knows the command and has no SIM to ask.
            if identity.iccid.is_some() || matches!(result, Some(FinalResult::Cme(_)) | None) {
                break;
            }
        }
        Ok(identity)
    }

    /// Says one command and takes its answer; no result means that none came in time.
    async fn ask(&mut self, command: &str) -> Result<(Lines, Option<FinalResult>), SerialError> {
        self.write(format!("{command}\r").as_bytes()).await?;
        let deadline = Instant::now() + self.settings.patience;
        let mut lines = Lines::new();
        loop {
            for next in self.splitter.by_ref() {
                let Line::Text(line) = next else { continue };
                if let Some(result) = answer_result(&line) {
                    let is_ok = result == FinalResult::Ok;
                    return Ok((if is_ok { lines } else { Lines::new() }, Some(result)));
                }
                if line.as_str() != command && lines.len() < ANSWER_LINES {
                    lines.push(line);
                }
            }
            if !self.read_until(deadline).await? {
                return Ok((Lines::new(), None));
            }
        }
    }

    /// Writes, and drops whatever comes within the time to settle.
    async fn drain(&mut self, bytes: &[u8]) -> Result<(), SerialError> {
        self.write(bytes).await?;
        let deadline = Instant::now() + self.settings.settle;
        while self.read_until(deadline).await? {
            self.splitter.clear();
        }
        Ok(())
    }

    /// Reads once; answers whether something came before the deadline.
    async fn read_until(&mut self, deadline: Instant) -> Result<bool, SerialError> {
        let mut buffer = Zeroizing::new([0_u8; READ_BUFFER]);
        // A line that never stops talking must not keep us.
        if Instant::now() >= deadline {
            return Ok(false);
        }
        match tokio::time::timeout_at(deadline, self.line.read(buffer.as_mut_slice())).await {
            Ok(read) => {
                let count = read?;
                self.is_heard = true;
                self.splitter.push(buffer.get(..count).unwrap_or_default());
                Ok(true)
            }
            Err(_) => Ok(false),
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), SerialError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            // A line whose other side takes nothing is as good as silent.
            match tokio::time::timeout(self.settings.patience, self.line.write(rest)).await {
                Ok(written) => rest = rest.get(written?..).unwrap_or_default(),
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }
}

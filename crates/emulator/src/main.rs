//! `otp-pi-emulator`: emulated modems on PTYs, for tests of whole processes, demonstrations and bug reports.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use emulator::{Model, Modem, ModemSettings, Network, NetworkSettings, Script, parse_duration};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

/// Emulates GSM modems on pseudo terminals.
///
/// Every modem appears as DIR/modem1, DIR/modem2, … and can be opened like a serial port (any baud rate). When all of
/// them are there, one line `ready DIR/modem1 DIR/modem2 …` is printed. SIGTERM or SIGINT ends the program.
///
/// SMS between the modems arrive; their numbers are 6281100000001, 6281100000002, …  `*888#` and `*123#` are USSD menus.
#[derive(Debug, Parser)]
#[command(name = "otp-pi-emulator", version, after_long_help = SCRIPT_HELP)]
struct Arguments {
    /// Directory for the links to the PTYs; made if missing.
    #[arg(long, value_name = "DIR")]
    links: PathBuf,
    /// How many modems, 1 to 99.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=99))]
    modems: u8,
    /// Model that the modems are; given several times, they take them in turn. standard, sim800l, sim900, sim7600e, ec25,
    /// m26, huawei-e173, huawei-e3372, zte-mf190, wavecom-q2.
    #[arg(long, value_name = "MODEL", default_value = "standard")]
    model: Vec<Model>,
    /// From the whole PDU to its final result, for example 2.5s.
    #[arg(long, default_value = "0s", value_parser = parse_duration)]
    air_time: Duration,
    /// Setting up the link to the network, before the air time; paid once while `AT+CMMS` keeps it open.
    #[arg(long, default_value = "0s", value_parser = parse_duration)]
    link_setup: Duration,
    /// How long a link that is kept open waits for the next PDU.
    #[arg(long, default_value = "3s", value_parser = parse_duration)]
    link_hold: Duration,
    /// From transmission to the delivery report.
    #[arg(long, default_value = "0s", value_parser = parse_duration)]
    report_delay: Duration,
    /// Appends every transmitted PDU as one JSON line, before its modem answers.
    #[arg(long, value_name = "FILE")]
    transmissions: Option<PathBuf>,
    /// What goes wrong: faults, receivers and manners as TOML, see below.
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Delivers what comes on standard input, a line each: `modem1 +628126666666 the text`, or `modem1 = ` and the TPDU of an
    /// SMS-DELIVER in hexadecimal, sound or not.
    #[arg(long)]
    deliver_stdin: bool,
    /// Seed of everything that happens by chance.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// PIN every card asks for; without it the cards are open.
    #[arg(long)]
    pin: Option<String>,
    /// Restart and boot time of a modem.
    #[arg(long, default_value = "0s", value_parser = parse_duration)]
    boot_time: Duration,
}

const SCRIPT_HELP: &str = r#"Script (docs/emulator-scripts.md says what each word does and shows examples):
  [[fault]]
  when = "AT+CMGS"            # prefix of a command, any case; "*" is every command
  at = "after_pdu"            # "command", "prompt", "after_pdu", "after_transmission" or "after_result"
  nth = 3                     # only the third one; or probability = 0.05, or times = 2
  modem = "modem2"            # only this modem
  action = "reset"
  replug_after = "3s"         # after an unplug

  Actions with a moment (`at`): { cms_error = 38 }, { cme_error = 14 }, "error", { urc_inside = "RING" },
  { garbage = "\u0000~" }, { silence = "2s" }, "hang", "reset"; and { unplug = "prompt" }, which names it itself.
  Other actions: "lost_answer" (transmitted), "lost_answer_not_transmitted", "lost_result", "lost_information",
  { cms_error_before_prompt = 302 }, { cms_error_transmitted = 332 }, { delay = "2s" }, "lost_echo", "echo",
  "prompt_without_space", { prompt_late = "3s" }, "prompt_lost", "ok_to_everything", "swallow",
  { nonsense = "~~\r\n" }, "hang_until_reset", "hang_until_reopened"

  [[receiver]]
  number = "*666"             # exact, "prefix*", "*suffix" or "*"
  treatment = { fail = 70 }   # TP-ST of the report; or "deliver", "never_report", "report_twice",
                              # { late_report = "60s" }, { slow = "60s" }, { slow_air = "5s" }, { refuse = 38 },
                              # "early_report", { scattered_report = "9s" }, { pending_last = "2s" },
                              # { report_for = 62811999 }

  [[modem]]
  name = "modem2"             # without it every modem
  ussd_form = "packed"        # or "ucs2", "ucs2_answers", "plain"
  manners = ["silent_start"]  # "strict_prefix", "silent_escape", "silent_start", "not_allowed_at_start",
                              # "pin_state_without_ok", "saved_text_mode", "phase_two_plus_only",
                              # "silent_arrivals", "tells_full_memory", "report_memory", "odd_reports"

  [[ussd]]
  dial = "*123# 2"            # a code, and the replies after it
  answer = "Nomor Anda 628110000"
  menu = true                 # the network waits for a reply; and ends_after = "30s"
  coding = "ucs2"             # or "gsm7", "octets"; or raw = "+CUSD: 4" instead of all that; or silent = true
  status = 5                  # instead of 0 or 1
  after = "2s"                # when the answer comes"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told that this could not be written.
            let _told = writeln!(std::io::stderr(), "otp-pi-emulator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let script = match &arguments.script {
        Some(path) => Script::read(path)?,
        None => Script::default(),
    };
    for name in script.modem_names() {
        let is_there = (1..=arguments.modems).any(|index| modem_name(index) == name);
        anyhow::ensure!(
            is_there,
            "the script names modem `{name}`, but the modems are modem1 to modem{}: see --modems",
            arguments.modems
        );
    }
    let network = Network::new(NetworkSettings {
        air_time: arguments.air_time,
        link_setup: arguments.link_setup,
        link_hold: arguments.link_hold,
        report_delay: arguments.report_delay,
        seed: arguments.seed,
        receivers: script.receivers.clone(),
        starts_at_millis: wall_clock_millis(),
        ..NetworkSettings::default()
    });
    if let Some(path) = &arguments.transmissions {
        let file = OpenOptions::new().create(true).append(true).open(path);
        network.write_transmissions_to(file.with_context(|| format!("cannot write {}", path.display()))?);
    }
    std::fs::create_dir_all(&arguments.links)
        .with_context(|| format!("cannot make directory {}", arguments.links.display()))?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut running = JoinSet::new();
    let mut modems = Vec::new();
    let mut ready = String::from("ready");
    for index in 1..=arguments.modems {
        let name = modem_name(index);
        let link = arguments.links.join(&name);
        ready.push_str(&format!(" {}", link.display()));
        let settings = ModemSettings {
            link: Some(link),
            pin: arguments.pin.clone(),
            boot_time: arguments.boot_time,
            ..ModemSettings::of_model(model_of(&arguments.model, index), name, index)
        };
        let modem = Modem::start(&network, settings, script.clone())?;
        running.spawn(modem.run());
        modems.push(modem);
    }
    ready.push('\n');
    let mut stdout = std::io::stdout();
    stdout.write_all(ready.as_bytes())?;
    stdout.flush()?;
    if arguments.deliver_stdin {
        let network = network.clone();
        std::thread::spawn(move || {
            std::io::stdin().lines().map_while(Result::ok).for_each(|line| deliver(&network, &line));
        });
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        Some(ended) = running.join_next() => ended??,
    }
    for modem in &modems {
        modem.stop();
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(())
}

/// The model of a modem, counted from 1.
fn model_of(models: &[Model], index: u8) -> Model {
    models.iter().cycle().nth(usize::from(index).saturating_sub(1)).copied().unwrap_or(Model::Standard)
}

/// Delivers one line of standard input; says what is wrong with one that cannot be.
fn deliver(network: &Network, line: &str) {
    let mut words = line.splitn(3, ' ');
    let (Some(modem), Some(from), Some(text)) = (words.next(), words.next(), words.next()) else {
        tracing::error!("a line to deliver is a modem, a sender and a text, or a modem, = and a TPDU");
        return;
    };
    let is_delivered = if from == "=" {
        octets(text).is_some_and(|tpdu| network.deliver_tpdu(modem, &tpdu))
    } else {
        network.deliver(modem, from, text)
    };
    if !is_delivered {
        tracing::error!("there is no modem `{modem}`, or the TPDU is not hexadecimal");
    }
}

fn octets(hex: &str) -> Option<Vec<u8>> {
    let hex = hex.trim().as_bytes();
    let digit = |at: usize| hex.get(at).and_then(|digit| char::from(*digit).to_digit(16));
    let octet = |at: usize| u8::try_from(digit(at)? * 16 + digit(at + 1)?).ok();
    (0..hex.len()).step_by(2).map(octet).collect()
}

fn modem_name(index: u8) -> String {
    format!("modem{index}")
}

#[expect(clippy::disallowed_methods, reason = "the binary is an edge: its network starts at the real time")]
fn wall_clock_millis() -> i64 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

//! `[[modem]]`: the line, its SIM, and what it is meant for.

use std::collections::BTreeSet;
use std::time::Duration;

use ::modem::{
    DataBits, Driver, Iccid, Imei, Parity, Pin, Profile, Settings, SmsCenter, StopBits, UssdCode, UssdReply, Wanted,
    WantedError, is_same_line,
};
use domain::quota::SimPlan;
use domain::receiver::NumberingPlan;
use domain::route::ModemRoute;

use super::file::{File, ModemSection};
use super::resolve::{Found, ModemConfig};
use super::units::Span;
use super::{Problem, first_line};
use crate::ussd::{Amount, BalanceSettings, Pattern};

/// The shortest time that a modem can be given, and the longest: reports are kept for a little longer than that.
const TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(300);

/// The shortest time without a network that may lead to a restart, and the longest.
const NETWORK_TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
/// The words for who speaks to a modem.
const DRIVERS: [(&str, Driver); 2] = [("at", Driver::At), ("modemmanager", Driver::ModemManager)];

/// Reads one section.
pub(super) fn line(index: usize, section: &ModemSection, file: &File, found: &mut Found) -> Option<ModemConfig> {
    let key = |name: &str| format!("modem[{index}].{name}");
    let driver = found.word(&key("driver"), &section.driver, &DRIVERS);
    if driver == Some(Driver::ModemManager) {
        with_manager(key, section, found);
    } else if section.path.as_os_str().is_empty() && section.imei.is_empty() && section.iccid.is_empty() {
        found.problem(
            key("port"),
            "it is missing",
            "write the path of the serial line, for example \"/dev/ttyUSB2\", or the device's imei, or its SIM's iccid",
        );
    }
    let wanted = wanted(index, section, found);
    let parity = found.word(
        &key("parity"),
        &section.parity,
        &[("none", Parity::None), ("even", Parity::Even), ("odd", Parity::Odd)],
    );
    let data_bits = match section.data_bits {
        7 => DataBits::Seven,
        8 => DataBits::Eight,
        other => {
            found.problem(key("data_bits"), format!("{other} is not possible"), "write 8");
            DataBits::Eight
        }
    };
    let stop_bits = match section.stop_bits {
        1 => StopBits::One,
        2 => StopBits::Two,
        other => {
            found.problem(key("stop_bits"), format!("{other} is not possible"), "write 1");
            StopBits::One
        }
    };
    if section.start_bits != 1 {
        found.problem(key("start_bits"), "a serial line always has one start bit", "write 1 or leave it out");
    }
    let sim_pin = read_pin(index, section, found);
    let sms_center = if section.sms_center.is_empty() {
        None
    } else {
        found.take(
            SmsCenter::parse(section.sms_center.clone())
                .map_err(|error| Problem::new(key("sms_center"), error.to_string(), "write it like \"+6281100000\"")),
        )
    };
    let prompt = timeout(key("prompt_timeout"), section.prompt_timeout, found);
    let result = timeout(key("result_timeout"), section.result_timeout, found);
    let balance = balance(index, section, found);
    let profile = profile(&key("profile"), &section.profile, found);
    let mut line = Settings::new(section.name.clone(), section.path.clone());
    line.driver = driver?;
    line.timeouts.ussd_answer = timeout(key("ussd_timeout"), section.ussd_timeout, found);
    line.timeouts.ussd_idle = timeout(key("ussd_idle"), section.ussd_idle, found);
    line.wanted = wanted;
    line.baud_rate = section.baud_rate;
    line.parity = parity?;
    line.data_bits = data_bits;
    line.stop_bits = stop_bits;
    line.sim_pin = sim_pin;
    line.sms_center = sms_center;
    line.delivery_reports = file.sms.delivery_reports;
    line.profile = profile;
    line.timeouts.prompt = prompt;
    line.timeouts.result = result;
    heal(key, section, &mut line, found);
    let (is_default, is_active) = (section.default, section.active);
    Some(ModemConfig { line, is_default, is_active, sim_plan: SimPlan::default(), balance })
}

/// Reads how long a modem may fail to do its work before something is done about it.
fn heal(key: impl Fn(&str) -> String, section: &ModemSection, line: &mut Settings, found: &mut Found) {
    line.timeouts.attention = timeout(key("answer_timeout"), section.answer_timeout, found);
    line.timeouts.reset = timeout(key("reset_timeout"), section.reset_timeout, found);
    let offline = section.network_timeout.0;
    if !NETWORK_TIMEOUTS.contains(&offline) {
        found.problem(
            key("network_timeout"),
            "it is not between 1s and 1 day",
            "write for example \"3m\", or leave it out",
        );
    }
    line.timeouts.offline = offline;
}

/// What cannot be asked of ModemManager, or has to be said to it.
fn with_manager(key: impl Fn(&str) -> String, section: &ModemSection, found: &mut Found) {
    if section.path.as_os_str().is_empty() && section.imei.is_empty() {
        found.problem(
            key("port"),
            "it is missing",
            "write the modem's imei, or one of its ports, as `mmcli -m 0` shows them",
        );
    }
    let unheard = [("iccid", !section.iccid.is_empty()), ("balance_code", !section.balance_code.is_empty())];
    for (name, _) in unheard.into_iter().filter(|(_, is_written)| *is_written) {
        let fix = "take it out, or write driver = \"at\"";
        found.problem(key(name), "it does nothing with driver = \"modemmanager\"", fix);
    }
}

/// By whom the line is found.
fn wanted(index: usize, section: &ModemSection, found: &mut Found) -> Wanted {
    let bad = |name: &str, error: WantedError, fix: &str| {
        Problem::new(format!("modem[{index}].{name}"), error.to_string(), fix)
    };
    let imei = Some(section.imei.as_str()).filter(|text| !text.is_empty()).and_then(|text| {
        let fix = "copy the 15 digits from the device or from `otp-pi modem list`";
        found.take(Imei::parse(text).map_err(|error| bad("imei", error, fix)))
    });
    let iccid = Some(section.iccid.as_str()).filter(|text| !text.is_empty()).and_then(|text| {
        let fix = "copy the digits printed on the SIM, or from `otp-pi modem list`";
        found.take(Iccid::parse(text).map_err(|error| bad("iccid", error, fix)))
    });
    Wanted { imei, iccid }
}

/// The shortest time between two questions for a balance: each may cost something, and keeps messages waiting.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// Reads how the balance is asked; none if it is not.
fn balance(index: usize, section: &ModemSection, found: &mut Found) -> Option<BalanceSettings> {
    let key = |name: &str| format!("modem[{index}].{name}");
    if section.balance_code.is_empty() {
        let is_set = !section.balance_pattern.is_empty()
            || !section.balance_replies.is_empty()
            || section.balance_low > 0
            || !section.balance_interval.0.is_zero();
        if is_set {
            found.problem(
                key("balance_code"),
                "it is missing",
                "write the code that the operator names, for example \"*888#\"",
            );
        }
        return None;
    }
    let code = UssdCode::parse(&section.balance_code);
    let code = found
        .take(code.map_err(|error| Problem::new(key("balance_code"), error.to_string(), "write it like \"*888#\"")));
    let replies: Option<Vec<_>> = section
        .balance_replies
        .iter()
        .map(|reply| {
            found.take(UssdReply::parse(reply).map_err(|error| {
                Problem::new(key("balance_replies"), error.to_string(), "write them like [\"1\", \"2\"]")
            }))
        })
        .collect();
    let pattern = if section.balance_pattern.is_empty() {
        found.problem(
            key("balance_pattern"),
            "it is missing",
            "write it like 'Rp ?([0-9.,]+)': the group is the amount",
        );
        None
    } else {
        found.take(Pattern::parse(&section.balance_pattern).map_err(|error| {
            Problem::new(
                key("balance_pattern"),
                error.to_string(),
                "write it like 'Rp ?([0-9.,]+)': the group is the amount",
            )
        }))
    };
    let interval = section.balance_interval.0;
    if !interval.is_zero() && interval < SHORTEST_INTERVAL {
        found.problem(key("balance_interval"), "it is shorter than a second", "write for example \"6h\", or \"\"");
    }
    let low = (section.balance_low > 0).then(|| Amount::of_whole(section.balance_low));
    Some(BalanceSettings { code: code?, replies: replies?, pattern: pattern?, interval, low })
}

fn timeout(key: String, span: Span, found: &mut Found) -> Duration {
    if !TIMEOUTS.contains(&span.0) {
        found.problem(key, "it is not between 100ms and 5m", "write for example \"2m\", or leave it out");
    }
    span.0
}

/// Reads `"auto"` or the name of a profile.
fn profile(key: &str, text: &str, found: &mut Found) -> Option<&'static Profile> {
    let names = Profile::all().iter().map(|profile| (profile.name, Some(*profile)));
    let words: Vec<(&str, Option<&'static Profile>)> = std::iter::once(("auto", None)).chain(names).collect();
    found.word(key, text, &words).flatten()
}

fn read_pin(index: usize, section: &ModemSection, found: &mut Found) -> Option<Pin> {
    let key = |name: &str| format!("modem[{index}].{name}");
    let bad = |key: &str, error: &dyn std::fmt::Display| {
        Problem::new(key, error.to_string(), "a PIN is four to eight digits, in quotes or in the file's first line")
    };
    match (&section.sim_pin, &section.sim_pin_file) {
        (None, None) => None,
        (Some(clear), None) => {
            found.warnings.push(Problem::new(key("sim_pin"), "the PIN stands in clear", "use sim_pin_file"));
            found.take(Pin::parse(&clear.0).map_err(|error| bad(&key("sim_pin"), &error)))
        }
        (None, Some(path)) => {
            let text = found.take(first_line(&key("sim_pin_file"), path))?;
            let pin = Pin::parse(text.expose());
            found.take(pin.map_err(|error| bad(&key("sim_pin_file"), &format!("in {}: {error}", path.display()))))
        }
        (Some(_), Some(_)) => {
            found.problem(key("sim_pin"), "there is also a sim_pin_file", "keep one of the two");
            None
        }
    }
}

/// Prefixes are stored as callers' numbers are: `0871` becomes `62871`.
pub(super) fn route(
    index: usize,
    section: &ModemSection,
    plan: Option<&NumberingPlan>,
    found: &mut Found,
) -> ModemRoute {
    let mut prefixes = Vec::new();
    for prefix in &section.recipient_prefixes {
        let digits = prefix.trim().trim_start_matches('+');
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            found.problem(
                format!("modem[{index}].recipient_prefixes"),
                format!("{prefix:?} is not a prefix"),
                "write digits like \"62871\" or \"0871\"",
            );
        } else if let (Some(rest), Some(plan)) = (digits.strip_prefix('0'), plan) {
            prefixes.push(format!("{}{rest}", plan.country_code.as_str()));
        } else {
            prefixes.push(digits.to_owned());
        }
    }
    ModemRoute {
        name: section.name.clone(),
        prefixes,
        is_default: section.default,
        other_cost: section.other_cost,
        is_enabled: section.active && section.send_from_api,
    }
}

/// Names and lines must be the modems' own.
pub(super) fn check_all(sections: &[ModemSection], found: &mut Found) {
    let mut names = BTreeSet::new();
    for (index, section) in sections.iter().enumerate() {
        if section.name.is_empty() {
            found.problem(format!("modem[{index}].name"), "it is missing", "give every modem a name of its own");
        } else if !names.insert(&section.name) {
            found.problem(
                format!("modem[{index}].name"),
                "another modem has this name",
                "give every modem a name of its own",
            );
        }
        let has_its_line =
            |other: &&ModemSection| !section.path.as_os_str().is_empty() && is_same_line(&other.path, &section.path);
        if let Some(other) = sections.iter().take(index).find(has_its_line) {
            let what = match other.path == section.path {
                true => format!("modem {} uses this line, and so does {}", other.name, section.name),
                // Both paths: each looks like a line of its own.
                false => format!(
                    "{} is the line of modem {}, and {} is the same for {}",
                    other.path.display(),
                    other.name,
                    section.path.display(),
                    section.name
                ),
            };
            found.problem(format!("modem[{index}].port"), what, "one line, one modem");
        }
        check_identity(index, section, sections, found);
    }
}

/// One device and one SIM cannot be two modems.
fn check_identity(index: usize, section: &ModemSection, sections: &[ModemSection], found: &mut Found) {
    let own = |key: &'static str, value: fn(&ModemSection) -> &str| {
        let is_same = |other: &&ModemSection| !value(section).is_empty() && value(other) == value(section);
        sections.iter().take(index).find(is_same).map(|other| (key, other.name.clone()))
    };
    let twice = [own("imei", |section| &section.imei), own("iccid", |section| &section.iccid)];
    for (key, other) in twice.into_iter().flatten() {
        let what = format!("modem {other} has this {key}, and so does {}", section.name);
        found.problem(format!("modem[{index}].{key}"), what, format!("one {key}, one modem"));
    }
}

//! `[limits]`: rates, pauses, locks and destinations.

use std::time::Duration;

use domain::limits::{ConversionRules, Destinations, Mode, Rate, Rules};
use domain::receiver::NumberingPlan;

use super::file::File;
use super::resolve::Found;
use super::units::Span;
use crate::limits::Settings;

/// The longest pause or lock.
const LONGEST: Duration = Duration::from_secs(31 * 86_400);
/// Most pauses, rates or prefixes in one list.
const MOST: usize = 1_000;
/// Most rates in one list: each is looked at with every code.
const MOST_RATES: usize = 8;

/// Reads the section.
pub(super) fn read(file: &File, plan: NumberingPlan, found: &mut Found) -> Option<Settings> {
    let limits = &file.limits;
    let modes = [Mode::Enforce, Mode::Observe, Mode::Off].map(|mode| (mode.as_str(), mode));
    let mode = found.word("limits.mode", &limits.mode, &modes);
    let mut take = |key: &str, list: &[String]| rates(&format!("limits.{key}"), list, found);
    let codes_per_receiver = take("codes_per_receiver", &limits.codes_per_receiver);
    let wrong_per_receiver = take("wrong_per_receiver", &limits.wrong_per_receiver);
    let codes_per_prefix = take("codes_per_prefix", &limits.codes_per_prefix);
    let codes_per_country = take("codes_per_country", &limits.codes_per_country);
    let codes_per_client = take("codes_per_client", &limits.codes_per_client);
    check_spans(file, found);
    if limits.alarm_below > 100 {
        found.problem("limits.alarm_below", "it is a share in percent", "write 20, or 0 to judge nothing");
    }
    let destinations = Destinations {
        home: plan.country_code.as_str().to_owned(),
        allowed: prefixes("limits.destinations", &limits.destinations, true, found),
        denied: prefixes("limits.destinations_denied", &limits.destinations_denied, false, found),
    };
    let rules = Rules {
        mode: mode?,
        cool_down: limits.cool_down.iter().map(|Span(pause)| *pause).collect(),
        codes_per_receiver,
        wrong_per_receiver,
        lock_after: limits.lock_after,
        lock: limits.lock.0,
        longest_lock: limits.longest_lock.0,
        codes_per_prefix,
        codes_per_country,
        codes_per_client,
        destinations,
        conversion: ConversionRules { alarm_below: limits.alarm_below, learning: limits.learning.0 },
    };
    let api_users = file.api_user.iter().enumerate().filter_map(|(index, user)| {
        let rates = rates(&format!("api_user[{index}].limits"), &user.limits, found);
        (!rates.is_empty()).then(|| (user.username.clone(), rates))
    });
    let api_users = api_users.collect();
    Some(Settings { rules, plan, api_users })
}

/// Reads a list of rates.
pub(super) fn rates(key: &str, list: &[String], found: &mut Found) -> Vec<Rate> {
    if list.len() > MOST_RATES {
        found.problem(key, format!("there are more than {MOST_RATES} of them"), "keep those that matter");
    }
    let mut rates: Vec<Rate> = Vec::with_capacity(list.len());
    for text in list {
        match Rate::parse(text) {
            Ok(rate) if rates.iter().any(|other| other.period() == rate.period()) => {
                found.problem(key, format!("two of them have the period of {rate}"), "keep one of them");
            }
            Ok(rate) => rates.push(rate),
            Err(error) => found.problem(key, format!("{text:?}: {error}"), "write it like [\"3/10m\", \"5/1h\"]"),
        }
    }
    rates
}

fn check_spans(file: &File, found: &mut Found) {
    let limits = &file.limits;
    if limits.cool_down.len() > MOST || limits.cool_down.iter().any(|Span(pause)| *pause > LONGEST) {
        found.problem("limits.cool_down", "a pause is at most 31d", "write it like [\"30s\", \"60s\"]");
    }
    if limits.lock.0.is_zero() || limits.lock.0 > limits.longest_lock.0 {
        found.problem("limits.lock", "it must be more than zero and at most limits.longest_lock", "write \"1h\"");
    }
    for (key, Span(span)) in [("limits.longest_lock", limits.longest_lock), ("limits.learning", limits.learning)] {
        if span > LONGEST {
            found.problem(key, "it is at most 31d", "write it like \"24h\"");
        }
    }
}

fn prefixes(key: &str, list: &[String], takes_all: bool, found: &mut Found) -> Vec<String> {
    if list.len() > MOST {
        found.problem(key, format!("there are more than {MOST} of them"), "write shorter prefixes");
    }
    let mut prefixes = Vec::with_capacity(list.len());
    for text in list {
        let digits = text.trim().trim_start_matches('+');
        let is_prefix = (1..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        if is_prefix || (takes_all && digits == "*") {
            prefixes.push(digits.to_owned());
        } else {
            found.problem(
                key,
                format!("{text:?} is no country calling code or longer prefix"),
                "write digits without 0 in front, like \"65\" or \"1876\"",
            );
        }
    }
    prefixes
}

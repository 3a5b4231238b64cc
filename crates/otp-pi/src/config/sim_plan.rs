//! What a SIM may send and what that costs: the quota keys of `[[modem]]`, and the zone by whose clock they count.

use std::num::NonZeroU32;

use domain::quota::{Quota, Resets, SimPlan, Tariff};
use domain::route::ModemRoute;
use jiff::tz::TimeZone;

use super::file::{File, ModemSection};
use super::resolve::Found;

/// Reads the keys of all sections; `routes` has their prefixes, as callers' numbers are written.
pub(super) fn read_all(file: &File, routes: &[ModemRoute], found: &mut Found) -> Vec<SimPlan> {
    let sections = file.modem.iter().zip(routes).enumerate();
    sections.map(|(index, (section, route))| read(index, section, &route.prefixes, found)).collect()
}

fn read(index: usize, section: &ModemSection, prefixes: &[String], found: &mut Found) -> SimPlan {
    let key = |name: &str| format!("modem[{index}].{name}");
    let minute = minute_of_day(&section.quota_reset);
    if minute.is_none() {
        found.problem(key("quota_reset"), format!("{:?} is no time of day", section.quota_reset), "write \"00:00\"");
    }
    if !(1..=28).contains(&section.monthly_reset_day) {
        found.problem(key("monthly_reset_day"), "not every month has that day", "write a day from 1 to 28");
    }
    let (daily, monthly) = (section.daily_limit, section.monthly_limit);
    if monthly > 0 && daily > monthly {
        found.warn(
            key("daily_limit"),
            "it is more than monthly_limit, which ends first",
            "write less, or leave one of them out",
        );
    }
    let limit = NonZeroU32::new;
    SimPlan {
        quota: Quota {
            daily: limit(daily),
            monthly: limit(monthly),
            receivers: limit(section.monthly_recipients),
            per_minute: limit(section.rate_per_minute),
            resets: minute.and_then(|minute| Resets::new(minute, section.monthly_reset_day)).unwrap_or_default(),
        },
        tariff: Tariff { prefixes: prefixes.to_vec(), own: section.cost, other: section.other_cost },
    }
}

/// Reads the zone; the machine's own when none is named.
pub(super) fn zone(name: &str, found: &mut Found) -> Option<TimeZone> {
    if name.is_empty() {
        return Some(TimeZone::system());
    }
    let zone = TimeZone::get(name).ok();
    if zone.is_none() {
        found.problem(
            "device.time_zone",
            format!("{name:?} is no time zone that this machine knows"),
            "write it like \"Asia/Jakarta\" (timedatectl list-timezones), or leave it out; the package tzdata must be there",
        );
    }
    zone
}

/// `"21:30"` as minutes.
fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |digits: &str, most: u16| -> Option<u16> {
        let is_number = (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|number| is_number && *number <= most)
    };
    Some(number(hour, 23)? * 60 + number(minute, 59)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_has_hours_and_minutes() {
        for (text, minute) in [("00:00", Some(0)), ("21:30", Some(1_290)), ("7:05", Some(425)), ("23:59", Some(1_439))]
        {
            assert_eq!(minute_of_day(text), minute, "{text}");
        }
        for text in ["", "24:00", "12:60", "12", "12:", "+1:00", "001:00", "1:2:3", "midnight"] {
            assert_eq!(minute_of_day(text), None, "{text}");
        }
    }
}

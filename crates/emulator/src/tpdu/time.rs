//! Wall time as the network stamps it.
//!
//! Called by the network and by `AT+CCLK`.

/// Service centre time stamp of a wall time with an offset in quarters of an hour.
///
/// # Standard
/// 3GPP TS 23.040 §9.2.3.11.
pub(crate) fn timestamp(unix_millis: i64, quarters: i8) -> [u8; 7] {
    let [year, month, day, hour, minute, second] = civil(unix_millis, quarters);
    let zone = swapped(quarters.unsigned_abs()) | if quarters < 0 { 0x08 } else { 0 };
    [swapped(year), swapped(month), swapped(day), swapped(hour), swapped(minute), swapped(second), zone]
}

fn swapped(value: u8) -> u8 {
    ((value % 10) << 4) | (value / 10 % 10)
}

/// Year within its century, month, day, hour, minute and second of the local time.
pub(crate) fn civil(unix_millis: i64, quarters: i8) -> [u8; 6] {
    let seconds = unix_millis.div_euclid(1000) + i64::from(quarters) * 900;
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days to year, month and day: proleptic Gregorian calendar in eras of 400 years that begin in March.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    [year.rem_euclid(100), month, day, of_day / 3600, of_day / 60 % 60, of_day % 60]
        .map(|value| u8::try_from(value).unwrap_or(0))
}

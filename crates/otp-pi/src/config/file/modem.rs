//! `[[modem]]` as its owner writes it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::super::units::Span;
use super::{PlainPassword, seconds};

/// `[[modem]]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModemSection {
    /// Its name, unique.
    pub name: String,
    /// The path of its serial line; a stable one under `/dev/serial/by-id` is best.
    #[serde(rename = "port")]
    pub path: PathBuf,
    /// `"at"` or `"modemmanager"`.
    pub driver: String,
    /// The device's IMEI, by which it is found on whatever line it is; another device is not used.
    pub imei: String,
    /// The SIM's ICCID, by which it is found in whatever device it is; another SIM is not used.
    pub iccid: String,
    /// Baud rate.
    pub baud_rate: u32,
    /// `"none"`, `"even"` or `"odd"`.
    pub parity: String,
    /// 7 or 8.
    pub data_bits: u8,
    /// Always 1; named because the original appliance's table names it.
    pub start_bits: u8,
    /// 1 or 2.
    pub stop_bits: u8,
    /// How long the modem may take to ask for a message.
    pub prompt_timeout: Span,
    /// How long the modem may take to say what became of a message.
    pub result_timeout: Span,
    /// How long the modem may take to answer `AT`.
    pub answer_timeout: Span,
    /// How long the modem may take to start anew when it was told to.
    pub reset_timeout: Span,
    /// How long the modem may be without a network, or refuse every message, before it is told to start anew.
    pub network_timeout: Span,
    /// How long the network may take to answer a USSD code or reply.
    pub ussd_timeout: Span,
    /// How long a USSD menu may wait for a reply, while messages wait.
    pub ussd_idle: Span,
    /// The USSD code that tells what the SIM is worth; empty asks nothing.
    pub balance_code: String,
    /// Replies to the menus that it leads to.
    pub balance_replies: Vec<String>,
    /// Where the amount stands in the answer: the first group of a regular expression.
    pub balance_pattern: String,
    /// How often it is asked by itself; `""` or `"0s"`: only when somebody asks.
    pub balance_interval: Span,
    /// Below this the log tells an operator to top the SIM up; 0 is never.
    pub balance_low: u64,
    /// The SIM's PIN in clear; `check-config` warns.
    pub sim_pin: Option<PlainPassword>,
    /// A file whose first line is the SIM's PIN.
    pub sim_pin_file: Option<PathBuf>,
    /// The service centre to set, when the SIM's own is wrong.
    pub sms_center: String,
    /// The SIM's own number, shown to people.
    pub msisdn: String,
    /// `"auto"`, or the name of the profile by which the modem is spoken to.
    pub profile: String,
    /// Prefixes of receivers that this modem is meant for.
    pub recipient_prefixes: Vec<String>,
    /// Takes what no prefix claims.
    pub default: bool,
    /// May be used for API requests.
    pub send_from_api: bool,
    /// In use at all.
    pub active: bool,
    /// Price of a message to its own prefixes.
    pub cost: u32,
    /// Price of a message to others; the cheapest comes first on failover.
    pub other_cost: u32,
    /// Parts that API requests may send a day; 0 = no limit.
    pub daily_limit: u32,
    /// Parts that they may send a month; 0 = no limit.
    pub monthly_limit: u32,
    /// Different receivers that they may send to in a month; 0 = no limit.
    pub monthly_recipients: u32,
    /// Parts that they may send in any minute; 0 = no limit.
    pub rate_per_minute: u32,
    /// When a day of counting begins, as `"00:00"`.
    pub quota_reset: String,
    /// The day, 1 to 28, on which a month of counting begins.
    pub monthly_reset_day: u8,
}
defaults!(ModemSection {
    name: String::new(),
    path: PathBuf::new(),
    driver: "at".to_owned(),
    imei: String::new(),
    iccid: String::new(),
    baud_rate: 115_200,
    parity: "none".to_owned(),
    data_bits: 8,
    start_bits: 1,
    stop_bits: 1,
    prompt_timeout: seconds(10),
    result_timeout: seconds(120),
    answer_timeout: seconds(1),
    reset_timeout: seconds(20),
    network_timeout: seconds(180),
    ussd_timeout: seconds(90),
    ussd_idle: seconds(60),
    balance_code: String::new(),
    balance_replies: Vec::new(),
    balance_pattern: String::new(),
    balance_interval: seconds(0),
    balance_low: 0,
    sim_pin: None,
    sim_pin_file: None,
    sms_center: String::new(),
    msisdn: String::new(),
    profile: "auto".to_owned(),
    recipient_prefixes: Vec::new(),
    default: false,
    send_from_api: true,
    active: true,
    cost: 0,
    other_cost: 0,
    daily_limit: 0,
    monthly_limit: 0,
    monthly_recipients: 0,
    rate_per_minute: 0,
    quota_reset: "00:00".to_owned(),
    monthly_reset_day: 1,
});

//! The profiles: data alone, each what it has apart from [`BASE`]. A new value needs the device and firmware that want it.
//!
//! Sources: the makers' AT manuals, and what `ModemManager`, `oFono`, gammu, smstools and python-gsmmodem do with these
//! devices. What several of them agree on stands without a name; where one alone says it, it stands beside the value.

use super::{ImeiWays, Lte, Pattern, Profile, UssdForm, UssdWays, Way};

/// All of them: those that look alike with the narrower one first, the one for everything last.
pub(super) static ALL: [&Profile; 9] =
    [&SIM800, &SIM7600, &QUECTEL_EC25, &QUECTEL_M26, &HUAWEI_E3372, &HUAWEI_E173, &ZTE, &WAVECOM, &GENERIC];

const CCID: Way = way("AT+CCID", "+CCID");
const CICCID: Way = way("AT+CICCID", "+ICCID");
const QCCID: Way = way("AT+QCCID", "+QCCID");
const HUAWEI_ICCID: Way = way("AT^ICCID?", "^ICCID");
const ZGETICCID: Way = way("AT+ZGETICCID", "+ZGETICCID");

/// 3GPP TS 27.007 §8.65.
const CPINR: Way = way("AT+CPINR=\"SIM PIN\"", "+CPINR");
const SPIC: Way = way("AT+SPIC", "+SPIC");
const QPINC: Way = way("AT+QPINC?", "+QPINC");
const QTRPIN: Way = way("AT+QTRPIN", "+QTRPIN");
const HUAWEI_CPIN: Way = way("AT^CPIN?", "^CPIN");
const ZPINPUK: Way = way("AT+ZPINPUK=?", "+ZPINPUK");

/// Indications wait while data is carried. Modules that were made after the book.
const BUFFERED_WITH_REPORTS: &[&str] = &["2,1,2,1,0", "2,1,0,1,0", "2,1,2,2,0", "2,1,0,2,0", "2,1,0,0,0"];
/// Qualcomm and Balong firmware offers mode 2 and refuses it (Huawei MU509: "reserved"): mode 1 first.
const DIRECT_WITH_REPORTS: &[&str] = &["1,1,0,1,0", "1,1,0,2,0", "2,1,0,1,0", "2,1,0,2,0", "1,1,0,0,0", "2,1,0,0,0"];
const DIRECT_WITHOUT_REPORTS: &[&str] = &["1,1,0,0,0", "2,1,0,0,0"];
const BUFFERED_WITHOUT_REPORTS: &[&str] = &["2,1,0,0,0", "2,1,2,0,0", "1,1,0,0,0"];

const PLAIN: UssdWays = UssdWays { prepare: None, forms: &[UssdForm::Plain, UssdForm::Ucs2] };
/// `MediaTek` and Qualcomm modules alike; many firmwares answer ERROR.
const EGMR: ImeiWays = ImeiWays { read: "AT+EGMR=0,7", write: Some("AT+EGMR=1,7,") };
const CGSN: ImeiWays = ImeiWays { read: "AT+CGSN", write: None };
const CFUN: &[&str] = &["AT+CFUN=1,1"];

/// What most of them have alike: a plain stick that can tell neither its supply nor a way of its own.
const BASE: Profile = Profile {
    name: "",
    title: "",
    known_by: &[],
    usb: &[],
    quieting: &[],
    card: &[CCID],
    pin_tries: &[CPINR],
    is_pin_state_bare: false,
    routing_with_reports: DIRECT_WITH_REPORTS,
    routing_without_reports: DIRECT_WITHOUT_REPORTS,
    lte: Lte::Perhaps,
    started: &[],
    ready: &[],
    reset: CFUN,
    keeps_link_open: true,
    acknowledge: Some("AT+CNMA"),
    ussd: PLAIN,
    imei: CGSN,
    supply: None,
};

/// 2G modules on a UART; their supply is their weak side.
static SIM800: Profile = Profile {
    name: "sim800",
    title: "SIMCom SIM800, SIM900 and their kin (2G)",
    known_by: &[known("simcom", "sim8"), known("simcom", "sim9"), known("", "simcom_sim8"), known("", "simcom_sim9")],
    quieting: &[
        // A call would break a message off: callers hear a busy tone.
        "AT+GSMBUSY=1",
        // Network time as *PSUTTZ and DST: nobody here reads the modem's clock.
        "AT+CLTS=0",
        // Asleep it loses the first character of a command.
        "AT+CSCLK=0",
    ],
    pin_tries: &[SPIC],
    routing_with_reports: BUFFERED_WITH_REPORTS,
    routing_without_reports: BUFFERED_WITHOUT_REPORTS,
    lte: Lte::No,
    // oFono: SIMCom modules want none.
    acknowledge: None,
    imei: EGMR,
    supply: Some("AT+CBC"),
    ..BASE
};

/// LTE modules; the A76xx answer the same commands.
static SIM7600: Profile = Profile {
    name: "sim7600",
    title: "SIMCom SIM7600, SIM7500, SIM7100, A76xx (LTE)",
    known_by: &[
        known("simcom", "sim7"),
        known("simcom", "a76"),
        known("", "simcom_sim7"),
        known("", "simcom_a76"),
        Pattern { manufacturer: "", model: "a76", revision: "a76" },
    ],
    usb: &[("1e0e", "9001"), ("1e0e", "9011"), ("1e0e", "9205"), ("1e0e", "9206")],
    quieting: &[
        // Signal and system mode unasked.
        "AT+AUTOCSQ=0,0",
        "AT+CNSMOD=0",
    ],
    card: &[CICCID, CCID],
    pin_tries: &[SPIC, CPINR],
    // oFono: mode 2 is offered and refused.
    routing_with_reports: DIRECT_WITH_REPORTS,
    lte: Lte::Yes,
    reset: &["AT+CRESET", "AT+CFUN=1,1"],
    acknowledge: Some("AT+CNMA=0"),
    imei: ImeiWays { read: "AT+SIMEI?", write: Some("AT+SIMEI=") },
    supply: Some("AT+CBC"),
    ..BASE
};

static QUECTEL_EC25: Profile = Profile {
    name: "quectel-ec25",
    title: "Quectel EC25, EC21, EC20, EG25, BG96 (LTE)",
    known_by: &[
        known("quectel", "ec2"),
        known("quectel", "eg"),
        known("quectel", "ep"),
        known("quectel", "em"),
        known("quectel", "bg"),
        known("quectel", "ec200"),
        known("quectel", "uc"),
    ],
    usb: &[("2c7c", ""), ("05c6", "9215")],
    quieting: &[
        // What comes unasked comes on the AT line (interface 2), where the driver is.
        "AT+QURCCFG=\"urcport\",\"usbat\"",
    ],
    card: &[QCCID, CCID],
    pin_tries: &[QPINC, CPINR],
    routing_with_reports: &["2,1,0,1,0", "2,1,0,2,0", "1,1,0,1,0", "1,1,0,2,0", "2,1,0,0,0"],
    routing_without_reports: &["2,1,0,0,0", "1,1,0,0,0"],
    lte: Lte::Yes,
    imei: EGMR,
    supply: Some("AT+CBC"),
    ..BASE
};

static QUECTEL_M26: Profile = Profile {
    name: "quectel-m26",
    title: "Quectel M26, M35, M66, M95, MC60 (2G)",
    known_by: &[
        known("quectel", "m2"),
        known("quectel", "m3"),
        known("quectel", "m6"),
        known("quectel", "m9"),
        known("quectel", "mc60"),
        known("quectel", "m10"),
    ],
    quieting: &[
        // Asleep it loses the first character of a command.
        "AT+QSCLK=0",
    ],
    card: &[QCCID, CCID],
    pin_tries: &[QTRPIN, CPINR],
    routing_with_reports: BUFFERED_WITH_REPORTS,
    routing_without_reports: BUFFERED_WITHOUT_REPORTS,
    lte: Lte::No,
    // Quectel M35: a plain code is taken, and the answer comes in UCS-2.
    ussd: PLAIN,
    imei: EGMR,
    supply: Some("AT+CBC"),
    ..BASE
};

/// What keeps a Huawei stick quiet: signal, mode and traffic every few seconds. It forgets that when it restarts.
const HUAWEI_QUIET: &[&str] = &["AT^CURC=0"];

/// LTE sticks with stick or NCM firmware; with `HiLink` firmware there is no AT line at all.
static HUAWEI_E3372: Profile = Profile {
    name: "huawei-e3372",
    title: "Huawei E3372, E3276, E3272, E392, E398, ME909 with stick firmware (LTE)",
    known_by: &[
        known("huawei", "e33"),
        known("huawei", "e32"),
        known("huawei", "e39"),
        known("huawei", "k51"),
        known("huawei", "me9"),
    ],
    usb: &[("12d1", "1506"), ("12d1", "155e"), ("12d1", "15c1")],
    quieting: HUAWEI_QUIET,
    card: &[HUAWEI_ICCID, CCID],
    pin_tries: &[HUAWEI_CPIN, CPINR],
    lte: Lte::Yes,
    reset: &["AT^RESET", "AT+CFUN=1,1"],
    ussd: UssdWays { prepare: Some("AT^USSDMODE=0"), forms: &[UssdForm::Plain, UssdForm::Packed, UssdForm::Ucs2] },
    ..BASE
};

/// 3G sticks; everything else by Huawei.
static HUAWEI_E173: Profile = Profile {
    name: "huawei-e173",
    title: "Huawei E173, E160, E1750, E1752, K3715, MU509 and other 3G devices",
    known_by: &[known("huawei", "")],
    usb: &[("12d1", "")],
    // Whatever comes unasked on the line for commands (PCUI), where the driver is.
    quieting: &["AT^CURC=0", "AT^PORTSEL=1"],
    card: &[HUAWEI_ICCID, CCID],
    pin_tries: &[HUAWEI_CPIN],
    // Whatever of this maker nobody has named yet may know it.
    lte: Lte::Perhaps,
    started: &["^SYSSTART"],
    reset: &["AT^RESET", "AT+CFUN=1,1"],
    // Packed on nearly all; some can be told to take text (E1752).
    ussd: UssdWays { prepare: None, forms: &[UssdForm::Packed, UssdForm::Plain, UssdForm::Ucs2] },
    ..BASE
};

static ZTE: Profile = Profile {
    name: "zte",
    title: "ZTE MF and K sticks (3G, LTE)",
    known_by: &[
        known("zte", ""),
        known("qualcomm", "k3565"),
        Pattern { manufacturer: "qualcomm", model: "mf", revision: "" },
    ],
    usb: &[("19d2", "")],
    // Until it is asked this it says +ZUSIMR:2 again and again.
    quieting: &["AT+CPMS?"],
    card: &[ZGETICCID, CCID],
    pin_tries: &[ZPINPUK, CPINR],
    reset: &["AT+ZRST", "AT+CFUN=1,1"],
    ..BASE
};

/// Old 2G terminals on RS-232.
static WAVECOM: Profile = Profile {
    name: "wavecom",
    title: "Wavecom Fastrack and Q2 terminals (2G)",
    known_by: &[known("wavecom", ""), known("", "multiband")],
    quieting: &["AT+WIND=0"],
    // It has no way to tell.
    pin_tries: &[CPINR],
    is_pin_state_bare: true,
    routing_with_reports: &["2,1,0,1,0", "2,1,0,2,0", "2,1,0,0,0"],
    routing_without_reports: &["2,1,0,0,0"],
    lte: Lte::No,
    started: &["+WIND: 3"],
    ready: &["+WIND: 4"],
    // It knows no second parameter: full functions again are a restart.
    reset: &["AT+CFUN=1"],
    keeps_link_open: false,
    ..BASE
};

/// A modem that nobody knows: every way in turn.
pub(crate) static GENERIC: Profile = Profile {
    name: "generic",
    title: "every other modem: tries all ways in turn",
    card: &[CCID, CICCID, QCCID, HUAWEI_ICCID, ZGETICCID],
    pin_tries: &[CPINR, SPIC, QPINC, HUAWEI_CPIN, ZPINPUK, QTRPIN],
    routing_with_reports: &["2,1,2,1,0", "2,1,2,2,0", "1,1,0,1,0", "1,1,0,2,0", "2,1,2,0,0"],
    routing_without_reports: &["2,1,2,0,0", "2,1,0,0,0", "1,1,0,0,0"],
    ussd: UssdWays { prepare: None, forms: &[UssdForm::Plain, UssdForm::Packed, UssdForm::Ucs2] },
    supply: Some("AT+CBC"),
    ..BASE
};

const fn way(command: &'static str, name: &'static str) -> Way {
    Way { command, name }
}

const fn known(manufacturer: &'static str, model: &'static str) -> Pattern {
    Pattern { manufacturer, model, revision: "" }
}

//! The models: what captures and the makers' manuals say that the firmware answers.

use super::{Firmware, Routes, Tries};
use crate::Manner;
use crate::settings::UssdForm;

const ROUTES: Routes = Routes {
    offered: "(0-3),(0-3),(0,2,3),(0-2),(0,1)",
    taken: [&[0, 1, 2, 3], &[0, 1, 2, 3], &[0, 2, 3], &[0, 1, 2], &[0, 1]],
};
/// Mode 2 is offered and refused.
const QUALCOMM_ROUTES: Routes =
    Routes { offered: "(0-2),(0-3),(0,2),(0-2),(0,1)", taken: [&[0, 1], &[0, 1, 2, 3], &[0, 2], &[0, 1, 2], &[0, 1]] };

pub(super) static STANDARD: Firmware = Firmware {
    identity: ["SIMCOM_Ltd", "SIMCOM_SIM800L", "Revision:1418B05SIM800L24"],
    boot: &["RDY", "+CFUN: 1", "+CPIN: {pin}"],
    opened: &["Call Ready"],
    ready: &["SMS Ready"],
    iccid: &[("AT+CCID", "")],
    tries: &[Tries::Cpinr, Tries::Spic],
    accepted: &[],
    refused: &[],
    fixed: &[],
    chatter: &[],
    quieted_by: "",
    resets: &[],
    is_on_usb: false,
    knows_lte: false,
    is_mute_while_locked: false,
    error: "ERROR",
    line_end: "\r\n",
    routes: ROUTES,
    before_report_length: "",
    memories: ("(\"SM\",\"ME\"),(\"SM\",\"ME\"),(\"SM\",\"ME\")", 3),
    ussd: UssdForm::Plain,
    manners: &[],
};

/// `AT+CLTS=1` was saved by somebody: it tells the network's time again and again.
pub(super) static SIM800L: Firmware = Firmware {
    iccid: &[("AT+CCID", "")],
    tries: &[Tries::Spic],
    accepted: &["AT+GSMBUSY=1", "AT+CSCLK=0"],
    chatter: &["*PSUTTZ: 2026,11,21,0,0,0,\"+28\",0", "DST: 0"],
    quieted_by: "AT+CLTS=0",
    routes: Routes {
        offered: "(0-2),(0-3),(0,2),(0,1),(0,1)",
        taken: [&[0, 1, 2], &[0, 1, 2, 3], &[0, 2], &[0, 1], &[0, 1]],
    },
    ..STANDARD
};

/// It knows no `AT+CLTS`, and has no last word of its start.
pub(super) static SIM900: Firmware = Firmware {
    identity: ["SIMCOM_Ltd", "SIMCOM_SIM900", "Revision:1137B02SIM900M64_ST"],
    opened: &["Call Ready"],
    ready: &[],
    refused: &["AT+CLTS=0"],
    chatter: &[],
    quieted_by: "",
    ..SIM800L
};

pub(super) static SIM7600E: Firmware = Firmware {
    identity: ["SIMCOM INCORPORATED", "SIMCOM_SIM7600E-H", "+CGMR: LE20B04SIM7600M22"],
    boot: &["RDY", "+CPIN: {pin}"],
    opened: &[],
    ready: &["SMS DONE", "PB DONE"],
    iccid: &[("AT+CICCID", "+ICCID: ")],
    tries: &[Tries::Spic],
    accepted: &["AT+CNSMOD=0"],
    chatter: &["+CSQ: 21,99"],
    quieted_by: "AT+AUTOCSQ=0,0",
    resets: &["AT+CRESET"],
    is_on_usb: true,
    knows_lte: true,
    routes: QUALCOMM_ROUTES,
    ..STANDARD
};

pub(super) static EC25: Firmware = Firmware {
    identity: ["Quectel", "EC25", "EC25EFAR06A06M4G"],
    boot: &["RDY", "+CFUN: 1", "+CPIN: {pin}", "+QUSIM: 1"],
    opened: &[],
    ready: &["+QIND: SMS DONE", "+QIND: PB DONE"],
    iccid: &[("AT+QCCID", "+QCCID: ")],
    tries: &[Tries::Qpinc],
    accepted: &["AT+QURCCFG=\"URCPORT\",\"USBAT\""],
    is_on_usb: true,
    knows_lte: true,
    routes: Routes {
        offered: "(0-2),(0-3),(0,2),(0-2),(0,1)",
        taken: [&[0, 1, 2], &[0, 1, 2, 3], &[0, 2], &[0, 1, 2], &[0, 1]],
    },
    ..STANDARD
};

pub(super) static M26: Firmware = Firmware {
    identity: ["Quectel_Ltd", "Quectel_M26", "Revision: M26FBR03A02"],
    opened: &["Call Ready"],
    ready: &[],
    iccid: &[("AT+QCCID", "")],
    tries: &[Tries::Qtrpin],
    accepted: &["AT+QSCLK=0"],
    ussd: UssdForm::Ucs2Answers,
    ..STANDARD
};

pub(super) static HUAWEI_E173: Firmware = Firmware {
    identity: ["huawei", "E173", "11.126.85.00.209"],
    boot: &["^SIMST:1", "^SRVST:2"],
    opened: &["^MODE:3,3"],
    ready: &[],
    iccid: &[("AT^ICCID?", "^ICCID: ")],
    tries: &[Tries::HuaweiCpin],
    accepted: &["AT^PORTSEL=1"],
    chatter: &[
        "^RSSI:15",
        "^BOOT:20952548,0,0,0,75",
        "^DSFLOWRPT:0000000C,00000000,00000000,0000000000000000,00000000000000CA,0003E800,0003E800",
    ],
    quieted_by: "AT^CURC=0",
    resets: &["AT^RESET"],
    is_on_usb: true,
    error: "COMMAND NOT SUPPORT",
    line_end: "\r\r\n",
    routes: QUALCOMM_ROUTES,
    ussd: UssdForm::Packed,
    ..STANDARD
};

/// It refuses direct reports although it offers them, and `ATQ0`.
pub(super) static HUAWEI_E3372: Firmware = Firmware {
    identity: ["huawei", "E3372", "21.180.01.00.00"],
    opened: &["^MODE:5,101"],
    accepted: &[],
    refused: &["ATQ0"],
    chatter: &["^HCSQ:\"LTE\",52,45,131,26", "^LTERSRP:-95,-9"],
    knows_lte: true,
    line_end: "\r\n",
    routes: Routes {
        offered: "(0-2),(0-3),(0,2),(0-2),(0,1)",
        taken: [&[0, 1], &[0, 1, 2, 3], &[0, 2], &[0, 2], &[0, 1]],
    },
    ..HUAWEI_E173
};

/// Until its card was asked for messages it says that it has one.
pub(super) static ZTE_MF190: Firmware = Firmware {
    identity: ["ZTE INCORPORATED", "MF190", "BD_MF190V1.0.0B04"],
    boot: &["+ZUSIMR:2"],
    opened: &["+ZPASR: \"UMTS\""],
    ready: &[],
    iccid: &[("AT+ZGETICCID", "+ZGETICCID: ")],
    tries: &[Tries::Zpinpuk],
    fixed: &[("AT+CFUN?", "+CFUN: (0-1,4-7),(0-1)")],
    chatter: &["+ZUSIMR:2"],
    quieted_by: "AT+CPMS?",
    resets: &["AT+ZRST"],
    is_on_usb: true,
    is_mute_while_locked: true,
    routes: QUALCOMM_ROUTES,
    before_report_length: ",",
    ..STANDARD
};

pub(super) static WAVECOM_Q2: Firmware = Firmware {
    identity: [" WAVECOM MODEM", " MULTIBAND  900E  1800", ""],
    boot: &["+WIND: 3"],
    opened: &["+WIND: 4"],
    ready: &[],
    iccid: &[("AT+CCID", "+CCID: ")],
    tries: &[],
    refused: &["AT+CGMR", "AT+CFUN=1,1"],
    chatter: &["+WIND: 12,\"TELKOMSEL\""],
    quieted_by: "AT+WIND=0",
    resets: &["AT+CFUN=1"],
    routes: Routes {
        offered: "(0-2),(0-3),(0-3),(0-2),(0,1)",
        taken: [&[0, 1, 2], &[0, 1, 2, 3], &[0, 1, 2, 3], &[0, 1, 2], &[0, 1]],
    },
    memories: ("((\"SM\",\"BM\",\"SR\"),(\"SM\"))", 2),
    manners: &[Manner::PinStateWithoutOk],
    ..STANDARD
};

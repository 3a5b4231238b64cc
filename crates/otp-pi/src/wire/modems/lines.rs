//! The serial lines of a machine.

use ::modem::Identity;
use ::modem::discovery::{Clash, FoundLine, Probed, UsbInterface};
use serde_json::{Value, json};

use super::standing::Standing;
use super::{Conclusion, Rendered, SimUseView, table};

/// One line, with what is known of it beyond what the system tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedLine {
    /// What the system tells.
    pub line: FoundLine,
    /// Which of the configured modems it is.
    pub modem: Option<MatchedModem>,
    /// What the modem's SIM has sent; none where no gateway runs that knows.
    pub sim_use: Option<SimUseView>,
    /// What it answered; none if it was not asked.
    pub probed: Option<Probed>,
    /// Whether ModemManager gets in the way.
    pub clash: Option<Clash>,
    /// Where its modem stands, if a gateway runs that drives it.
    pub standing: Option<Standing>,
    /// What its SIM is worth, if that is known.
    pub balance: Option<ListedBalance>,
}

/// A configured modem, and how its line is known to be its.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchedModem {
    /// Its name.
    pub name: String,
    /// By what, in words.
    pub by: &'static str,
}

/// What a SIM was worth when it was asked last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedBalance {
    /// For scripts: a JSON number.
    pub number: String,
    /// For people.
    pub shown: String,
    /// When it was asked, for people.
    pub at: String,
    /// The same in milliseconds since the Unix epoch.
    pub at_unix_millis: i64,
    /// Whether that is below what is set as low.
    pub is_low: bool,
}

/// Shows the lines.
#[must_use]
pub fn lines(found: &[ListedLine]) -> Rendered {
    let text = if found.is_empty() {
        "no serial line found: is the modem plugged in, and on a Raspberry Pi the serial port switched on?".to_owned()
    } else {
        let blocks: Vec<String> = found.iter().map(block).collect();
        blocks.join("\n").trim_end().to_owned()
    };
    let json = json!({"lines": found.iter().map(one).collect::<Vec<_>>()});
    Rendered { text, json, conclusion: Conclusion::Good }
}

fn block(listed: &ListedLine) -> String {
    let ListedLine { line, modem, sim_use, probed, standing, balance, clash } = listed;
    let mut device = line.name.clone();
    if let Some(driver) = &line.driver {
        device.push_str(&format!(", driver {driver}"));
    }
    let mut rows = vec![("device", device)];
    if let Some(usb) = &line.usb {
        rows.push(("usb", usb_words(usb, line.role())));
    }
    if let Some(modem) = modem {
        rows.push(("modem", format!("{}, by {}", modem.name, modem.by)));
    }
    rows.extend(standing.iter().flat_map(Standing::rows));
    if let Some(sim_use) = sim_use {
        rows.push(("sent", sim_use.words()));
    }
    if let Some(ListedBalance { shown, at, is_low, .. }) = balance {
        rows.push(("balance", format!("{shown} at {at}{}", if *is_low { ", low: top it up" } else { "" })));
    }
    if line.is_console {
        rows.push(("console", "the system's own console is on it".to_owned()));
    }
    if let Some(holder) = &line.holder {
        rows.push(("in use", format!("by {} (process {})", holder.program, holder.process)));
    }
    if let Some(clash) = clash {
        rows.push(("clash", clash.words().to_owned()));
    }
    if let Some(probed) = probed {
        rows.push(("answers", probed_words(probed)));
    }
    format!("{}\n{}", line.path.display(), table(&rows))
}

fn usb_words(usb: &UsbInterface, role: Option<&str>) -> String {
    let mut words = vec![format!("{}:{}", usb.vendor_id, usb.product_id)];
    let name: Vec<&str> = [&usb.manufacturer, &usb.product].into_iter().flatten().map(String::as_str).collect();
    if !name.is_empty() {
        words.push(name.join(" "));
    }
    if let Some(interface) = usb.interface {
        words.push(format!("interface {interface}{}", role.map(|role| format!(" ({role})")).unwrap_or_default()));
    }
    words.push(format!("socket {}", usb.socket));
    words.join(", ")
}

fn probed_words(probed: &Probed) -> String {
    match probed {
        Probed::Answers { baud_rate, identity } => {
            let name: Vec<&str> =
                [&identity.manufacturer, &identity.model].into_iter().flatten().map(String::as_str).collect();
            let mut words = format!("yes, at {baud_rate} bit/s");
            if !name.is_empty() {
                words.push_str(&format!(": {}", name.join(" ")));
            }
            if let Some(imei) = &identity.imei {
                words.push_str(&format!(", IMEI {imei}"));
            }
            if let Some(iccid) = &identity.iccid {
                words.push_str(&format!(", ICCID {iccid}"));
            }
            words
        }
        Probed::Errors { .. } => "ERROR to everything: not the line for commands".to_owned(),
        Probed::Gibberish => "something, but not AT".to_owned(),
        Probed::Silent => "nothing".to_owned(),
        Probed::Unusable(fault) => format!("not asked: {}", fault_words(*fault)),
    }
}

fn fault_words(fault: ::modem::LineFault) -> &'static str {
    match fault {
        ::modem::LineFault::Missing => "the device is gone",
        ::modem::LineFault::NotPermitted => "this user may not open it (group dialout)",
        ::modem::LineFault::InUse => "another program has it",
        ::modem::LineFault::NotALine => "it is no serial line",
        ::modem::LineFault::Unusable => "the system refuses it",
    }
}

fn one(listed: &ListedLine) -> Value {
    let ListedLine { line, modem, sim_use, probed, standing, balance, clash } = listed;
    let path = |path: &std::path::Path| path.display().to_string();
    json!({
        "path": path(&line.path),
        "device": path(&line.device),
        "links": line.links.iter().map(|link| path(link)).collect::<Vec<_>>(),
        "driver": line.driver,
        "usb": line.usb.as_ref().map(|usb| json!({
            "vendor_id": usb.vendor_id,
            "product_id": usb.product_id,
            "manufacturer": usb.manufacturer,
            "product": usb.product,
            "serial": usb.serial,
            "interface": usb.interface,
            "role": line.role(),
            "socket": usb.socket,
        })),
        "modem": modem.as_ref().map(|modem| &modem.name),
        "modem_by": modem.as_ref().map(|modem| modem.by),
        "standing": standing.as_ref().map(Standing::json),
        "sim_use": sim_use,
        "balance": balance.as_ref().map(|it| json!({
            "amount": serde_json::from_str(&it.number).unwrap_or(Value::Null), "at": it.at_unix_millis, "low": it.is_low,
        })),
        "is_console": line.is_console,
        "in_use_by": line.holder.as_ref().map(|it| json!({"program": it.program, "process": it.process})),
        "modem_manager": clash.map(Clash::word),
        "probe": probed.as_ref().map(probe_json),
    })
}

fn probe_json(probed: &Probed) -> Value {
    match probed {
        Probed::Answers { baud_rate, identity } => {
            let Identity { manufacturer, model, revision, imei, iccid, .. } = identity.as_ref();
            json!({
                "state": "answers",
                "baud_rate": baud_rate,
                "manufacturer": manufacturer,
                "model": model,
                "revision": revision,
                "imei": imei,
                "iccid": iccid,
            })
        }
        Probed::Errors { baud_rate } => json!({"state": "errors", "baud_rate": baud_rate}),
        Probed::Gibberish => json!({"state": "gibberish"}),
        Probed::Silent => json!({"state": "silent"}),
        Probed::Unusable(fault) => json!({"state": "unusable", "error": fault_words(*fault)}),
    }
}

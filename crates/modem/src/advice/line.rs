//! What keeps the line itself from being used: nothing else is known then.

use super::{Advice, AdviceKind, Weight};
use crate::report::{Fact, Report};
use crate::status::{LineFault, Phase, Takes};

/// Says why there is no conversation at all; `None` if there is one.
pub(super) fn advice(report: &Report) -> Option<Advice> {
    let status = &report.status;
    if status.takes == Takes::Whole {
        return (!status.is_open()).then(|| with_manager(status.detail.as_deref()));
    }
    let kind = match (status.line_fault, status.phase) {
        (_, Phase::WrongDevice) => AdviceKind::WrongDevice,
        (Some(LineFault::Missing), _) => AdviceKind::LineMissing,
        (Some(LineFault::NotPermitted), _) => AdviceKind::LineNotPermitted,
        (Some(LineFault::InUse), _) => AdviceKind::LineInUse,
        (Some(LineFault::NotALine), _) => AdviceKind::NotALine,
        (Some(LineFault::Unusable), _) => AdviceKind::LineUnusable,
        (None, Phase::Closed) => AdviceKind::LineNotOpen,
        // It answered, and then no more: that is another matter.
        (None, Phase::Silent) if report.attention.told().is_some() => return None,
        (None, Phase::Silent) if status.is_heard => AdviceKind::Gibberish,
        (None, Phase::Silent) => AdviceKind::Silent,
        (None, _) if report.attention == Fact::Unanswered => {
            if status.is_heard {
                AdviceKind::Gibberish
            } else {
                AdviceKind::Silent
            }
        }
        (None, _) if answers_errors_alone(report) => AdviceKind::WrongInterface,
        (None, _) => return None,
    };
    Some(Advice::new(kind, Weight::Blocks, text(kind, status.detail.as_deref())))
}

/// Says what is the matter with a modem that ModemManager is to have.
fn with_manager(detail: Option<&str>) -> Advice {
    let why = detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
    let text = format!(
        "ModemManager cannot give this modem{why}. `systemctl status ModemManager` tells whether it runs, and `mmcli -L` which modems          it has; take the udev rule of this program away, which makes it let go. A modem that it calls failed has to be unplugged          and plugged in again."
    );
    Advice::new(AdviceKind::LineNotOpen, Weight::Blocks, text)
}

/// Answers whether every question was refused, the simplest included.
fn answers_errors_alone(report: &Report) -> bool {
    report.attention.is_refused()
        && report.signal.told().is_none()
        && report.pin.told().is_none()
        && report.model.told().is_none()
        && report.imei.told().is_none()
}

fn text(kind: AdviceKind, detail: Option<&str>) -> String {
    let why = detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
    match kind {
        AdviceKind::LineMissing => format!(
            "There is no such line{why}. Plug the modem in and look with `otp-pi modem list`; name it by its path under \
             /dev/serial/by-id, which stays the same when others are plugged in."
        ),
        AdviceKind::LineNotPermitted => {
            "This user may not open the line. Serial lines belong to the group dialout: run `sudo usermod -aG dialout USER` and \
             log in again, or run the command as the user of the gateway."
                .to_owned()
        }
        AdviceKind::LineInUse => {
            "Another program has the line: a running gateway (stop it, or ask it instead), ModemManager, a login shell on the \
             serial console, minicom, brltty or gpsd. `otp-pi modem list` shows which, where the system tells."
                .to_owned()
        }
        AdviceKind::NotALine => {
            "This path is no serial line. `otp-pi modem list` shows those that are there.".to_owned()
        }
        AdviceKind::WrongDevice => format!(
            "This is not the configured modem{why}. Nothing is sent through it. Plug the right one in, in any socket: it is found by \
             itself; or correct `imei`, `iccid` or `port` (`otp-pi modem list` shows who is where)."
        ),
        AdviceKind::Silent => {
            "Nothing answers on this line. On a stick with several lines try the others (`otp-pi modem list` shows which one \
             answers). On a bare UART: switch the serial port on and its login shell off (`raspi-config`, Interface Options, \
             Serial Port), and restart; TX of the Pi goes to RX of the module and the other way round; both share their ground; \
             try --baud 9600. The module's light must blink: without its own supply of 4 V and 2 A it stays dead. \
             ModemManager must keep off the line."
                .to_owned()
        }
        AdviceKind::Gibberish => {
            "Something comes from this line, and it is no answer to AT. The speed is wrong (try --baud 9600 or 115200, and set \
             `baud_rate`), it is the line of a GPS or of diagnostics (try the others of the same stick), two programs share it \
             (ModemManager must keep off), or the wires pick up noise (ground, level converter)."
                .to_owned()
        }
        AdviceKind::WrongInterface => {
            "The line answers ERROR to everything. A stick with several lines has one or two for commands: try the others \
             (`otp-pi modem list`). If this is the right one, take the stick's power away for ten seconds."
                .to_owned()
        }
        AdviceKind::LineNotOpen => format!(
            "The line is not open{why}. In the gateway's configuration the modem may be switched off (`active = false`); \
             otherwise the line is opened again by itself: check again in half a minute."
        ),
        _ => format!(
            "The line cannot be used{why}. Unplug the modem and plug it in again; `dmesg` shows what the system says about it."
        ),
    }
}

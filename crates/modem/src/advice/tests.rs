use gsm::at::{PinState, RegistrationStatus, SignalQuality, StorageUse};

use super::{AdviceKind, Weight, advice};
use crate::report::{Fact, Report, Verdict};
use crate::status::{LineFault, Phase, Registration, Status};

/// A SIM800L that is well.
fn well() -> Report {
    Report {
        modem: "m".to_owned(),
        status: Status {
            phase: Phase::Ready,
            registration: Registration::Home,
            message_routing: Some("2,1,2,1,0"),
            is_heard: true,
            ..Status::default()
        },
        attention: Fact::Told(()),
        pin: Fact::Told(PinState::Ready),
        signal: Fact::Told(SignalQuality { rssi: Some(21), bit_error: None }),
        registration: Fact::Told(RegistrationStatus::Home),
        registration_eps: Fact::Refused("ERROR".to_owned()),
        service_center: Fact::Told(Some("+6281100000".to_owned())),
        model: Fact::Told("SIMCOM_SIM800L".to_owned()),
        imei: Fact::Told("867856030000017".to_owned()),
        storage: Fact::Told(StorageUse { name: None, used: 0, total: 20 }),
        supply_millivolts: Fact::Told(Some(4000)),
        ..Report::default()
    }
}

fn kinds(report: &Report) -> Vec<(AdviceKind, Weight)> {
    advice(report).into_iter().map(|advice| (advice.kind, advice.weight)).collect()
}

/// What follows when a report that is well is changed like this, and a word that the first sentence must hold.
fn check(change: impl FnOnce(&mut Report), expected: &[(AdviceKind, Weight)], word: &str, verdict: Verdict) {
    let mut report = well();
    change(&mut report);
    assert_eq!(kinds(&report), expected);
    assert_eq!(report.verdict(), verdict, "{expected:?}");
    if let Some(first) = advice(&report).first() {
        assert!(first.text.contains(word), "{word:?} in {:?}", first.text);
        assert!(first.text.ends_with('.') && !first.text.contains("  "), "{:?}", first.text);
    }
}

fn blocks(kind: AdviceKind) -> [(AdviceKind, Weight); 1] {
    [(kind, Weight::Blocks)]
}

fn unregister(report: &mut Report, status: RegistrationStatus) {
    report.registration = Fact::Told(status);
    report.status.phase = Phase::NotRegistered;
    report.status.registration = Registration::from(status);
}

#[test]
fn a_modem_that_is_well_needs_no_advice() {
    check(|_| {}, &[], "", Verdict::Good);
}

#[test]
fn a_line_that_cannot_be_used_is_said_alone() {
    for (fault, kind, word) in [
        (LineFault::Missing, AdviceKind::LineMissing, "otp-pi modem list"),
        (LineFault::NotPermitted, AdviceKind::LineNotPermitted, "dialout"),
        (LineFault::InUse, AdviceKind::LineInUse, "ModemManager"),
        (LineFault::NotALine, AdviceKind::NotALine, "no serial line"),
        (LineFault::Unusable, AdviceKind::LineUnusable, "dmesg"),
    ] {
        let closed = |report: &mut Report| {
            *report = Report { status: Status { line_fault: Some(fault), ..Status::default() }, ..Report::default() };
        };
        check(closed, &blocks(kind), word, Verdict::Bad);
    }
    let closed = |report: &mut Report| *report = Report::default();
    check(closed, &blocks(AdviceKind::LineNotOpen), "active = false", Verdict::Bad);
}

#[test]
fn silence_noise_and_errors_alone_are_three_things() {
    let silent = |is_heard| {
        move |report: &mut Report| {
            let status = Status { phase: Phase::Silent, is_heard, ..Status::default() };
            *report = Report { status, ..Report::default() };
        }
    };
    check(silent(false), &blocks(AdviceKind::Silent), "raspi-config", Verdict::Bad);
    check(silent(true), &blocks(AdviceKind::Gibberish), "baud", Verdict::Bad);
    let errors = |report: &mut Report| {
        let refused = || "ERROR".to_owned();
        *report = Report {
            status: Status { phase: Phase::Starting, is_heard: true, ..Status::default() },
            attention: Fact::Refused(refused()),
            pin: Fact::Refused(refused()),
            signal: Fact::Refused(refused()),
            ..Report::default()
        };
    };
    check(errors, &blocks(AdviceKind::WrongInterface), "try the others", Verdict::Bad);
}

#[test]
fn the_state_of_the_sim_decides_what_a_person_does_with_it() {
    for (pin, phase, kind, word) in [
        (Fact::Told(PinState::SimPin), Phase::PinNeeded, AdviceKind::PinNeeded, "sim_pin_file"),
        (Fact::Told(PinState::SimPin), Phase::PinRefused, AdviceKind::PinRefused, "not entered again"),
        (Fact::Told(PinState::SimPuk), Phase::PukNeeded, AdviceKind::PukNeeded, "shop"),
        (Fact::Told(PinState::NotInserted), Phase::SimMissing, AdviceKind::SimMissing, "2 A"),
        (Fact::Refused("+CME ERROR: 10".to_owned()), Phase::SimMissing, AdviceKind::SimMissing, "tray"),
        (Fact::Refused("+CME ERROR: 13".to_owned()), Phase::Ready, AdviceKind::SimMissing, "broken"),
        (Fact::Refused("+CME ERROR: 11".to_owned()), Phase::PinNeeded, AdviceKind::PinNeeded, "PIN"),
        (Fact::Refused("+CME ERROR: 12".to_owned()), Phase::PukNeeded, AdviceKind::PukNeeded, "PUK"),
        (Fact::Refused("+CME ERROR: 14".to_owned()), Phase::Starting, AdviceKind::SimBusy, "not ready yet"),
        (Fact::Told(PinState::NotReady), Phase::Starting, AdviceKind::SimBusy, "not ready yet"),
        (Fact::Told(PinState::PhoneLock), Phase::PinNeeded, AdviceKind::DeviceLocked, "locked"),
        (Fact::Unanswered, Phase::SimMissing, AdviceKind::SimMissing, "SIM"),
    ] {
        let change = |report: &mut Report| {
            report.pin = pin.clone();
            report.status.phase = phase;
            // What the network says without a SIM is of no interest.
            report.registration = Fact::Told(RegistrationStatus::Searching);
            report.service_center = Fact::Refused("+CMS ERROR: 310".to_owned());
        };
        check(change, &blocks(kind), word, Verdict::Bad);
    }
}

#[test]
fn a_sim_that_needs_only_its_second_pin_can_send() {
    for pin in [Fact::Told(PinState::SimPin2), Fact::Refused("ERROR".to_owned()), Fact::Unclear] {
        check(|report| report.pin = pin.clone(), &[], "", Verdict::Good);
    }
}

#[test]
fn signal_and_registration_are_told_apart() {
    let weak = |report: &mut Report| report.signal = Fact::Told(SignalQuality { rssi: Some(4), bit_error: None });
    check(weak, &[(AdviceKind::SignalWeak, Weight::Warns)], "-105 dBm", Verdict::Warned);
    let unknown = |report: &mut Report| report.signal = Fact::Told(SignalQuality { rssi: None, bit_error: None });
    check(unknown, &[], "", Verdict::Good);
    let deaf = |report: &mut Report| {
        unknown(report);
        unregister(report, RegistrationStatus::Searching);
    };
    let expected = [(AdviceKind::SignalMissing, Weight::Blocks), (AdviceKind::NotRegistered, Weight::Blocks)];
    check(deaf, &expected, "antenna", Verdict::Bad);
    for (status, kind, word) in [
        (RegistrationStatus::Denied, AdviceKind::Denied, "not activated"),
        (RegistrationStatus::Searching, AdviceKind::NotRegistered, "looking for a network"),
        (RegistrationStatus::Idle, AdviceKind::NotRegistered, "flight mode"),
        (RegistrationStatus::EmergencyOnly, AdviceKind::NotRegistered, "emergency"),
        (RegistrationStatus::Unknown, AdviceKind::NotRegistered, "coverage"),
    ] {
        check(|report| unregister(report, status), &blocks(kind), word, Verdict::Bad);
        check(|report| unregister(report, status), &blocks(kind), "2G", Verdict::Bad);
    }
    let other_model = |report: &mut Report| {
        unregister(report, RegistrationStatus::Denied);
        report.model = Fact::Told("EC25".to_owned());
    };
    let mut report = well();
    other_model(&mut report);
    assert!(!advice(&report)[0].text.contains("2G"));
}

#[test]
fn a_modem_registered_on_lte_alone_is_registered_and_roaming_is_only_noted() {
    let lte = |report: &mut Report| {
        report.registration = Fact::Told(RegistrationStatus::Idle);
        report.registration_eps = Fact::Told(RegistrationStatus::Home);
    };
    check(lte, &[], "", Verdict::Good);
    let away = |report: &mut Report| report.registration = Fact::Told(RegistrationStatus::Roaming);
    check(away, &[(AdviceKind::Roaming, Weight::Notes)], "cost more", Verdict::Good);
}

#[test]
fn what_else_keeps_messages_from_going_out_or_reports_from_coming_back() {
    let no_smsc = |report: &mut Report| report.service_center = Fact::Told(None);
    check(no_smsc, &blocks(AdviceKind::SmscMissing), "sms_center", Verdict::Bad);
    let unknown_smsc = |report: &mut Report| report.service_center = Fact::Unclear;
    check(unknown_smsc, &[], "", Verdict::Good);
    let full = |report: &mut Report| report.storage = Fact::Told(StorageUse { name: None, used: 20, total: 20 });
    check(full, &[(AdviceKind::StorageFull, Weight::Warns)], "AT+CMGD=1,1", Verdict::Warned);
    let none = |report: &mut Report| report.storage = Fact::Told(StorageUse { name: None, used: 0, total: 0 });
    check(none, &[], "", Verdict::Good);
    let deaf = |report: &mut Report| report.status.message_routing = None;
    check(deaf, &[(AdviceKind::ReportsNotRouted, Weight::Warns)], "AT+CNMI", Verdict::Warned);
    let starting = |report: &mut Report| {
        report.status.phase = Phase::Starting;
        report.status.detail = Some("the modem refuses pdu mode".to_owned());
    };
    check(starting, &blocks(AdviceKind::Starting), "refuses pdu mode", Verdict::Bad);
}

#[test]
fn a_supply_out_of_bounds_is_a_warning_for_bare_modules_and_for_all_that_say_so_themselves() {
    let warned = [(AdviceKind::Supply, Weight::Warns)];
    for millivolts in [3500, 3300, 4300] {
        let volts = |report: &mut Report| report.supply_millivolts = Fact::Told(Some(millivolts));
        check(volts, &warned, "2 A", Verdict::Warned);
    }
    let stick = |report: &mut Report| {
        report.supply_millivolts = Fact::Told(Some(3300));
        report.model = Fact::Told("EC25".to_owned());
    };
    check(stick, &[], "", Verdict::Good);
    let said = |report: &mut Report| report.status.detail = Some("UNDER-VOLTAGE WARNNING".to_owned());
    check(said, &warned, "4.00 V", Verdict::Warned);
}

//! The link that is kept open between messages, and stored reports beside them, as transcripts.

use std::time::Duration;

use super::{PDU_LENGTH, REPORT, Talk, pdu};

impl Talk {
    fn submits_first_of_several(&mut self) -> Vec<String> {
        self.session.submit(PDU_LENGTH, true, self.now);
        self.did()
    }

    /// Sends what was begun; answers what it does afterwards.
    fn sends_it(&mut self) -> Vec<String> {
        self.prepares(pdu());
        self.hears("\r\n> ");
        self.hears("\r\n+CMGS: 7\r\n\r\nOK\r\n")
    }
}

#[test]
fn the_link_is_kept_open_once_for_all_messages_that_follow_each_other_and_given_up_after_the_last() {
    let mut talk = Talk::ready();
    assert_eq!(talk.submits_first_of_several(), ["AT+CMMS=2\r"]);
    assert_eq!(talk.hears("\r\nOK\r\n"), ["AT+CMGS=24\r", "(prepare)"]);
    assert_eq!(talk.sends_it(), ["(finished sent Some(7))"]);
    assert_eq!(talk.submits_first_of_several(), ["AT+CMGS=24\r", "(prepare)"]);
    assert_eq!(talk.sends_it(), ["(finished sent Some(7))"]);
    assert_eq!(talk.submits(), ["AT+CMGS=24\r", "(prepare)"], "the last");
    assert_eq!(talk.sends_it(), ["(finished sent Some(7))", "AT+CMMS=0\r"]);
    assert_eq!(talk.hears("\r\nOK\r\n"), [""; 0]);
    assert_eq!(talk.submits(), ["AT+CMGS=24\r", "(prepare)"], "one alone needs nothing");
    assert_eq!(talk.sends_it(), ["(finished sent Some(7))"]);
}

#[test]
fn a_link_that_waits_in_vain_for_what_was_said_to_follow_is_given_up() {
    let mut talk = Talk::ready();
    talk.submits_first_of_several();
    talk.hears("\r\nOK\r\n");
    talk.sends_it();
    assert_eq!(talk.waits(Duration::from_millis(4900)), [""; 0]);
    assert_eq!(talk.session.next_deadline(), Some(talk.now + Duration::from_millis(100)));
    assert_eq!(talk.waits(Duration::from_millis(100)), ["AT+CMMS=0\r"]);
}

#[test]
fn a_modem_that_refuses_to_keep_the_link_or_says_nothing_to_it_is_not_asked_again() {
    let mut talk = Talk::ready();
    assert_eq!(talk.submits_first_of_several(), ["AT+CMMS=2\r"]);
    assert_eq!(talk.hears("\r\n+CMS ERROR: 303\r\n"), ["AT+CMGS=24\r", "(prepare)"]);
    assert_eq!(talk.sends_it(), ["(finished sent Some(7))"]);
    assert_eq!(talk.submits_first_of_several(), ["AT+CMGS=24\r", "(prepare)"]);
    let mut talk = Talk::ready();
    talk.submits_first_of_several();
    let patience = talk.session.settings.timeouts.command;
    assert_eq!(talk.waits(patience), ["<ESC>"], "back in step first");
    let all = talk.initialise(&[]);
    assert_eq!(
        all.iter().filter(|said| said.starts_with("AT+CM")).collect::<Vec<_>>(),
        ["AT+CMEE?", "AT+CMEE=1", "AT+CMGF=0", "AT+CMGS=24"]
    );
}

#[test]
fn a_modem_that_has_restarted_is_told_of_the_link_again() {
    let mut talk = Talk::ready();
    talk.submits_first_of_several();
    talk.hears("\r\nOK\r\n");
    talk.sends_it();
    talk.hears("\r\nRDY\r\n");
    talk.initialise(&[]);
    assert_eq!(talk.submits_first_of_several(), ["AT+CMMS=2\r"]);
}

#[test]
fn stored_reports_that_pile_up_are_read_and_deleted_between_messages_that_never_end() {
    let mut talk = Talk::ready();
    talk.hands_over();
    for index in 1..=4 {
        assert_eq!(talk.hears(&format!("\r\n+CDSI: \"SM\",{index}\r\n")), [""; 0], "after the message");
    }
    assert_eq!(talk.hears("\r\n+CMGS: 7\r\n\r\nOK\r\n"), ["(finished sent Some(7))", "AT+CMGR=1\r"]);
    talk.submits();
    let answer = format!("\r\n+CMGR: 0,,{}\r\n00{REPORT}\r\n\r\nOK\r\n", REPORT.len() / 2);
    // Three are left, which are few enough.
    assert_eq!(talk.hears(&answer), ["(report 42)", "AT+CMGS=24\r", "(prepare)"]);
    assert_eq!(talk.takes(0), [""; 0]);
    assert_eq!(talk.hears("\r\n+CDSI: \"SM\",5\r\n"), [""; 0]);
    assert_eq!(talk.sends_it(), ["(finished sent Some(7))", "AT+CMGR=2\r"]);
    talk.submits();
    assert_eq!(talk.hears(&answer), ["(report 42)", "AT+CMGR=3\r"]);
    assert_eq!(talk.hears(&answer), ["(report 42)", "AT+CMGS=24\r", "(prepare)"]);
}

#[test]
fn what_piled_up_on_another_sim_is_not_touched_before_a_message_goes() {
    let mut talk = Talk::ready();
    talk.hands_over();
    for index in 1..=5 {
        talk.hears(&format!("\r\n+CDSI: \"SM\",{index}\r\n"));
    }
    "another".clone_into(&mut talk.session.card);
    talk.session.submit(PDU_LENGTH, false, talk.now);
    assert_eq!(talk.hears("\r\n+CMGS: 7\r\n\r\nOK\r\n"), ["(finished sent Some(7))", "AT+CMGS=24\r", "(prepare)"]);
}

#[test]
fn reports_in_a_storage_of_their_own_are_found_there_and_the_modems_own_is_still_looked_through() {
    let mut talk = Talk::ready();
    assert_eq!(talk.hears("\r\n+CDSI: \"SR\",2\r\n"), ["AT+CPMS=\"SR\"\r"]);
    assert_eq!(talk.hears("\r\n+CPMS: 2,10,0,20,0,20\r\n\r\nOK\r\n"), ["AT+CMGR=2\r"]);
    let length = REPORT.len() / 2;
    let read = talk.hears(&format!("\r\n+CMGR: 0,,{length}\r\n00{REPORT}\r\n\r\nOK\r\n"));
    assert_eq!(read, ["(report 42)", "AT+CMGL=4\r"], "what lies there already is found as well");
    talk.takes(0);
    let listed = format!("\r\n+CMGL: 1,0,,{length}\r\n00{REPORT}\r\n+CMGL: 2,0,,{length}\r\n00{REPORT}\r\n\r\nOK\r\n");
    assert_eq!(talk.hears(&listed), ["(report 42)", "AT+CMGD=2\r"]);
    talk.hears("\r\nOK\r\n");
    let interval = talk.session.settings.poll_interval;
    let all: Vec<_> = (0..20)
        .flat_map(|_| {
            let mut all = talk.waits(interval);
            all.extend(talk.initialise(&[]));
            all
        })
        .filter(|said| said.starts_with("AT+CMGL") || said.starts_with("AT+CPMS="))
        .map(|said| said.trim_end().to_owned())
        .collect();
    assert_eq!(
        all.get(..4),
        Some(&["AT+CPMS=\"SM\"", "AT+CMGL=4", "AT+CPMS=\"SR\"", "AT+CMGL=4"].map(str::to_owned)[..])
    );
}

#[test]
fn a_report_that_can_be_understood_is_never_lost_to_its_form() {
    let length = REPORT.len() / 2;
    for (form, name) in [
        (format!("+CDS: {length},\r\n00{REPORT}"), "a comma too many"),
        (format!("+CDS: ,,{length}\r\n{REPORT}"), "no service centre"),
        (format!("+CDS: {}\r\n00{REPORT}", length + 1), "a length with the service centre"),
        (format!("+CDS: 99\r\n00{REPORT}"), "a length that is wrong"),
        (format!("+CDS: {length}\r\n00{REPORT}07"), "a parameter indicator without the parameters"),
        (format!("+CDS: {length}\r\n\r\n{}  ", REPORT.to_lowercase()), "small letters, blanks and an empty line"),
        (format!("+CDS: 15\r\n0006{}", "2A00816211121234560062111212345600C5"), "no receiver and an unknown status"),
    ] {
        let mut talk = Talk::ready();
        assert_eq!(talk.hears(&format!("\r\n{form}\r\n")), ["(report 42)"], "{name}");
    }
}

#[test]
fn a_stored_report_that_nobody_can_understand_is_deleted_so_that_it_does_not_fill_the_storage() {
    let mut talk = Talk::ready();
    assert_eq!(talk.hears("\r\n+CDSI: \"SM\",5\r\n"), ["AT+CMGR=5\r"]);
    let answer = "\r\n+CMGR: 0,,6\r\n00062A0B9172\r\n\r\nOK\r\n";
    assert_eq!(talk.hears(answer), ["AT+CMGD=5\r"]);
}

//! The tables: script → state, attempts, how often each part goes on air, whether the code is valid, whether the next
//! message goes out.

use super::Row;

/// A fault of the first `AT+CMGS`, or of another.
macro_rules! fault {
    ($action:literal) => {
        fault!(nth 1, $action)
    };
    ($at:literal, $action:literal) => {
        fault!(nth 1, $at, $action)
    };
    (nth $nth:literal, $action:literal) => {
        concat!("[[fault]]\nwhen = \"AT+CMGS\"\nnth = ", $nth, "\naction = ", $action, "\n")
    };
    (nth $nth:literal, $at:literal, $action:literal) => {
        concat!(fault!(nth $nth, $action), "at = \"", $at, "\"\n")
    };
    (ever $action:literal) => {
        concat!("[[fault]]\nwhen = \"AT+CMGS\"\naction = ", $action, "\n")
    };
    (ever $at:literal, $action:literal) => {
        concat!(fault!(ever $action), "at = \"", $at, "\"\n")
    };
}

/// What becomes of an SMS to the first receiver, nothing else.
macro_rules! treatment {
    ($treatment:literal) => {
        concat!("[[receiver]]\nnumber = \"*1\"\ntreatment = ", $treatment, "\n")
    };
}

/// A script whose receiver never reports: what the modem said is all there is.
macro_rules! unreported {
    ($($fault:tt)*) => {
        concat!(fault!($($fault)*), treatment!("\"never_report\""))
    };
}

macro_rules! manners {
    ($manners:literal) => {
        concat!("[[modem]]\nmanners = ", $manners, "\n")
    };
}

/// `script => state, attempts, on air, whether the code is valid, whether the next message goes out`.
macro_rules! rows {
    ($($script:expr => $state:literal, [$($attempt:literal),*], $sent:expr, $is_valid:literal, $is_next_sent:literal;)*) => {
        [$(Row {
            script: $script,
            state: $state,
            attempts: &[$($attempt),*],
            sent: &$sent,
            is_valid: $is_valid,
            is_next_sent: $is_next_sent,
        }),*]
    };
}

const ONCE: [&[usize]; 1] = [&[1]];
const TWICE: [&[usize]; 1] = [&[2]];
const NEVER: [&[usize]; 1] = [&[0]];
const ALL: [&[usize]; 1] = [&[1, 1, 1]];
const FIRST: [&[usize]; 1] = [&[1, 0, 0]];
const FIRST_AND_LAST: [&[usize]; 1] = [&[1, 0, 1]];
const TWO: [&[usize]; 1] = [&[1, 1, 0]];
const NEVER_OR_ONCE: [&[usize]; 2] = [&[0], &[1]];

pub(super) const SINGLE: &[Row] = &rows![
    // Nothing is wrong.
    "" => "delivered", [""], ONCE, true, true;

    // --- lost answers ---
    fault!("\"lost_answer\"") => "delivered", ["no final result in time"], ONCE, true, true;
    unreported!("\"lost_answer\"") => "unknown", ["no final result in time"], ONCE, true, true;
    fault!("\"lost_answer_not_transmitted\"") => "unknown", ["no final result in time"], NEVER, false, true;
    fault!("\"lost_result\"") => "delivered", [""], ONCE, true, true;
    unreported!("\"lost_result\"") => "sent", [""], ONCE, true, true;
    fault!("\"lost_information\"") => "delivered", ["OK without +CMGS"], ONCE, true, true;
    unreported!("\"lost_information\"") => "unknown", ["OK without +CMGS"], ONCE, true, true;

    // --- CMS errors, one of each class, instead of the prompt ---
    fault!("command", "{ cms_error = 42 }") => "delivered", ["CMS 42", ""], ONCE, true, true;
    fault!("command", "{ cms_error = 29 }") => "delivered", ["CMS 29", ""], ONCE, true, true;
    fault!("command", "{ cms_error = 28 }") => "failed", ["CMS 28"], NEVER, false, true;
    fault!(ever "command", "{ cms_error = 193 }") => "queued", ["CMS 193", "…"], NEVER, false, false;
    fault!("command", "{ cms_error = 500 }") => "delivered", ["CMS 500", ""], ONCE, true, true;
    fault!("command", "{ cms_error = 197 }") => "delivered", ["CMS 197", ""], ONCE, true, true;
    fault!("command", "{ cms_error = 304 }") => "delivered", ["CMS 304", ""], ONCE, true, true;
    fault!("{ cms_error_before_prompt = 302 }") => "delivered", ["CMS 302", ""], ONCE, true, true;
    // … after the prompt …
    fault!("prompt", "{ cms_error = 42 }") => "delivered", ["CMS 42", ""], ONCE, true, true;
    // … after the PDU, which the network refuses …
    fault!("{ cms_error = 42 }") => "delivered", ["CMS 42", ""], ONCE, true, true;
    fault!("{ cms_error = 29 }") => "delivered", ["CMS 29", ""], ONCE, true, true;
    fault!("{ cms_error = 1 }") => "failed", ["CMS 1"], NEVER, false, true;
    fault!(ever "{ cms_error = 193 }") => "queued", ["CMS 193", "…"], NEVER, false, false;
    fault!("{ cms_error = 500 }") => "unknown", ["+CMS ERROR 500: unknown error"], NEVER, false, true;
    fault!("{ cms_error = 304 }") => "delivered", ["CMS 304", ""], ONCE, true, true;
    // … and after the transmission: the modem is believed, whatever it did.
    fault!("{ cms_error_transmitted = 332 }") => "delivered", ["+CMS ERROR 332: network timeout"], ONCE, true, true;
    unreported!("{ cms_error_transmitted = 332 }") => "unknown", ["+CMS ERROR 332: network timeout"], ONCE, true, true;
    fault!("after_transmission", "{ cms_error = 42 }") => "delivered", ["CMS 42", ""], TWICE, true, true;
    fault!("after_transmission", "{ cms_error = 1 }") => "failed", ["CMS 1"], ONCE, false, true;
    fault!("after_transmission", "{ cms_error = 197 }") => "sent", [""], ONCE, true, true;
    fault!("after_result", "{ cms_error = 38 }") => "delivered", [""], ONCE, true, true;

    // --- CME errors and a bare ERROR ---
    fault!("{ cme_error = 14 }") => "delivered", ["CME 14", ""], ONCE, true, true;
    fault!("{ cme_error = 100 }") => "delivered", ["CME 100", ""], ONCE, true, true;
    fault!("{ cme_error = 30 }") => "delivered", ["CME 30", ""], ONCE, true, true;
    fault!("{ cme_error = 50 }") => "failed", ["CME 50"], NEVER, false, true;
    fault!(ever "{ cme_error = 10 }") => "queued", ["CME 10", "…"], NEVER, false, false;
    fault!("prompt", "{ cme_error = 515 }") => "delivered", ["CME 515", ""], ONCE, true, true;
    fault!("after_pdu", "{ cme_error = 515 }") => "delivered", ["CME 515", ""], ONCE, true, true;
    fault!("after_pdu", "{ cme_error = 100 }") => "unknown", ["+CME ERROR 100: unknown error"], NEVER, false, true;
    fault!("after_transmission", "{ cme_error = 31 }") => "delivered", ["+CME ERROR 31: network timeout"], ONCE, true, true;
    fault!("after_result", "{ cme_error = 14 }") => "delivered", [""], ONCE, true, true;
    fault!("\"error\"") => "delivered", ["the modem answered ERROR to AT+CMGS", ""], ONCE, true, true;
    fault!("prompt", "\"error\"") => "delivered | unknown", ["…"], NEVER_OR_ONCE, true, true;
    fault!("after_pdu", "\"error\"") => "unknown", ["the modem answered ERROR to the pdu"], NEVER, false, true;
    fault!("after_transmission", "\"error\"") => "delivered", ["the modem answered ERROR to the pdu"], ONCE, true, true;
    fault!("after_result", "\"error\"") => "delivered", [""], ONCE, true, true;

    // --- lines that nobody asked for ---
    fault!("command", "{ urc_inside = \"RING\" }") => "delivered", [""], ONCE, true, true;
    fault!("prompt", "{ urc_inside = \"+CMTI: \\\"SM\\\",3\" }") => "delivered", [""], ONCE, true, true;
    fault!("after_pdu", "{ urc_inside = \"+CREG: 1\" }") => "delivered", [""], ONCE, true, true;
    fault!("{ urc_inside = \"+CDS: 26\\r\\n0006630D91261832547698F06211120000008262111200000082\" }")
        => "delivered", [""], ONCE, true, true;
    fault!("after_pdu", "{ urc_inside = \"+CPIN: NOT READY\" }")
        => "delivered", ["the card is not there"], ONCE, true, true;
    fault!("after_result", "{ urc_inside = \"UNDER-VOLTAGE WARNNING\" }") => "delivered", [""], ONCE, true, true;

    // --- noise ---
    fault!("command", "{ garbage = \"~\\u0000\\u007f\" }") => "delivered", [""], ONCE, true, true;
    fault!("command", "{ garbage = \"\\r\\nOK\\r\\n\" }") => "delivered", [""], ONCE, true, true;
    fault!("prompt", "{ garbage = \"> >\" }") => "delivered", [""], ONCE, true, true;
    fault!("after_pdu", "{ garbage = \"\\r\\n> \" }") => "delivered", [""], ONCE, true, true;
    fault!("{ garbage = \"\\r\\nOK\\r\\n\" }") => "delivered", ["OK without +CMGS"], ONCE, true, true;
    fault!("{ garbage = \"\\u0000\\u00ff OK?\\r\\n\" }") => "delivered", [""], ONCE, true, true;
    fault!("after_result", "{ garbage = \"\\r\\n+CMGS: 99\\r\\n\\r\\nOK\\r\\n\" }") => "delivered", [""], ONCE, true, true;

    // --- slow and silent ---
    fault!("{ delay = \"300ms\" }") => "delivered", [""], ONCE, true, true;
    fault!("{ delay = \"4s\" }") => "delivered", ["no final result in time"], ONCE, true, true;
    fault!("{ prompt_late = \"300ms\" }") => "delivered", [""], ONCE, true, true;
    fault!("{ prompt_late = \"3s\" }") => "delivered", ["no prompt", ""], ONCE, true, true;
    fault!("\"prompt_lost\"") => "delivered", ["no prompt", ""], ONCE, true, true;
    fault!("\"prompt_without_space\"") => "delivered", [""], ONCE, true, true;
    fault!("{ silence = \"2500ms\" }") => "delivered", ["no prompt", ""], ONCE, true, true;
    fault!("prompt", "{ silence = \"1s\" }") => "unknown", ["no final result in time"], NEVER, false, true;
    fault!("after_pdu", "{ silence = \"2s\" }") => "unknown", ["no final result in time"], NEVER, false, true;
    fault!("after_transmission", "{ silence = \"2s\" }") => "delivered", ["no final result in time"], ONCE, true, true;
    fault!("after_result", "{ silence = \"1s\" }") => "delivered", [""], ONCE, true, true;
    fault!("\"hang\"") => "queued", ["no prompt", "…"], NEVER, false, false;
    fault!("prompt", "\"hang\"") => "unknown", ["no final result in time"], NEVER, false, false;
    fault!("after_pdu", "\"hang\"") => "unknown", ["no final result in time"], NEVER, false, false;
    fault!("after_transmission", "\"hang\"") => "unknown", ["no final result in time"], ONCE, true, false;
    fault!("after_result", "\"hang\"") => "sent", [""], ONCE, true, false;

    fault!("\"hang_until_reopened\"") => "delivered", ["no prompt", "…"], ONCE, true, true;
    fault!("\"hang_until_reset\"") => "delivered", ["no prompt", "…"], ONCE, true, true;

    // --- deeds that are none ---
    fault!("\"ok_to_everything\"") => "unknown", ["OK without +CMGS"], NEVER, false, true;
    fault!("\"swallow\"") => "sent", [""], NEVER, false, true;
    fault!("{ nonsense = \"\\r\\n~~\\r\\n\" }") => "delivered", ["no prompt", ""], ONCE, true, true;

    // --- echo ---
    fault!("\"lost_echo\"") => "delivered", [""], ONCE, true, true;
    fault!("\"echo\"") => "delivered", [""], ONCE, true, true;

    // --- restarts ---
    fault!("\"reset\"") => "delivered", ["the modem restarted", ""], ONCE, true, true;
    fault!("prompt", "\"reset\"") => "delivered | unknown", ["…"], NEVER_OR_ONCE, true, true;
    fault!("after_pdu", "\"reset\"") => "unknown", ["the modem restarted"], NEVER, false, true;
    // Its report is lost with it, unless the network is slower than its start.
    fault!("after_transmission", "\"reset\"") => "unknown", ["the modem restarted"], ONCE, true, true;
    concat!(fault!("after_transmission", "\"reset\""), treatment!("{ late_report = \"5s\" }"))
        => "delivered", ["the modem restarted"], ONCE, true, true;
    fault!("after_result", "\"reset\"") => "sent", [""], ONCE, true, true;

    // --- unplugged, and put back after a moment ---
    concat!(fault!("{ unplug = \"command\" }"), "replug_after = \"50ms\"\n")
        => "delivered", ["the line is gone", ""], ONCE, true, true;
    concat!(fault!("{ unplug = \"prompt\" }"), "replug_after = \"50ms\"\n")
        => "delivered | unknown", ["…"], NEVER_OR_ONCE, true, true;
    concat!(fault!("{ unplug = \"after_pdu\" }"), "replug_after = \"50ms\"\n")
        => "unknown", ["the line is gone"], NEVER, false, true;
    concat!(fault!("{ unplug = \"after_transmission\" }"), "replug_after = \"50ms\"\n")
        => "unknown", ["the line is gone"], ONCE, true, true;
    concat!(fault!("{ unplug = \"after_transmission\" }"), "replug_after = \"50ms\"\n", treatment!("{ late_report = \"6s\" }"))
        => "delivered", ["the line is gone"], ONCE, true, true;
    // The last words of a line that is gone are lost with it, or not.
    concat!(fault!("{ unplug = \"after_result\" }"), "replug_after = \"50ms\"\n", treatment!("\"never_report\""))
        => "sent | unknown", ["…"], ONCE, true, true;

    // --- receivers ---
    treatment!("\"deliver\"") => "delivered", [""], ONCE, true, true;
    treatment!("{ refuse = 1 }") => "failed", ["CMS 1"], NEVER, false, true;
    treatment!("{ fail = 70 }") => "undelivered", [""], ONCE, true, true;
    treatment!("\"never_report\"") => "sent", [""], ONCE, true, true;
    treatment!("\"report_twice\"") => "delivered", [""], ONCE, true, true;
    treatment!("{ late_report = \"300ms\" }") => "delivered", [""], ONCE, true, true;
    treatment!("\"early_report\"") => "delivered", [""], ONCE, true, true;
    treatment!("{ scattered_report = \"300ms\" }") => "delivered", [""], ONCE, true, true;
    treatment!("{ pending_last = \"300ms\" }") => "delivered", [""], ONCE, true, true;
    treatment!("{ report_for = 628990000123 }") => "sent", [""], ONCE, true, true;
    treatment!("{ slow = \"300ms\" }") => "delivered", [""], ONCE, true, true;
    treatment!("{ slow_air = \"300ms\" }") => "delivered", [""], ONCE, true, true;
    treatment!("{ slow_air = \"4s\" }") => "delivered", ["no final result in time"], ONCE, true, true;
    concat!(fault!("\"lost_answer\""), treatment!("{ fail = 70 }"))
        => "undelivered", ["no final result in time"], ONCE, true, true;
    concat!(fault!("\"lost_answer\""), treatment!("{ late_report = \"5s\" }"))
        => "delivered", ["no final result in time"], ONCE, true, true;

    // --- manners ---
    manners!("[\"strict_prefix\", \"silent_escape\"]") => "delivered", [""], ONCE, true, true;
    concat!(manners!("[\"strict_prefix\", \"silent_escape\"]"), fault!("{ prompt_late = \"3s\" }"))
        => "delivered", ["no prompt", ""], ONCE, true, true;
    manners!("[\"not_allowed_at_start\", \"pin_state_without_ok\"]") => "delivered", [""], ONCE, true, true;
    manners!("[\"silent_arrivals\", \"tells_full_memory\"]") => "delivered", [""], ONCE, true, true;
    concat!(manners!("[\"silent_start\", \"saved_text_mode\"]"), fault!("\"reset\""))
        => "delivered", ["no prompt", ""], ONCE, true, true;
    manners!("[\"phase_two_plus_only\"]") => "delivered", [""], ONCE, true, true;
    manners!("[\"odd_reports\"]") => "delivered", [""], ONCE, true, true;
    concat!(manners!("[\"report_memory\"]"), "[[fault]]\nwhen = \"AT+CNMI=2,1,2,1\"\naction = \"error\"\n[[fault]]\nwhen = \"AT+CNMI=2,1,0,1\"\naction = \"error\"\n")
        => "delivered", [""], ONCE, true, true;
    concat!(manners!("[\"silent_start\", \"saved_text_mode\"]"), fault!("after_pdu", "\"reset\""))
        => "unknown", ["no final result in time"], NEVER, false, true;
];

/// The fault strikes the second part, unless it says otherwise.
pub(super) const LONG: &[Row] = &rows![
    "" => "delivered", [""], ALL, true, true;

    // --- the second part is not sent, for certain: it is tried again, on this modem alone ---
    fault!(nth 2, "{ cms_error = 42 }") => "delivered", [""], ALL, true, true;
    fault!(nth 2, "{ cms_error = 29 }") => "delivered", [""], ALL, true, true;
    fault!(nth 2, "{ cms_error = 304 }") => "delivered", [""], ALL, true, true;
    fault!(nth 2, "{ cms_error_before_prompt = 302 }") => "delivered", [""], ALL, true, true;
    fault!(nth 2, "{ cme_error = 14 }") => "delivered", [""], ALL, true, true;
    fault!(nth 2, "\"error\"") => "delivered", [""], ALL, true, true;
    fault!(nth 2, "\"prompt_lost\"") => "delivered", [""], ALL, true, true;
    fault!(nth 2, "{ prompt_late = \"3s\" }") => "delivered", [""], ALL, true, true;
    fault!(nth 2, "{ silence = \"2500ms\" }") => "delivered", [""], ALL, true, true;
    fault!(nth 2, "\"reset\"") => "delivered", [""], ALL, true, true;
    // The report of the first part can come while the modem starts again, and is lost then.
    concat!(fault!(nth 2, "{ unplug = \"command\" }"), "replug_after = \"50ms\"\n")
        => "delivered | sent", [""], ALL, true, true;
    // … and not for ever.
    fault!(nth 2, "{ cms_error = 1 }") => "failed", ["a later part was not sent: CMS 1"], FIRST, true, true;
    concat!(fault!(nth 2, "{ cms_error = 42 }"), fault!(nth 3, "{ cms_error = 42 }"), fault!(nth 4, "{ cms_error = 42 }"))
        => "failed", ["a later part was not sent: CMS 42"], FIRST, true, true;

    fault!(nth 2, "{ nonsense = \"\\r\\n~~\\r\\n\" }") => "delivered", [""], ALL, true, true;
    fault!(nth 2, "\"hang_until_reopened\"") => "delivered", [""], ALL, true, true;
    fault!(nth 2, "\"hang_until_reset\"") => "delivered", [""], ALL, true, true;
    fault!(nth 2, "\"swallow\"") => "sent", [""], FIRST_AND_LAST, true, true;

    // --- nobody can know whether it was sent: the third is not, the first is not sent again ---
    fault!(nth 2, "\"lost_answer\"") => "unknown", ["no final result in time"], TWO, true, true;
    fault!(nth 2, "\"lost_answer_not_transmitted\"") => "unknown", ["no final result in time"], FIRST, true, true;
    fault!(nth 2, "\"lost_information\"") => "unknown", ["OK without +CMGS"], TWO, true, true;
    fault!(nth 2, "\"ok_to_everything\"") => "unknown", ["OK without +CMGS"], FIRST, true, true;
    fault!(nth 2, "{ cms_error_transmitted = 332 }")
        => "unknown", ["+CMS ERROR 332: network timeout"], TWO, true, true;
    fault!(nth 2, "{ delay = \"4s\" }") => "unknown", ["no final result in time"], TWO, true, true;
    fault!(nth 2, "after_pdu", "\"reset\"") => "unknown", ["the modem restarted"], FIRST, true, true;
    fault!(nth 2, "after_transmission", "\"hang\"") => "unknown", ["no final result in time"], TWO, true, false;
    // Of the last part the report tells.
    fault!(nth 3, "\"lost_answer\"") => "delivered", ["no final result in time"], ALL, true, true;
    unreported!(nth 3, "\"lost_answer\"") => "unknown", ["no final result in time"], ALL, true, true;
    fault!(nth 1, "\"lost_answer\"") => "unknown", ["no final result in time"], FIRST, true, true;

    // --- it was sent, whatever else is said ---
    fault!(nth 2, "\"lost_result\"") => "delivered", [""], ALL, true, true;
    fault!(nth 2, "\"lost_echo\"") => "delivered", [""], ALL, true, true;
    fault!(nth 2, "\"echo\"") => "delivered", [""], ALL, true, true;
    fault!(nth 2, "\"prompt_without_space\"") => "delivered", [""], ALL, true, true;
    fault!(nth 2, "{ urc_inside = \"RING\" }") => "delivered", [""], ALL, true, true;
    fault!(nth 2, "{ garbage = \"~\\u0000\" }") => "delivered", [""], ALL, true, true;
    fault!(nth 2, "after_result", "{ cms_error = 38 }") => "delivered", [""], ALL, true, true;
    fault!(nth 2, "after_result", "\"reset\"") => "sent", [""], ALL, true, true;

    // --- reports ---
    treatment!("{ fail = 70 }") => "undelivered", [""], ALL, true, true;
    treatment!("\"never_report\"") => "sent", [""], ALL, true, true;
    treatment!("\"report_twice\"") => "delivered", [""], ALL, true, true;
    treatment!("{ late_report = \"300ms\" }") => "delivered", [""], ALL, true, true;
];

macro_rules! example {
    ($name:literal) => {
        include_str!(concat!("../../../../emulator/scripts/", $name))
    };
}

/// The scripts that `docs/emulator-scripts.md` and their own comments explain.
pub(super) const EXAMPLES: &[Row] = &rows![
    example!("brown-out.toml") => "unknown", ["no final result in time"], NEVER, false, true;
    example!("lost-cable.toml") => "delivered", ["the line is gone"], ONCE, true, true;
    example!("congestion.toml") => "delivered", ["CMS 42", "CMS 42", ""], ONCE, true, true;
    example!("noisy-line.toml") => "delivered", [""], ONCE, true, true;
];

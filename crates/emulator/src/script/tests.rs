use super::*;

fn faults(text: &str) -> Faults {
    Faults::new(Script::parse(text).expect("a script").faults, "modem1", 7)
}

#[test]
fn every_action_can_be_written() {
    let cases = [
        ("\"lost_answer\"", Action::LostAnswer),
        ("\"lost_answer_not_transmitted\"", Action::LostAnswerNotTransmitted),
        ("{ cms_error = 38 }", Action::CmsError(38)),
        ("{ cms_error_transmitted = 332 }", Action::CmsErrorTransmitted(332)),
        ("{ cms_error_before_prompt = 302 }", Action::CmsErrorBeforePrompt(302)),
        ("{ cme_error = 14 }", Action::CmeError(14)),
        ("\"error\"", Action::Error),
        ("{ urc_inside = '+CMTI: \"SM\",3' }", Action::UrcInside("+CMTI: \"SM\",3".to_owned())),
        ("{ garbage = \"\\u0000x\" }", Action::Garbage("\0x".to_owned())),
        ("{ delay = \"1.5s\" }", Action::Delay(ScriptDuration(Duration::from_millis(1500)))),
        ("{ unplug = \"prompt\" }", Action::Unplug(UnplugAt::Prompt)),
        ("\"lost_echo\"", Action::LostEcho),
        ("\"prompt_without_space\"", Action::PromptWithoutSpace),
        ("{ prompt_late = \"20ms\" }", Action::PromptLate(ScriptDuration(Duration::from_millis(20)))),
        ("\"prompt_lost\"", Action::PromptLost),
        ("\"hang\"", Action::Hang),
        ("\"reset\"", Action::Reset),
    ];
    for (written, action) in cases {
        let script = Script::parse(&format!("[[fault]]\nwhen = \"AT+CMGS\"\naction = {written}\n")).expect(written);
        assert_eq!(script.faults[0].action, action, "{written}");
    }
}

#[test]
fn unknown_keys_and_impossible_probabilities_are_refused() {
    for text in [
        "[[fault]]\nwhen = \"AT\"\naction = \"error\"\nevery = 2\n",
        "[[fault]]\nwhen = \"AT\"\naction = \"explode\"\n",
        "[[fault]]\nwhen = \"AT\"\naction = \"error\"\nprobability = 1.5\n",
        "[[faults]]\nwhen = \"AT\"\n",
    ] {
        assert!(Script::parse(text).is_err(), "{text}");
    }
}

#[test]
fn the_nth_command_with_the_prefix_is_struck_and_no_other() {
    let mut faults = faults("[[fault]]\nwhen = \"at+cmgs\"\nnth = 2\naction = \"error\"\n");
    let struck: Vec<bool> = ["AT+CMGS=1", "AT+CSQ", "AT+CMGS=2", "AT+CMGS=3"]
        .iter()
        .map(|command| faults.strike(command).is_some())
        .collect();
    assert_eq!(struck, [false, false, true, false]);
}

#[test]
fn times_limits_how_often_a_fault_strikes() {
    let mut faults = faults("[[fault]]\nwhen = \"*\"\ntimes = 2\naction = \"error\"\n");
    assert_eq!((0..5).filter(|_| faults.strike("AT").is_some()).count(), 2);
}

#[test]
fn a_fault_for_another_modem_does_not_strike() {
    assert!(faults("[[fault]]\nwhen = \"*\"\nmodem = \"modem2\"\naction = \"error\"\n").strike("AT").is_none());
}

#[test]
fn chance_repeats_with_its_seed_and_keeps_its_rate() {
    let run = |seed| {
        let fault = Fault { probability: Some(0.25), ..Fault::always("*", Action::Error) };
        let mut faults = Faults::new(vec![fault], "modem1", seed);
        (0..1000).map(|_| faults.strike("AT").is_some()).collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    let hits = run(1).into_iter().filter(|hit| *hit).count();
    assert!((200..300).contains(&hits), "{hits} of 1000");
}

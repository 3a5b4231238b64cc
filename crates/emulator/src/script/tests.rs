use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::duration::ScriptDuration;

fn faults(text: &str) -> Faults {
    Faults::new(Script::parse(text).expect("a script").faults, "modem1", 7)
}

#[test]
fn every_action_can_be_written() {
    let cases = [
        ("\"lost_answer\"", Action::LostAnswer),
        ("\"lost_answer_not_transmitted\"", Action::LostAnswerNotTransmitted),
        ("\"lost_result\"", Action::LostResult),
        ("\"lost_information\"", Action::LostInformation),
        ("{ cms_error = 38 }", Action::CmsError(38)),
        ("{ cms_error_transmitted = 332 }", Action::CmsErrorTransmitted(332)),
        ("{ cms_error_before_prompt = 302 }", Action::CmsErrorBeforePrompt(302)),
        ("{ cme_error = 14 }", Action::CmeError(14)),
        ("\"error\"", Action::Error),
        ("{ urc_inside = '+CMTI: \"SM\",3' }", Action::UrcInside("+CMTI: \"SM\",3".to_owned())),
        ("{ garbage = \"\\u0000x\" }", Action::Garbage("\0x".to_owned())),
        ("{ delay = \"1.5s\" }", Action::Delay(ScriptDuration(Duration::from_millis(1500)))),
        ("{ unplug = \"prompt\" }", Action::Unplug(Moment::Prompt)),
        ("\"lost_echo\"", Action::LostEcho),
        ("\"echo\"", Action::Echo),
        ("{ silence = \"2s\" }", Action::Silence(ScriptDuration(Duration::from_secs(2)))),
        ("\"prompt_without_space\"", Action::PromptWithoutSpace),
        ("{ prompt_late = \"20ms\" }", Action::PromptLate(ScriptDuration(Duration::from_millis(20)))),
        ("\"prompt_lost\"", Action::PromptLost),
        ("\"hang\"", Action::Hang),
        ("\"reset\"", Action::Reset),
        ("\"hang_until_reset\"", Action::HangUntilReset),
        ("\"hang_until_reopened\"", Action::HangUntilReopened),
        ("\"ok_to_everything\"", Action::OkToEverything),
        ("\"swallow\"", Action::Swallow),
        ("{ nonsense = \"~\" }", Action::Nonsense("~".to_owned())),
    ];
    let mut written_words = BTreeSet::new();
    for (written, action) in cases {
        let script = Script::parse(&format!("[[fault]]\nwhen = \"AT+CMGS\"\naction = {written}\n")).expect(written);
        assert_eq!(script.faults[0].action, action, "{written}");
        let word = written.trim_start_matches(['{', '"', ' ']);
        written_words.extend(word.split(['"', ' ']).next().map(str::to_owned));
    }
    let all = words("[[fault]]\nwhen = \"AT\"\naction = \"?\"\n");
    assert!(all.is_subset(&written_words), "{:?}", all.difference(&written_words));
}

/// The words that could stand where the script has `?`, as the reader of scripts itself tells them.
fn words(script: &str) -> BTreeSet<String> {
    let Err(ScriptError::NotUnderstood(error)) = Script::parse(script) else { panic!("{script} is understood") };
    let told = error.message().split_once("expected ").expect("the words").1.to_owned();
    told.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Everything that can stand in a script.
fn vocabulary() -> BTreeSet<String> {
    let fault = "[[fault]]\nwhen = \"AT\"\n";
    let receiver = "[[receiver]]\nnumber = \"1\"\n";
    [
        "?= 1\n".replace('?', "unknown"),
        "[[fault]]\nunknown = 1\n".to_owned(),
        format!("{fault}action = \"?\"\n"),
        format!("{fault}action = \"hang\"\nat = \"?\"\n"),
        "[[receiver]]\nunknown = 1\n".to_owned(),
        format!("{receiver}treatment = \"?\"\n"),
        "[[modem]]\nunknown = 1\n".to_owned(),
        "[[modem]]\nmanners = [\"?\"]\n".to_owned(),
        "[[modem]]\nussd_form = \"?\"\n".to_owned(),
        "[[ussd]]\nunknown = 1\n".to_owned(),
        "[[ussd]]\ndial = \"*1#\"\ncoding = \"?\"\n".to_owned(),
    ]
    .iter()
    .flat_map(|script| words(script))
    .collect()
}

#[test]
fn the_document_has_every_word_and_its_examples_are_scripts() {
    let document = include_str!("../../../../docs/emulator-scripts.md");
    let words = vocabulary();
    assert!(words.len() > 40, "{words:?}");
    for word in &words {
        let is_there = [format!("`{word}`"), format!("`[[{word}]]`")].iter().any(|word| document.contains(word));
        assert!(is_there, "`{word}` is not in docs/emulator-scripts.md");
        assert!(include_str!("../main.rs").contains(word), "`{word}` is not in the program's --help");
    }
    let examples: Vec<&str> =
        document.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
    assert!(examples.len() >= 3, "{}", examples.len());
    for example in examples {
        assert!(Script::parse(example).is_ok(), "{example}: {:?}", Script::parse(example));
    }
}

#[test]
fn the_scripts_of_the_directory_are_scripts_and_the_worked_ones_are_those_of_the_document() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts");
    let paths = std::fs::read_dir(directory).expect("scripts").map(|entry| entry.expect("an entry").path());
    let paths: Vec<_> = paths.collect();
    assert!(paths.len() >= 6, "{paths:?}");
    for path in paths {
        let script = Script::read(&path).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
        assert_ne!(script, Script::default(), "{}", path.display());
    }
    let document = include_str!("../../../../docs/emulator-scripts.md");
    for text in [include_str!("../../scripts/brown-out.toml"), include_str!("../../scripts/lost-cable.toml")] {
        assert!(document.contains(text), "{text}");
    }
}

#[test]
fn what_is_not_understood_or_could_never_happen_is_refused_with_its_line() {
    let fault = "[[fault]]\nwhen = \"AT\"\naction = \"error\"\n";
    for (text, line, said) in [
        (format!("{fault}every = 2\n"), 4, "every"),
        ("# A script.\n\n[[fault]]\nwhen = \"AT\"\naction = \"explode\"\n".to_owned(), 5, "explode"),
        (format!("{fault}\n[[faults]]\nwhen = \"AT\"\n"), 5, "faults"),
        (format!("{fault}at = \"noon\"\n"), 4, "noon"),
        ("[[fault]]\nwhen = \"AT\"\n".to_owned(), 1, "action"),
        ("[[fault]]\nwhen = \"AT\"\naction = { delay = \"2\" }\n".to_owned(), 3, "write for example"),
        ("[[modem]]\nmanners = [\"rude\"]\n".to_owned(), 2, "rude"),
        ("[[ussd]]\ndial = \"123\"\n".to_owned(), 1, "code like *123#"),
        ("\n[[ussd]]\ndial = \"*123#  2\"\n".to_owned(), 2, "one blank between"),
        ("[[ussd]]\ndial = \"*123#\"\nends_after = \"1s\"\n".to_owned(), 1, "menu = true"),
        ("[[ussd]]\ndial = \"*123#\"\nstatus = 6\n".to_owned(), 1, "0 to 5"),
        (format!("{fault}\n{fault}probability = 1.5\n"), 5, "between 0 and 1"),
        (format!("{fault}nth = 0\n"), 1, "count from 1"),
        (format!("\n{fault}times = 0\n"), 2, "count from 1"),
        (format!("{fault}replug_after = \"1s\"\n"), 1, "unplug"),
        ("[[fault]]\nwhen = \"CMGS\"\naction = \"error\"\n".to_owned(), 1, "begins with AT"),
        ("[[fault]]\nwhen = \"\"\naction = \"error\"\n".to_owned(), 1, "begins with AT"),
        ("[[fault]]\nwhen = \"AT\"\nat = \"prompt\"\naction = \"lost_answer\"\n".to_owned(), 1, "leave out `at`"),
        (
            "[[fault]]\nwhen = \"AT\"\nat = \"prompt\"\naction = { unplug = \"prompt\" }\n".to_owned(),
            1,
            "leave out `at`",
        ),
        ("[[receiver]]\nnumber = \"+62*\"\ntreatment = \"deliver\"\n".to_owned(), 1, "digits without +"),
        (format!("{fault}[[receiver]]\nnumber = \"\"\ntreatment = \"deliver\"\n"), 4, "digits without +"),
    ] {
        let error = Script::parse(&text).expect_err(&text);
        let told = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        let told = told.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        assert!(told.contains(&format!("line {line}")) && told.contains(said), "{text}\n{told}");
    }
}

#[test]
fn a_file_is_named_when_it_cannot_be_read_or_used() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("script.toml");
    assert!(Script::read(&path).expect_err("no file").to_string().contains("script.toml"));
    std::fs::write(&path, "[[fault]]\nwhen = 1\n").expect("a file");
    assert!(Script::read(&path).expect_err("no script").to_string().contains("script.toml"));
    std::fs::write(&path, "# Nothing happens.\n").expect("a file");
    assert_eq!(Script::read(&path).expect("a script"), Script::default());
}

#[test]
fn manners_are_those_of_every_modem_or_of_one() {
    let script = Script::parse(
        "[[modem]]\nmanners = [\"silent_start\"]\n[[modem]]\nname = \"modem2\"\nmanners = [\"strict_prefix\"]\n",
    )
    .expect("a script");
    assert_eq!(script.manners_of("modem1").collect::<Vec<_>>(), [Manner::SilentStart]);
    assert_eq!(script.manners_of("modem2").collect::<Vec<_>>(), [Manner::SilentStart, Manner::StrictPrefix]);
    assert_eq!(script.modem_names().collect::<Vec<_>>(), ["modem2"]);
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

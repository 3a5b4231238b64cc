//! `otp-pi ussd`, with a gateway and without one.

use std::io::Write as _;
use std::process::Stdio;

use super::Stage;
use crate::harness::{Ended, end_of, operate, operation, run_to_end};

const BALANCE: &str = "Sisa pulsa Anda Rp10000\n";
const MENU: &str = "1 Pulsa 2 Nomor\n";
const NUMBER: &str = "Nomor Anda 6281100000001\n";

/// Runs the command with this on standard input.
fn typed(command: &mut std::process::Command, input: &str) -> Ended {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(input.as_bytes()).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    end_of(command.stdin(Stdio::from(file)))
}

/// What holds with a gateway and without one.
fn converses(run: impl Fn(&[&str], &str) -> Ended) {
    let ended = run(&["m0", "*888#"], "");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), BALANCE), "{ended:?}");
    let ended = run(&["m0", "*123#", "--reply", "2", "--json"], "");
    assert_eq!(ended.json()["text"], NUMBER.trim_end());
    assert_eq!((&ended.json()["status"], &ended.json()["replyable"]), (&"final".into(), &false.into()));
    // Gone through by hand.
    let ended = run(&["m0", "*123#", "-i"], "2\n");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), format!("{MENU}{NUMBER}").as_str()), "{ended:?}");
    let ended = run(&["m0", "*123#", "-i"], "\n");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), format!("{MENU}the dialogue is ended\n").as_str()));
    // A menu without anybody to reply.
    let ended = run(&["m0", "*123#"], "");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), MENU), "{ended:?}");
    assert!(ended.stderr.contains("Give replies with --reply"), "{ended:?}");
    let ended = run(&["m0", "*888#", "--reply", "1"], "");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("said its last word before all replies"), "{ended:?}");
    let ended = run(&["m0", "*777#", "--json"], "");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.json()["error"].as_str().unwrap().contains("does not know this code"), "{ended:?}");
}

#[test]
fn a_menu_is_gone_through_by_hand_and_by_a_script_with_a_gateway_and_without_one() {
    let stage = Stage::well();
    let directory = stage.gateway.dir().to_owned();
    converses(|arguments, input| typed(&mut operation(&directory, &[&["ussd"], arguments].concat()), input));
    let told = stage.gateway.operate(&["audit", "list", "--event", "ussd-by-hand", "--json"]);
    assert!(told.told().contains("control socket"), "{told:?}");
    stage.sends("the modem is free");
    let stopped = stage.gateway.stop();
    converses(|arguments, input| typed(&mut operation(stopped.dir(), &[&["ussd"], arguments].concat()), input));
    let told = operate(stopped.dir(), &["audit", "list", "--event", "ussd-by-hand", "--json"]);
    assert!(told.told().contains("\"shell\""), "{told:?}");
    // A line of which nothing is configured.
    let line = stage.emulator.modems[0].to_str().unwrap().to_owned();
    let ended = typed(std::process::Command::new(env!("CARGO_BIN_EXE_otp-pi")).args(["ussd", &line, "*888#"]), "");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), BALANCE), "{ended:?}");
}

#[test]
fn what_is_no_code_is_refused_before_anything_is_opened() {
    for (code, words) in [
        ("08123456789", "this would be a call"),
        ("**04*1234*4321*4321#", "it changes a PIN"),
        ("*888#\"", "only digits"),
        ("", "empty"),
    ] {
        let ended = run_to_end(&["ussd", "/nowhere/line", code]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains(words) && !ended.stderr.contains("4321"), "{ended:?}");
    }
    let ended = run_to_end(&["ussd", "/nowhere/line", "*888#"]);
    assert!(ended.code == Some(1) && ended.stderr.contains("nothing was asked"), "{ended:?}");
    assert_eq!(run_to_end(&["ussd", "m0"]).code, Some(2));
    assert!(run_to_end(&["ussd", "--help"]).stdout.contains("--reply 2 --reply 1"));
    let ended = run_to_end(&["modem", "balance", "nobody"]);
    assert!(ended.code == Some(1) && ended.stderr.contains("no gateway runs"), "{ended:?}");
}

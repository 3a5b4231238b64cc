//! What is generated from the definitions of the commands: help, completions, manual pages.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::harness::{run_to_end, skip};

/// Every command, as `--help` lists them, with the words that lead there.
fn commands() -> Vec<Vec<String>> {
    let mut found = vec![Vec::new()];
    let mut next = 0;
    while let Some(words) = found.get(next).cloned() {
        let mut arguments: Vec<&str> = words.iter().map(String::as_str).collect();
        arguments.push("--help");
        let help = run_to_end(&arguments);
        let listed = help.told().split("Commands:\n").nth(1).unwrap_or_default();
        let names = listed.lines().map_while(|line| line.strip_prefix("  ")?.split_whitespace().next());
        for name in names.filter(|name| *name != "help") {
            found.push([words.clone(), vec![name.to_owned()]].concat());
        }
        next += 1;
    }
    found
}

#[test]
fn every_command_has_help_an_exit_code_for_wrong_usage_and_a_manual_page() {
    let commands = commands();
    assert!(commands.len() > 30, "{commands:?}");
    let directory = tempfile::TempDir::new().unwrap();
    let pages = directory.path().join("pages");
    run_to_end(&["man", "--output", pages.to_str().unwrap()]).told();
    for words in &commands {
        let arguments: Vec<&str> = words.iter().map(String::as_str).collect();
        let wrong = run_to_end(&[&arguments[..], &["--no-such-option"]].concat());
        assert_eq!(wrong.code, Some(2), "{wrong:?}");
        let page = pages.join(format!("{}.1", [&["otp-pi".to_owned()][..], words].concat().join("-")));
        let page = fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        assert!(page.contains(".SH SYNOPSIS") && page.contains(".SH DESCRIPTION"), "{words:?}");
    }
    let made: BTreeSet<_> = fs::read_dir(&pages).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(made.len(), commands.len(), "one page a command: {made:?}");
    assert!(run_to_end(&["man"]).told().contains(".TH otp-pi 1"));
}

/// Runs a program with this input: whether it went well, and what it said where; none when it is not installed.
fn feed(program: &str, arguments: &[&str], input: &[u8]) -> Option<(bool, String, String)> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        skip(&format!("{program} is not installed"));
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    let written = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().unwrap()
    });
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some((written.status.success(), text(&written.stdout), text(&written.stderr)))
}

#[test]
fn manual_pages_are_rendered_without_a_complaint() {
    let directory = tempfile::TempDir::new().unwrap();
    run_to_end(&["man", "--output", directory.path().to_str().unwrap()]).told();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let (path, page) = (entry.as_ref().unwrap().path(), fs::read(entry.unwrap().path()).unwrap());
        // Bold and underlined letters as plain ones, so that words are words.
        let plain = ["-man", "-Kutf8", "-Tutf8", "-ww", "-P-cbou"];
        let Some((is_good, said, complaint)) = feed("groff", &plain, &page) else { return };
        assert!(is_good && complaint.is_empty(), "{}: {complaint}", path.display());
        assert!(said.contains("SYNOPSIS") && said.contains("otp-pi"), "{}: {said}", path.display());
    }
    let page = directory.path().join("otp-pi-message-cancel.1");
    if let Some((is_good, said, complaint)) = feed("man", &["-l", page.to_str().unwrap()], b"") {
        assert!(is_good && said.contains("Cancels a message that waits"), "{said}{complaint}");
    }
}

#[test]
fn shells_take_the_completions() {
    for (shell, program, arguments) in
        [("bash", "bash", &["-n"][..]), ("zsh", "zsh", &["-n"]), ("fish", "fish", &["--no-execute"])]
    {
        let script = run_to_end(&["completions", shell]);
        assert!(script.told().contains("api-user"), "{shell}");
        if let Some((is_good, said, complaint)) = feed(program, arguments, script.told().as_bytes()) {
            assert!(is_good && said.is_empty() && complaint.is_empty(), "{shell}: {said}{complaint}");
        }
    }
    assert_eq!(run_to_end(&["completions", "dos"]).code, Some(2));
}

#[test]
fn bash_completes_commands_and_options() {
    let script = run_to_end(&["completions", "bash"]);
    let ask = "\nCOMP_WORDS=(otp-pi message ca); COMP_CWORD=2; _otp__pi otp-pi ca message; echo \"${COMPREPLY[@]}\"\n\
               COMP_WORDS=(otp-pi backup --js); COMP_CWORD=2; _otp__pi otp-pi --js backup; echo \"${COMPREPLY[@]}\"\n";
    let input = script.told().to_owned() + ask;
    if let Some((is_good, said, complaint)) = feed("bash", &["--norc"], input.as_bytes()) {
        assert!(is_good && said == "cancel\n--json\n", "{said}{complaint}");
    }
}

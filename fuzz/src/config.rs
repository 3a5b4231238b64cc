//! Settings: every problem is told, and no password with it.

use otp_pi::config::{self, Loaded};

use super::SECRET;

/// What stands between the file, the document of the database and the variables of the environment.
const SEPARATOR: &str = "----\n";

/// Reads a text as a configuration of up to three layers. A secret stands where passwords do, and nowhere else.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // Devices and pipes would be opened.
    let text = text.replace("/dev/", "/nowhere/").replace("/proc/", "/nowhere/");
    let text: String = text.lines().map(|line| with_secret(line) + "\n").collect();
    let mut layers = text.splitn(3, SEPARATOR);
    let mut next = || layers.next().unwrap_or_default();
    let (file, database, environment) = (next(), next(), next());
    let variable = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment: Vec<_> = environment.lines().filter_map(variable).collect();
    match config::assemble(file, database, &environment) {
        Ok(loaded) => check(&loaded),
        Err(error) => {
            let words = error.to_string();
            assert!(!words.is_empty());
            assert!(!words.contains(SECRET) && !format!("{error:?}").contains(SECRET), "a password in: {words}");
        }
    }
}

fn check(loaded: &Loaded) {
    assert!(!format!("{loaded:?}").contains(SECRET), "a password can be printed");
    for warning in &loaded.config.warnings {
        assert!(!warning.key.is_empty() && !warning.what.is_empty() && !warning.fix.is_empty());
        assert!(!format!("{warning:?}").contains(SECRET), "a password in a warning: {warning:?}");
    }
    let settings = loaded.laid.settings();
    assert!(!settings.is_empty() && !format!("{settings:?}").contains(SECRET), "a password is shown");
    assert!(loaded.laid.changes(&loaded.laid).is_empty(), "nothing is different from itself");
    let export = loaded.laid.export(None).expect("without secrets nothing can fail");
    assert!(!export.contains(SECRET), "a password is exported");
    if let Err(error) = config::assemble(&export, "", &[]) {
        // Without their passwords API users cannot be read; everything else can.
        let words = error.to_string();
        let is_expected = |line: &str| line.contains("api_user[") || line.starts_with("  fix: ");
        assert!(words.lines().all(is_expected), "what was exported cannot be read: {words}");
    }
}

/// Leaves the secret in the value of a password, and takes it from everything else.
fn with_secret(line: &str) -> String {
    let Some((key, value)) = line.split_once('=') else { return line.replace(SECRET, "other") };
    let key = key.replace(SECRET, "other");
    let is_password = match key.trim() {
        "password" | "password_hash" => true,
        // An address may hold one.
        "ticket_store" => value.contains("://"),
        variable => variable.ends_with("__PASSWORD") || variable.ends_with("__PASSWORD_HASH"),
    };
    if is_password { format!("{key}={value}") } else { format!("{key}={}", value.replace(SECRET, "other")) }
}

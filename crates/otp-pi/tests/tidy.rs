// long: one rule after the other over one tree of sources, with the tables that they share
//! The rules of the repository, held by reading its text: arrows between rooms and crates, sizes, where status and
//! response codes may stand, names, documents that must agree with the tree.
//!
//! Never builds or runs anything. When a rule here is in the way, change the rule, ARCHITECTURE.md or CONTRIBUTING.md and
//! the code in one commit. The reading helpers are tested below on small texts: each rule is shown to fail.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Rooms of the `otp-pi` crate with their floor: a room imports only from floors below (ARCHITECTURE.md, arrows).
const ROOMS: [(&str, u8); 19] = [
    ("main", 8),
    ("lib", 8),
    ("cli", 7),
    ("app", 6),
    ("config", 5),
    ("ws_broker", 5),
    ("http", 4),
    ("intake", 4),
    ("control", 4),
    ("gateway", 3),
    ("operator", 3),
    ("dispatch", 2),
    ("channel", 2),
    ("limits", 2),
    ("inbox", 2),
    ("ussd", 2),
    ("wire", 1),
    ("event", 1),
    ("telemetry", 1),
];

/// Arrows between neighbours on one floor.
const SIDEWAYS: [(&str, &str); 1] = [("dispatch", "channel")];

/// Rooms that only the named ones may import, whatever their floor.
const RESERVED: [(&str, &[&str]); 4] = [
    ("app", &["main", "lib", "cli"]),
    ("cli", &["main", "lib"]),
    ("config", &["lib", "app", "cli"]),
    ("ws_broker", &["lib", "cli"]),
];

/// Crates of the workspace: what each may depend on among the others, for its code and for its tests.
const CRATES: [(&str, &[&str], &[&str]); 7] = [
    ("domain", &[], &[]),
    ("gsm", &[], &[]),
    ("host", &[], &[]),
    ("modem", &["gsm"], &["emulator"]),
    ("emulator", &[], &["gsm"]),
    ("store", &["domain"], &[]),
    ("otp-pi", &["domain", "gsm", "modem", "emulator", "store", "host"], &[]),
];

/// Crates that decide and translate, and do nothing else.
const PURE: [&str; 2] = ["domain", "gsm"];

/// What a pure crate may not depend on: tasks, files, sockets, clocks, randomness of its own.
const IMPURE_DEPENDENCIES: [&str; 18] = [
    "tokio",
    "tokio-util",
    "futures-util",
    "async-trait",
    "mio",
    "rustix",
    "libc",
    "nix",
    "sqlx",
    "axum",
    "hyper",
    "serial2-tokio",
    "getrandom",
    "rand",
    "chrono",
    "time",
    "tracing-subscriber",
    "anyhow",
];

/// What the text of a pure crate may not hold.
const IMPURE_TEXT: [&str; 11] = [
    ".await",
    "async fn",
    "std::fs",
    "std::net",
    "std::io",
    "std::env",
    "std::thread",
    "std::process",
    "SystemTime",
    "Instant",
    "std::os",
];

/// Response codes of the envelope, except the configurable success code.
const RESPONSE_CODES: [&str; 15] = [
    "1101", "1102", "1201", "1202", "1203", "1204", "1205", "1301", "1302", "1303", "1401", "1402", "1403", "1404",
    "1501",
];

const MAX_FILE_LINES: usize = 400;
const MAX_FUNCTION_LINES: usize = 80;

// --- reading ------------------------------------------------------------------------------------------------------

/// One file of the tree: path relative to the workspace, with forward slashes.
struct Source {
    path: String,
    text: String,
}

fn workspace() -> Result<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().context("the workspace directory")
}

/// Every text file of the tree that is ours, sorted.
fn tree(root: &Path) -> Result<Vec<Source>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_dir() {
                if !matches!(name.as_str(), "target" | ".git" | ".venv" | "node_modules" | "__pycache__") {
                    folders.push(entry.path());
                }
            } else if let Ok(text) = fs::read_to_string(entry.path()) {
                let path = entry.path().strip_prefix(root)?.to_string_lossy().replace('\\', "/");
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// The `.rs` files under `crates/*/src` that go into the product, cut down to their production code.
fn production(tree: &[Source]) -> Vec<Source> {
    let test_only: Vec<String> = tree.iter().filter(|s| is_rust(&s.path)).flat_map(test_modules).collect();
    let is_test = |path: &str| {
        path.ends_with("/tests.rs")
            || path.contains("/tests/")
            || test_only.iter().any(|m| path == format!("{m}.rs") || path.starts_with(&format!("{m}/")))
    };
    tree.iter()
        .filter(|s| is_rust(&s.path) && s.path.starts_with("crates/") && s.path.contains("/src/") && !is_test(&s.path))
        .map(|s| Source { path: s.path.clone(), text: without_tests(&s.text) })
        .collect()
}

fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|e| e == "rs")
}

fn indent(line: &str) -> usize {
    line.len().saturating_sub(line.trim_start().len())
}

/// Drops every item under `#[cfg(test)]`; rustfmt has put its closing brace at the indent of its first line.
fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if !line.trim_start().starts_with("#[cfg(test)]") {
            kept.push_str(line);
            kept.push('\n');
            continue;
        }
        let depth = indent(line);
        for item in lines.by_ref() {
            let end = item.trim_end();
            let is_attribute = item.trim_start().starts_with("#[");
            if indent(item) == depth && !is_attribute && (end.ends_with(';') || end.ends_with('}')) {
                break;
            }
        }
    }
    kept
}

/// Modules that a file declares for tests alone, as paths without `.rs`.
fn test_modules(source: &Source) -> Vec<String> {
    let Some((folder, file)) = source.path.rsplit_once('/') else { return Vec::new() };
    let base = match file {
        "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
        other => format!("{folder}/{}", other.trim_end_matches(".rs")),
    };
    let mut found = Vec::new();
    let mut under_test = false;
    for line in source.text.lines().map(str::trim) {
        let declared = line.split_once("mod ").and_then(|(_, rest)| rest.strip_suffix(';'));
        match declared {
            Some(name) if under_test => found.push(format!("{base}/{name}")),
            _ => {}
        }
        under_test = line.starts_with("#[cfg(test)]") || (under_test && line.starts_with("#["));
    }
    found
}

/// The code without its comments (whole-line ones, and those after code, blank before `//` and behind it).
fn without_comments(text: &str) -> String {
    let mut code = String::new();
    for line in text.lines() {
        if !line.trim_start().starts_with("//") {
            code.push_str(line.split_once(" // ").map_or(line, |(before, _)| before));
        }
        code.push('\n');
    }
    code
}

/// Identifiers and numbers of a text, in order.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|w| !w.is_empty())
}

fn is_word_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Is `part` in the code, and not as the beginning or end of a longer word?
fn holds_whole(code: &str, part: &str) -> bool {
    code.match_indices(part).any(|(at, _)| {
        let before = code.get(..at).and_then(|b| b.chars().next_back());
        let after = code.get(at.saturating_add(part.len())..).and_then(|a| a.chars().next());
        let joins_before = part.starts_with(is_word_part) && before.is_some_and(is_word_part);
        !joins_before && !after.is_some_and(is_word_part)
    })
}

/// The first names behind a `crate::`: one identifier, or the heads of a `{…}` group.
fn heads(rest: &str) -> Vec<String> {
    let Some(group) = rest.strip_prefix('{') else {
        return vec![rest.chars().take_while(|c| is_word_part(*c)).collect()];
    };
    let mut names = Vec::new();
    let (mut depth, mut at_head, mut name) = (1_u32, true, String::new());
    for c in group.chars() {
        match c {
            '{' => depth = depth.saturating_add(1),
            '}' if depth == 1 => break,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 1 => {
                names.push(std::mem::take(&mut name));
                at_head = true;
            }
            c if depth == 1 && at_head && is_word_part(c) => name.push(c),
            c if c.is_whitespace() => {}
            _ => at_head = false,
        }
    }
    names.push(name);
    names.retain(|n| !n.is_empty());
    names
}

/// Names that code takes from the root of its crate: by `crate::`, `otp_pi::` (the program), or a chain of `super::`
/// as long as the file lies deep.
fn imports(code: &str, depth: usize) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for root in ["crate::", "otp_pi::"] {
        for (at, _) in code.match_indices(root) {
            let before = code.get(..at).and_then(|b| b.chars().next_back());
            if before.is_none_or(|c| !is_word_part(c)) {
                found.extend(heads(code.get(at.saturating_add(root.len())..).unwrap_or_default()));
            }
        }
    }
    let chain = "super::".repeat(depth);
    for (at, _) in code.match_indices(&chain) {
        let before = code.get(..at).unwrap_or_default();
        let rest = code.get(at.saturating_add(chain.len())..).unwrap_or_default();
        if depth > 0 && !before.ends_with("super::") && !rest.starts_with("super::") {
            found.extend(heads(rest));
        }
    }
    found
}

/// The room of a file of `otp-pi` and how many modules deep it lies.
fn room(path: &str) -> Option<(String, usize)> {
    let inside = path.strip_prefix("crates/otp-pi/src/")?.strip_suffix(".rs")?;
    let mut modules: Vec<&str> = inside.split('/').collect();
    if matches!(modules.last(), Some(&"mod" | &"main" | &"lib")) && modules.len() > 1 {
        modules.pop();
    }
    let first = (*modules.first()?).to_owned();
    let depth = if first == "main" || first == "lib" { 0 } else { modules.len() };
    Some((if first == "bin" { "main".to_owned() } else { first }, depth))
}

fn floor(room: &str) -> Option<u8> {
    ROOMS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

fn may_import(from: &str, to: &str) -> bool {
    let (Some(upper), Some(lower)) = (floor(from), floor(to)) else { return false };
    let is_allowed = RESERVED.iter().find(|(room, _)| *room == to).is_none_or(|(_, who)| who.contains(&from));
    from == to || (is_allowed && (lower < upper || SIDEWAYS.contains(&(from, to))))
}

/// Functions longer than the rule allows: name and lines of the body (blank lines and comments do not count).
fn long_functions(text: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    // Name, indent, lines so far; no lines while the signature lasts.
    let mut open: Option<(String, usize, Option<usize>)> = None;
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some((name, depth, count)) = &mut open {
            match count {
                Some(lines) if indent(line) == *depth && trimmed.starts_with('}') => {
                    if *lines > MAX_FUNCTION_LINES {
                        found.push((name.clone(), *lines));
                    }
                    open = None;
                }
                Some(lines) if !trimmed.is_empty() && !trimmed.starts_with("//") => *lines = lines.saturating_add(1),
                None if indent(line) == *depth && trimmed.ends_with('{') => *count = Some(0),
                None if indent(line) == *depth && trimmed.ends_with(';') => open = None,
                _ => {}
            }
        } else if let Some((before, rest)) = trimmed.split_once("fn ") {
            let is_item = before.chars().all(|c| c.is_alphabetic() || " ()".contains(c));
            if is_item && !trimmed.ends_with('}') && !trimmed.ends_with(';') {
                let name = rest.chars().take_while(|c| is_word_part(*c)).collect();
                open = Some((name, indent(line), trimmed.ends_with('{').then_some(0)));
            }
        }
    }
    found
}

/// Glossary synonyms in use. `recipient_prefixes` and `monthly_recipients` are keys of the original's settings.
fn synonyms(code: &str) -> Vec<&str> {
    words(code)
        .filter(|w| {
            let lower = w.to_ascii_lowercase();
            let is_key = matches!(lower.as_str(), "recipient_prefixes" | "monthly_recipients");
            !is_key && (["recipient", "phone_number", "phonenumber", "simulator"].iter().any(|s| lower.contains(s)))
        })
        .collect()
}

/// Commands of a shell script: its lines without comments and blanks.
fn commands(script: &str) -> Vec<&str> {
    script.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).collect()
}

/// Rows of the tables in docs/status.md: promise, test names, state.
fn status_rows(text: &str) -> Vec<(String, Vec<String>, String)> {
    let mut rows = Vec::new();
    for line in text.lines().filter(|l| l.starts_with('|')) {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        let [_, promise, tests, state] = cells.as_slice() else { continue };
        if *state == "state" || state.chars().all(|c| c == '-') {
            continue;
        }
        let names = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        rows.push(((*promise).to_owned(), names, (*state).to_owned()));
    }
    rows
}

/// Rows of the tables in docs/threat-model.md that have a test column: attack, and what stands in that column.
fn threat_rows(text: &str) -> Vec<(&str, &str)> {
    let cells = text.lines().filter(|l| l.starts_with('|')).map(|l| l.trim().trim_matches('|').split('|'));
    let rows = cells.filter_map(|cells| match cells.map(str::trim).collect::<Vec<_>>().as_slice() {
        [attack, _, tests, _] => Some((*attack, *tests)),
        _ => None,
    });
    rows.filter(|(_, tests)| *tests != "test" && !tests.chars().all(|c| c == '-')).collect()
}

/// Is `name` (`test`, `module::test` or `path/file.rs::test`) a function of the tree?
fn is_test_of(tree: &[Source], name: &str) -> bool {
    let (place, function) = name.rsplit_once("::").unwrap_or(("", name));
    let open = [format!("fn {function}("), format!("fn {function}<")];
    tree.iter().any(|s| {
        is_rust(&s.path)
            && (!place.contains('/') || s.path.ends_with(place))
            && open.iter().any(|head| s.text.contains(head.as_str()))
    })
}

/// Places where a text names a directory of somebody's machine.
fn private_paths<'a>(text: &'a str, folders: &[String]) -> Vec<&'a str> {
    text.lines()
        .filter(|line| {
            folders.iter().any(|folder| {
                line.match_indices(folder.as_str()).any(|(at, _)| {
                    let before = line.get(..at).and_then(|b| b.chars().next_back());
                    before.is_none_or(|c| !(is_word_part(c) || "./-}*".contains(c)))
                })
            })
        })
        .collect()
}

/// Fails with all offences at once, so that one run shows the whole work.
fn assert_none(rule: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{rule}\n  {}", offences.join("\n  "));
}

// --- the rules ----------------------------------------------------------------------------------------------------

#[test]
fn rooms_import_only_what_stands_below_them() -> Result<()> {
    let sources = production(&tree(&workspace()?)?);
    assert_none("arrows point down (ARCHITECTURE.md)", &arrow_offences(&sources));
    Ok(())
}

/// Imports that go up or sideways, and rooms nobody has drawn.
fn arrow_offences(sources: &[Source]) -> Vec<String> {
    let mut offences = Vec::new();
    for source in sources {
        let Some((from, depth)) = room(&source.path) else { continue };
        if floor(&from).is_none() {
            offences.push(format!("{}: `{from}` is no room of the table", source.path));
            continue;
        }
        let targets = imports(&without_comments(&source.text), depth);
        let wrong = targets.iter().filter(|to| floor(to).is_some() && !may_import(&from, to));
        offences.extend(wrong.map(|to| format!("{}: {from} must not import {to}", source.path)));
    }
    offences
}

#[test]
fn crates_depend_only_on_what_stands_below_them() -> Result<()> {
    let root = workspace()?;
    let mut offences = Vec::new();
    for source in tree(&root)?.iter().filter(|s| s.path.starts_with("crates/") && s.path.ends_with("/Cargo.toml")) {
        offences.extend(manifest_offences(&source.path, &source.text)?);
    }
    assert_none("crate arrows (ARCHITECTURE.md) and the workspace table", &offences);
    Ok(())
}

/// What is wrong with one crate's manifest.
fn manifest_offences(path: &str, text: &str) -> Result<Vec<String>> {
    let manifest: toml::Table = toml::from_str(text).with_context(|| path.to_owned())?;
    let name = path.split('/').nth(1).unwrap_or_default();
    let Some((_, for_code, for_tests)) = CRATES.iter().find(|(crate_name, ..)| *crate_name == name) else {
        return Ok(vec![format!("{path}: `{name}` is no crate of the table")]);
    };
    let mut offences = Vec::new();
    let inherits = |t: Option<&toml::Value>| t.and_then(|l| l.get("workspace")).and_then(toml::Value::as_bool);
    if inherits(manifest.get("lints")) != Some(true) {
        offences.push(format!("{path}: does not take the workspace lints"));
    }
    for section in ["dependencies", "build-dependencies", "dev-dependencies"] {
        let is_for_tests = section == "dev-dependencies";
        for (dependency, value) in manifest.get(section).and_then(toml::Value::as_table).into_iter().flatten() {
            let is_ours = CRATES.iter().any(|(crate_name, ..)| crate_name == dependency);
            let is_allowed =
                for_code.contains(&dependency.as_str()) || (is_for_tests && for_tests.contains(&dependency.as_str()));
            if is_ours && !is_allowed {
                offences.push(format!("{path}: {name} must not depend on {dependency}"));
            }
            if PURE.contains(&name) && !is_for_tests && IMPURE_DEPENDENCIES.contains(&dependency.as_str()) {
                offences.push(format!("{path}: {name} is pure, {dependency} is not"));
            }
            if inherits(Some(value)) != Some(true) {
                offences.push(format!("{path}: {dependency} is not pinned in the workspace table"));
            }
        }
    }
    Ok(offences)
}

#[test]
fn pure_crates_do_nothing_but_decide() -> Result<()> {
    let mut offences = Vec::new();
    for source in production(&tree(&workspace()?)?) {
        if PURE.iter().any(|name| source.path.starts_with(&format!("crates/{name}/"))) {
            let code = without_comments(&source.text);
            let held = IMPURE_TEXT.iter().filter(|t| holds_whole(&code, t));
            offences.extend(held.map(|t| format!("{}: {t}", source.path)));
        }
    }
    assert_none("no clock, file, socket or task in domain and gsm", &offences);
    Ok(())
}

#[test]
fn files_and_functions_stay_short() -> Result<()> {
    let mut offences = Vec::new();
    for source in production(&tree(&workspace()?)?) {
        let lines = source.text.lines().count();
        let is_excused = source.text.lines().next().is_some_and(|l| l.starts_with("// long: "));
        if lines > MAX_FILE_LINES && !is_excused {
            offences.push(format!("{}: {lines} lines; split it, or say why in a first line `// long: …`", source.path));
        }
        for (name, count) in long_functions(&source.text) {
            offences.push(format!("{}: fn {name} has {count} lines", source.path));
        }
    }
    assert_none("at most 400 lines a file and 80 a function, tests not counted", &offences);
    Ok(())
}

#[test]
fn status_and_response_codes_stand_in_one_place_each() -> Result<()> {
    let offences = code_offences(&production(&tree(&workspace()?)?));
    assert_none("status codes: http/error.rs; response codes: domain/outcome.rs", &offences);
    Ok(())
}

/// HTTP statuses and response codes outside their one file.
fn code_offences(sources: &[Source]) -> Vec<String> {
    let mut offences = Vec::new();
    for source in sources {
        let code = without_comments(&source.text);
        if code.contains("StatusCode::") && source.path != "crates/otp-pi/src/http/error.rs" {
            offences.push(format!("{}: an HTTP status", source.path));
        }
        if source.path != "crates/domain/src/outcome.rs" {
            let found = RESPONSE_CODES.iter().filter(|c| code.contains(&format!("\"{c}\"")));
            offences.extend(found.map(|c| format!("{}: response code {c}", source.path)));
        }
    }
    offences
}

#[test]
fn nothing_is_left_unfinished_and_every_module_says_what_it_is_for() -> Result<()> {
    assert_none("finished code under a module comment", &unfinished(&tree(&workspace()?)?));
    Ok(())
}

/// Marks of unfinished work, and files without a module comment (unit tests in a `tests.rs` share their module's; what
/// lies under `data` is included, not a module).
fn unfinished(tree: &[Source]) -> Vec<String> {
    let marks = [concat!("to", "do!"), concat!("unim", "plemented!"), concat!("FIX", "ME"), concat!("XX", "X:")];
    let mut offences = Vec::new();
    for source in tree.iter().filter(|s| is_rust(&s.path)) {
        offences.extend(marks.iter().filter(|m| source.text.contains(**m)).map(|m| format!("{}: {m}", source.path)));
        let mut opening = source.text.lines().skip_while(|l| l.trim().is_empty() || l.starts_with("// long: "));
        let is_module = !source.path.ends_with("/tests.rs") && !source.path.contains("/data/");
        if is_module && !opening.next().is_some_and(|l| l.starts_with("//!")) {
            offences.push(format!("{}: does not open with `//!`", source.path));
        }
    }
    offences
}

#[test]
fn the_glossary_word_is_used() -> Result<()> {
    let mut offences = Vec::new();
    for source in production(&tree(&workspace()?)?) {
        // The radio crates keep 3GPP's own names (the STATUS-REPORT has a recipient address, which others may read).
        let is_radio = ["gsm", "modem", "emulator"].iter().any(|c| source.path.starts_with(&format!("crates/{c}/")));
        if !is_radio && !source.path.starts_with("crates/otp-pi/src/wire") {
            let code = without_comments(&source.text).replace(".recipient", "");
            offences.extend(synonyms(&code).iter().map(|w| format!("{}: {w}", source.path)));
        }
    }
    assert_none("docs/glossary.md: receiver, MSISDN, emulator", &offences);
    Ok(())
}

#[test]
fn no_state_is_global_and_channels_do_not_know_who_asked() -> Result<()> {
    let cells = ["Mutex<", "RwLock<", "Atomic", "OnceLock<", "OnceCell<", "RefCell<", "static mut"];
    let mut offences = Vec::new();
    for source in production(&tree(&workspace()?)?) {
        let code = without_comments(&source.text);
        for line in code.lines().map(str::trim) {
            let is_static = ["static ", "pub static ", "pub(crate) static "].iter().any(|s| line.starts_with(s));
            if (is_static && cells.iter().any(|c| line.contains(c))) || line.contains("thread_local!") {
                offences.push(format!("{}: {line}", source.path));
            }
        }
        let is_channel = room(&source.path).is_some_and(|(name, _)| name == "channel");
        if is_channel && words(&code).any(|w| w == "Caller") {
            offences.push(format!("{}: a channel asks for the Caller", source.path));
        }
    }
    assert_none("no global mutable state; channels do not know who asked", &offences);
    Ok(())
}

#[test]
fn continuous_integration_runs_the_test_command_and_nothing_else() -> Result<()> {
    let script = fs::read_to_string(workspace()?.join(".ci/run"))?;
    let commands = commands(&script);
    assert_eq!(commands.len(), 1, "one command: {commands:?}");
    assert!(commands.iter().all(|c| c.contains("scripts/test")), "{commands:?}");
    Ok(())
}

#[test]
fn the_status_page_names_only_tests_that_exist() -> Result<()> {
    let root = workspace()?;
    let tree = tree(&root)?;
    let mut offences = Vec::new();
    for (promise, tests, state) in status_rows(&fs::read_to_string(root.join("docs/status.md"))?) {
        let missing = tests.iter().filter(|t| !is_test_of(&tree, t));
        offences.extend(missing.map(|t| format!("{promise}: no test `{t}`")));
        if !matches!(state.as_str(), "proven" | "partly" | "open") {
            offences.push(format!("{promise}: `{state}` is not one of proven, partly, open"));
        }
        if state != "open" && tests.is_empty() {
            offences.push(format!("{promise}: {state}, but by which test?"));
        }
    }
    assert_none("docs/status.md", &offences);
    Ok(())
}

#[test]
fn the_threat_model_names_only_tests_that_exist_or_says_that_there_is_none() -> Result<()> {
    let root = workspace()?;
    let tree = tree(&root)?;
    let page = fs::read_to_string(root.join("docs/threat-model.md"))?;
    let rows = threat_rows(&page);
    assert!(rows.len() > 50, "the tables of docs/threat-model.md are not read: {} rows", rows.len());
    let mut offences = Vec::new();
    for (attack, tests) in rows {
        if tests.starts_with("**no test**") {
            continue;
        }
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        let missing = names.iter().filter(|name| !is_test_of(&tree, name));
        offences.extend(missing.map(|name| format!("{attack}: no test `{name}`")));
        if names.is_empty() {
            offences.push(format!("{attack}: which test? **no test** says that there is none"));
        }
    }
    assert_none("docs/threat-model.md", &offences);
    Ok(())
}

#[test]
fn the_table_of_faults_names_only_tests_that_exist() -> Result<()> {
    let root = workspace()?;
    let tree = tree(&root)?;
    let page = fs::read_to_string(root.join("docs/modems.md"))?;
    let table = page.split("## What breaks, and what the gateway does").nth(1).unwrap_or_default();
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 30, "the table of docs/modems.md is not read: {} rows", rows.len());
    let mut offences = Vec::new();
    for row in rows {
        let tests = row.trim_end_matches(['|', ' ']).rsplit('|').next().unwrap_or_default();
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        let missing = names.iter().filter(|name| !is_test_of(&tree, name));
        offences.extend(missing.map(|name| format!("no test `{name}`")));
        if names.is_empty() {
            offences.push(format!("which test? {row}"));
        }
    }
    assert_none("docs/modems.md", &offences);
    Ok(())
}

#[test]
fn the_errors_page_and_the_code_know_the_same_response_codes() -> Result<()> {
    let root = workspace()?;
    let page = fs::read_to_string(root.join("docs/errors.md"))?;
    let listed: Vec<&str> = page.lines().filter_map(listed_code).collect();
    let code = without_comments(&fs::read_to_string(root.join("crates/domain/src/outcome.rs"))?);
    let mut offences = Vec::new();
    for known in RESPONSE_CODES.iter().chain(&["000"]) {
        if !listed.contains(known) || !code.contains(&format!("\"{known}\"")) {
            offences.push(format!("{known} is missing on the page or in the code"));
        }
    }
    let strangers = listed.iter().filter(|c| **c != "000" && !RESPONSE_CODES.contains(*c));
    offences.extend(strangers.map(|c| format!("{c} is on the page alone")));
    assert_none("docs/errors.md", &offences);
    Ok(())
}

/// The response code that a row of docs/errors.md is about.
fn listed_code(line: &str) -> Option<&str> {
    let (code, _) = line.strip_prefix("| `")?.split_once('`')?;
    code.chars().all(|c| c.is_ascii_digit()).then_some(code)
}

#[test]
fn no_file_names_a_directory_of_the_machine_it_was_written_on() -> Result<()> {
    let root = workspace()?;
    let mut folders = vec![["/ho", "me/"].concat(), ["/ro", "ot/"].concat(), ["/Us", "ers/"].concat()];
    folders.push(format!("{}/", root.display()));
    if let Some(parent) =
        root.parent().filter(|p| !["/", "/tmp", "/opt", "/srv", "/usr/src"].contains(&&*p.to_string_lossy()))
    {
        folders.push(format!("{}/", parent.display()));
    }
    let mut offences = Vec::new();
    for source in tree(&root)? {
        offences.extend(private_paths(&source.text, &folders).iter().map(|l| format!("{}: {l}", source.path)));
    }
    assert_none("paths of one machine", &offences);
    Ok(())
}

// --- the reading helpers can tell good from bad ---------------------------------------------------------------------

#[test]
fn no_banned_crate_is_locked() -> Result<()> {
    let root = workspace()?;
    let (deny, lock) = (fs::read_to_string(root.join("deny.toml"))?, fs::read_to_string(root.join("Cargo.lock"))?);
    let banned = banned_crates(&deny);
    assert!(["aws-lc-sys", "openssl-sys", "native-tls"].iter().all(|name| banned.contains(name)), "{banned:?}");
    let offences: Vec<String> = banned
        .into_iter()
        .filter(|name| lock.lines().any(|line| line == format!("name = \"{name}\"")))
        .map(str::to_owned)
        .collect();
    assert_none("crates that deny.toml bans", &offences);
    Ok(())
}

/// The crates that `deny.toml` bans by name.
fn banned_crates(deny: &str) -> Vec<&str> {
    deny.lines().filter_map(|line| line.trim().strip_prefix("{ crate = \"")?.split('"').next()).collect()
}

#[test]
fn imports_are_read_from_paths_groups_and_super_chains() {
    let check = |code: &str, depth: usize, expected: &[&str]| {
        let found = imports(code, depth);
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{code}");
    };
    check("use crate::gateway::Gateway;", 2, &["gateway"]);
    check(
        "use crate::{\n    dispatch::{self, retry},\n    wire,\n    event::Event as E,\n};",
        1,
        &["dispatch", "event", "wire"],
    );
    check("let x = crate::app::run(); mycrate::http::y()", 1, &["app"]);
    check("use super::super::http::Z; use super::sibling;", 2, &["http"]);
    check("use super::http::Z;", 1, &["http"]);
    check("fn main() { otp_pi::cli::main() }", 0, &["cli"]);
    check("fn f() {}", 0, &[]);
}

#[test]
fn arrows_up_and_sideways_are_refused() {
    for (from, to) in [
        ("http", "gateway"),
        ("dispatch", "channel"),
        ("app", "config"),
        ("cli", "app"),
        ("main", "cli"),
        ("wire", "wire"),
    ] {
        assert!(may_import(from, to), "{from} -> {to}");
    }
    for (from, to) in [
        ("gateway", "http"),
        ("channel", "dispatch"),
        ("http", "intake"),
        ("http", "config"),
        ("config", "app"),
        ("app", "cli"),
        ("event", "wire"),
        ("http", "app"),
    ] {
        assert!(!may_import(from, to), "{from} -> {to}");
    }
}

#[test]
fn offences_are_reported_once_each() {
    let source = |path: &str, text: &str| [Source { path: path.to_owned(), text: text.to_owned() }];
    let channel = "crates/otp-pi/src/channel/modem.rs";
    assert_eq!(arrow_offences(&source(channel, "use crate::{event, gateway::Gateway};")).len(), 1);
    assert_eq!(arrow_offences(&source("crates/otp-pi/src/attic/mod.rs", "")).len(), 1);
    assert_eq!(code_offences(&source(channel, "(StatusCode::OK, \"1201\")")).len(), 2);
    assert_eq!(code_offences(&source("crates/domain/src/outcome.rs", "\"1201\"")).len(), 0);
    assert_eq!(unfinished(&source(channel, concat!("//! Doc.\nto", "do!()"))).len(), 1);
    assert_eq!(unfinished(&source(channel, "use x;")).len(), 1);
}

#[test]
fn a_file_belongs_to_the_room_of_its_first_folder() {
    let room_of = |path: &str| room(path).map(|(name, depth)| format!("{name} {depth}"));
    assert_eq!(room_of("crates/otp-pi/src/http/admin/login.rs").as_deref(), Some("http 3"));
    assert_eq!(room_of("crates/otp-pi/src/http/mod.rs").as_deref(), Some("http 1"));
    assert_eq!(room_of("crates/otp-pi/src/config.rs").as_deref(), Some("config 1"));
    assert_eq!(room_of("crates/otp-pi/src/main.rs").as_deref(), Some("main 0"));
    assert_eq!(room_of("crates/store/src/lib.rs"), None);
}

#[test]
fn test_code_is_not_production_code() {
    let text = "a\n#[cfg(test)]\nmod tests {\n    fn x() {\n    }\n}\nb\n#[cfg(test)]\nmod more;\nc\n    #[cfg(test)]\n    #[must_use]\n    fn y() {\n        z();\n    }\n    d\n";
    assert_eq!(without_tests(text), "a\nb\nc\n    d\n");
    let source =
        Source { path: "crates/x/src/a.rs".to_owned(), text: "#[cfg(test)]\nmod helper;\nmod real;\n".to_owned() };
    assert_eq!(test_modules(&source), ["crates/x/src/a/helper"]);
    let all = [source, Source { path: "crates/x/src/a/helper.rs".to_owned(), text: String::new() }];
    assert_eq!(production(&all).len(), 1);
}

#[test]
fn whole_words_are_told_from_parts() {
    assert!(
        holds_whole("x.await;", ".await")
            && holds_whole("use std::fs;", "std::fs")
            && holds_whole("Instant::now()", "Instant")
    );
    assert!(
        !holds_whole("x.awaits_prompt", ".await")
            && !holds_whole("Instantly", "Instant")
            && !holds_whole("AnInstant", "Instant")
    );
}

#[test]
fn comments_are_not_code() {
    assert_eq!(
        without_comments("/// crate::app\nlet url = \"http://x\"; // crate::cli\n"),
        "\nlet url = \"http://x\";\n"
    );
}

#[test]
fn long_functions_are_found_by_their_code_lines() {
    let text = |lines: usize| {
        let body = "        g();\n".repeat(lines);
        format!(
            "impl X {{\n    pub(crate) async fn f(\n        a: u8,\n    ) {{\n{body}\n        // note\n    }}\n}}\n"
        )
    };
    let names = |text: &str| long_functions(text).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert!(names(&text(MAX_FUNCTION_LINES)).is_empty());
    assert_eq!(names(&text(MAX_FUNCTION_LINES + 1)), ["f"]);
    assert_eq!(names(&text(MAX_FUNCTION_LINES + 1).replace("(\n        a: u8,\n    )", "()")), ["f"]);
    assert_eq!(
        names(&format!("trait T {{\n    fn a(\n        b: u8,\n    );\n}}\n{}", text(MAX_FUNCTION_LINES + 1))),
        ["f"]
    );
}

#[test]
fn manifests_with_wrong_arrows_are_refused() -> Result<()> {
    let offences = |name: &str, rest: &str| {
        manifest_offences(&format!("crates/{name}/Cargo.toml"), &format!("[lints]\nworkspace = true\n{rest}"))
    };
    assert!(
        offences("modem", "[dependencies]\ngsm.workspace = true\n[dev-dependencies]\nemulator.workspace = true")?
            .is_empty()
    );
    assert_eq!(offences("modem", "[dependencies]\ndomain.workspace = true")?.len(), 1);
    assert_eq!(offences("modem", "[dependencies]\nemulator.workspace = true")?.len(), 1);
    assert_eq!(offences("domain", "[dependencies]\ntokio.workspace = true")?.len(), 1);
    assert_eq!(offences("store", "[dependencies]\nserde = \"1\"")?.len(), 1);
    assert_eq!(offences("surprise", "")?.len(), 1);
    assert_eq!(manifest_offences("crates/gsm/Cargo.toml", "")?.len(), 1);
    Ok(())
}

#[test]
fn synonyms_are_found_and_settings_keys_are_not() {
    assert_eq!(synonyms("let recipient = phone_number(recipient_prefixes, receiver);"), ["recipient", "phone_number"]);
}

#[test]
fn status_rows_yield_their_test_names() {
    let text = "| # | promise | test | state |\n|---|---|---|---|\n| 1 | it works | `a.rs::b`, `c` | proven |\n| 2 | later | | open |\n";
    let rows = status_rows(text);
    assert_eq!(rows.len(), 2);
    assert_eq!(
        rows.first().map(|(_, tests, state)| (tests.join(" "), state.as_str())),
        Some(("a.rs::b c".to_owned(), "proven"))
    );
    let tree = [Source { path: "crates/x/tests/a.rs".to_owned(), text: "#[test]\nfn b() {}".to_owned() }];
    assert!(is_test_of(&tree, "tests/a.rs::b") && is_test_of(&tree, "b"));
    assert!(!is_test_of(&tree, "tests/z.rs::b") && !is_test_of(&tree, "gone"));
}

#[test]
fn rows_of_the_threat_model_yield_their_test_column() {
    let text = "| actor | has |\n|---|---|\n| x | y |\n| attack | what stops it | test | what is left |\n|---|---|---|---|\n| steals | a lock | `a.rs::b`, `c` | – |\n| shouts | – | **no test**: why | all |\n";
    assert_eq!(threat_rows(text), [("steals", "`a.rs::b`, `c`"), ("shouts", "**no test**: why")]);
}

#[test]
fn private_paths_are_found_but_not_parts_of_other_paths() {
    let folders = ["/priv".to_owned() + "ate/"];
    assert_eq!(private_paths("see /private/x", &folders).len(), 1);
    assert_eq!(private_paths("`/private/x`", &folders).len(), 1);
    assert_eq!(private_paths("var/private/x and ./private/y", &folders).len(), 0);
}

#[test]
fn commands_of_a_script_are_its_lines_without_comments() {
    assert_eq!(commands("#!/bin/sh\n\n# why\nexec scripts/test\n"), ["exec scripts/test"]);
}

//! What the two small dialects need: whether they are spoken, and who may speak without a login.

use domain::command::Scope;
use domain::network::Network;

use super::file::File;
use super::resolve::{ApiUserSource, Found};
use crate::http::SimpleSettings;
use crate::wire::SimplePath;

/// Reads the dialects' settings; `None` where they are not spoken.
pub(super) fn settings(file: &File, users: &[ApiUserSource], found: &mut Found) -> Option<SimpleSettings> {
    let api = &file.api;
    let open = found.networks("api.simple_otp_open", &api.simple_otp_open);
    if !api.simple_otp {
        return None;
    }
    check_paths(file, found);
    if !api.simple_otp_open.is_empty() {
        check_user(&api.simple_otp_user, users, &open, found);
    }
    if open.iter().any(Network::is_everything) {
        found.warn(
            "api.simple_otp_open",
            "whoever reaches this listener may send codes at your cost",
            "name the networks of your own programs only",
        );
    }
    Some(SimpleSettings { open, open_user: api.simple_otp_user.clone() })
}

/// Callers without a login act in the name of somebody who may.
fn check_user(name: &str, users: &[ApiUserSource], open: &[Network], found: &mut Found) {
    const KEY: &str = "api.simple_otp_user";
    let add = format!("add [[api_user]] with username = {name:?} and scopes = [\"otp\"]");
    match users.iter().find(|user| user.username == name) {
        _ if name.is_empty() => found.problem(
            KEY,
            "it is missing: callers from the networks of simple_otp_open act in the name of an API user",
            "write the username of an [[api_user]] with the scope otp",
        ),
        None => found.problem(KEY, format!("there is no API user {name:?}"), add),
        Some(user) if !user.is_active => {
            found.problem(KEY, format!("the API user {name:?} is switched off"), "write active = true there");
        }
        Some(user) if !user.scopes.contains(Scope::Otp) => {
            found.problem(KEY, format!("the API user {name:?} may not send codes"), "add \"otp\" to its scopes");
        }
        Some(user) if !user.networks.is_empty() => {
            for network in open.iter().filter(|network| !user.networks.iter().any(|theirs| theirs.meets(network))) {
                found.warn(
                    "api.simple_otp_open",
                    format!("nobody from {network} gets in: it is outside the networks of the API user {name:?}"),
                    "add it to the networks of that user, or take it out here",
                );
            }
        }
        Some(_) => {}
    }
}

/// One path cannot have two meanings.
fn check_paths(file: &File, found: &mut Found) {
    for (key, path) in file.api.paths() {
        if SimplePath::find(path).is_some() || path == "/health" {
            let what = format!("{path:?} belongs to the small dialects");
            found.problem(key, what, "choose another path, or write simple_otp = false");
        }
    }
}

//! `otp-pi api-user …`: who may call the API, from the shell of somebody who is locked out too.

mod text;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use domain::secret::SecretText;
use serde_json::json;

use super::remote::{self, Target};
use super::{output, place};
use crate::control::{Request, Secret};
use crate::operator::{ApiUserView, Applied};

/// The longest password that is read.
const LONGEST_PASSWORD: usize = 1024;

/// What can be done about API users.
#[derive(Debug, Subcommand)]
pub(super) enum ApiUserCommand {
    /// Lists the API users, and when they were used last
    List(ListArguments),
    /// Shows one API user, its passwords and when each was used last
    Show(OneArguments),
    /// Adds an API user; without a password one is made and shown once
    Add(AddArguments),
    /// Gives an API user another password at once; without one, one is made and shown once. Whatever it had ends
    Passwd(PasswdArguments),
    /// Gives an API user another password, and lets the old one be good for some time more
    Rotate(RotateArguments),
    /// Ends the old password of an API user that is being rotated
    Retire(OneArguments),
    /// Switches an API user on
    Enable(OneArguments),
    /// Switches an API user off: nothing of it is accepted any more when this returns
    Disable(OneArguments),
    /// Forgets an API user
    #[command(visible_alias = "delete")]
    Remove(OneArguments),
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct AddArguments {
    /// The login name
    username: String,
    /// What it may do; everything when not given
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    scopes: Vec<String>,
    /// The class of its sends that name none: transactional or bulk
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
    /// From where it may call, like 10.0.0.0/8; from anywhere when not given
    #[arg(long = "network", value_name = "NETWORK", value_delimiter = ',')]
    networks: Vec<String>,
    #[command(flatten)]
    password: PasswordSource,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct PasswdArguments {
    /// The login name
    username: String,
    #[command(flatten)]
    password: PasswordSource,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct RotateArguments {
    /// The login name
    username: String,
    /// How long the old password stays good, like 12h or 7d
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = read_keep)]
    keep: Duration,
    /// Even if two are valid already: the older one ends now
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    password: PasswordSource,
    #[command(flatten)]
    target: Target,
}

/// Reads how long a password is kept: whole seconds, at least one.
fn read_keep(text: &str) -> Result<Duration, String> {
    let keep = crate::config::parse_span(text).filter(|keep| keep.as_secs() > 0);
    keep.ok_or_else(|| "write a duration like 12h or 7d; passwd ends the old password at once".to_owned())
}

#[derive(Debug, Args)]
pub(super) struct OneArguments {
    /// The login name
    username: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
struct PasswordSource {
    /// A file whose first line is the password; - reads standard input
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl PasswordSource {
    /// The password, and whether it was made here.
    fn read(&self) -> anyhow::Result<(SecretText, bool)> {
        match &self.password_file {
            None => Ok((SecretText::new(super::random_password()?), true)),
            Some(path) => Ok((place::read_line(path, LONGEST_PASSWORD)?, false)),
        }
    }
}

/// Runs one of the commands.
///
/// # Errors
/// Why it was not done.
pub(super) fn run(command: ApiUserCommand) -> anyhow::Result<()> {
    match command {
        ApiUserCommand::List(ListArguments { target }) => {
            let users: Vec<ApiUserView> = remote::ask(&target, Request::ApiUserList)?;
            output::result(target.json, &users, || text::list(&users))
        }
        ApiUserCommand::Show(OneArguments { username, target }) => {
            let users: Vec<ApiUserView> = remote::ask(&target, Request::ApiUserList)?;
            let user = users.into_iter().find(|user| user.username == username);
            let user = user.with_context(|| format!("there is no API user {username:?}"))?;
            output::result(target.json, &user, || text::show(&user))
        }
        ApiUserCommand::Add(AddArguments { username, scopes, class, networks, password, target }) => {
            let (password, is_made) = password.read()?;
            let secret = Secret::new(password.expose());
            let request = Request::ApiUserAdd { username: username.clone(), password: secret, scopes, class, networks };
            done(&target, request, &format!("added {username}"), is_made.then_some(&password))
        }
        ApiUserCommand::Passwd(PasswdArguments { username, password, target }) => {
            let (password, is_made) = password.read()?;
            let secret = Secret::new(password.expose());
            let request = Request::ApiUserPasswd { username: username.clone(), password: secret };
            done(&target, request, &format!("{username} has another password"), is_made.then_some(&password))
        }
        ApiUserCommand::Rotate(RotateArguments { username, keep, force, password, target }) => {
            let (password, is_made) = password.read()?;
            let words = format!(
                "{username} has another password; the old one is good until {}, or until otp-pi api-user retire {username}",
                text::from_now(keep)
            );
            let password_said = is_made.then_some(&password);
            let secret = Secret::new(password.expose());
            let keep_seconds = keep.as_secs();
            let request = Request::ApiUserRotate { username, password: secret, keep_seconds, is_forced: force };
            done(&target, request, &words, password_said)
        }
        ApiUserCommand::Retire(OneArguments { username, target }) => {
            let words = format!("the old password of {username} is not good any more");
            done(&target, Request::ApiUserRetire { username }, &words, None)
        }
        ApiUserCommand::Enable(OneArguments { username, target }) => {
            let words = format!("{username} may log in");
            done(&target, Request::ApiUserActive { username, is_active: true }, &words, None)
        }
        ApiUserCommand::Disable(OneArguments { username, target }) => {
            let words = format!("{username} may not log in any more");
            done(&target, Request::ApiUserActive { username, is_active: false }, &words, None)
        }
        ApiUserCommand::Remove(OneArguments { username, target }) => {
            let words = format!("removed {username}");
            done(&target, Request::ApiUserRemove { username }, &words, None)
        }
    }
}

fn done(target: &Target, request: Request, words: &str, password: Option<&SecretText>) -> anyhow::Result<()> {
    let applied: Applied = remote::ask(target, request)?;
    let password = password.map(SecretText::expose);
    let notes = applied.notes;
    output::result(target.json, &json!({"done": words, "password": password, "notes": notes}), || {
        let said = match password {
            Some(password) => format!("{words}; password: {password}\n(shown once: it is kept as a hash only)"),
            None => words.to_owned(),
        };
        [vec![said], notes.clone()].concat().join("\n")
    })
}

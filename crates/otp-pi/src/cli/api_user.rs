//! `otp-pi api-user …`: who may call the API, from the shell of somebody who is locked out too.

use std::path::PathBuf;

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
    /// Lists the API users
    List(ListArguments),
    /// Adds an API user; without a password one is made and shown once
    Add(AddArguments),
    /// Gives an API user another password; without one, one is made and shown once
    Passwd(PasswdArguments),
    /// Switches an API user on
    Enable(OneArguments),
    /// Switches an API user off
    Disable(OneArguments),
    /// Forgets an API user
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
            output::result(target.json, &users, || list_text(&users))
        }
        ApiUserCommand::Add(AddArguments { username, scopes, class, password, target }) => {
            let (password, is_made) = password.read()?;
            let secret = Secret::new(password.expose());
            let request = Request::ApiUserAdd { username: username.clone(), password: secret, scopes, class };
            done(&target, request, &format!("added {username}"), is_made.then_some(&password))
        }
        ApiUserCommand::Passwd(PasswdArguments { username, password, target }) => {
            let (password, is_made) = password.read()?;
            let secret = Secret::new(password.expose());
            let request = Request::ApiUserPasswd { username: username.clone(), password: secret };
            done(&target, request, &format!("{username} has another password"), is_made.then_some(&password))
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
    let _applied: Applied = remote::ask(target, request)?;
    let password = password.map(SecretText::expose);
    output::result(target.json, &json!({"done": words, "password": password}), || match password {
        Some(password) => format!("{words}; password: {password}\n(shown once: it is kept as a hash only)"),
        None => words.to_owned(),
    })
}

fn list_text(users: &[ApiUserView]) -> String {
    if users.is_empty() {
        return "no API user: add one with otp-pi api-user add NAME".to_owned();
    }
    let line = |user: &ApiUserView| {
        format!(
            "{:<20}  {:<4}  {:<13}  {:<40}  {}",
            user.username,
            if user.is_active { "on" } else { "off" },
            user.class,
            user.scopes.join(","),
            user.origin,
        )
    };
    users.iter().map(line).collect::<Vec<_>>().join("\n")
}

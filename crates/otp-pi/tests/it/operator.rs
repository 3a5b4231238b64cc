//! What an operator does from a shell, with a gateway that runs and without one.

mod backup;
mod check_config;
mod doctor;
mod generated;
mod messages;
mod modems;
mod socket;
mod template;
mod users;

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Ended, Gateway, Stopped, operate};

/// A gateway's directory, whether it runs or not.
pub(crate) trait Place {
    fn directory(&self) -> &Path;

    fn operate(&self, arguments: &[&str]) -> Ended {
        operate(self.directory(), arguments)
    }

    /// Runs a command with `--json`; it must go well.
    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.operate(&[arguments, &["--json"]].concat());
        ended.told();
        ended.json()
    }
}

impl Place for Gateway {
    fn directory(&self) -> &Path {
        self.dir()
    }
}

impl Place for Stopped {
    fn directory(&self) -> &Path {
        self.dir()
    }
}

/// Sends one SMS; answers its message id.
#[track_caller]
fn send(gateway: &Gateway, receiver: &str, text: &str) -> String {
    id_of(&gateway.ask("send-sms", json!({"receiver": receiver, "message": text})))
}

#[track_caller]
fn id_of(answer: &Value) -> String {
    assert_eq!(answer["response_code"], "000", "{answer}");
    answer["data"]["message_id"].as_str().unwrap().to_owned()
}

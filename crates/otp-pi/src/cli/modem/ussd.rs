//! `otp-pi ussd` and `otp-pi modem balance`: the network asked by hand, and a menu gone through at the terminal.

use std::io::{IsTerminal as _, Write as _};

use anyhow::Context as _;
use modem::{UssdCode, UssdDialogue, UssdReply};

use super::target::Target;
use super::{BalanceArguments, UssdArguments, ask_gateway, load, record, send};
use crate::app::{DirectModem, OfflineStore};
use crate::cli::{output, random_password};
use crate::config::Config;
use crate::control::{Request, Secret, shell};
use crate::operator::{Said, asked_by_hand};
use crate::wire::modems::{Rendered, ussd as rendered, ussd_ended};

pub(super) async fn run(arguments: &UssdArguments) -> anyhow::Result<Rendered> {
    let code = UssdCode::parse(&arguments.code)?;
    let replies = arguments.replies.iter().map(|reply| UssdReply::parse(reply)).collect::<Result<Vec<_>, _>>()?;
    let config = load(arguments.line.config.as_deref()).await?;
    let mut speaker = Speaker::Gateway { talk: random_password()? };
    let code = (Said::Code(code), arguments.code.as_str());
    let rendered = match speaker.say(arguments, config.as_ref(), code.clone()).await? {
        Some(rendered) => rendered,
        None => {
            speaker = Speaker::direct(arguments, config.as_ref()).await?;
            let said = speaker.say(arguments, config.as_ref(), code).await;
            match said {
                Ok(rendered) => rendered.context("nothing was asked")?,
                Err(error) => return speaker.end_with(error).await,
            }
        }
    };
    match converse(&mut speaker, arguments, config.as_ref(), rendered, replies).await {
        Ok(rendered) => speaker.end().await.map(|()| rendered),
        Err(error) => speaker.end_with(error).await,
    }
}

/// Gives the replies that were named, then those of a person, until the network has said its last word.
async fn converse(
    speaker: &mut Speaker,
    arguments: &UssdArguments,
    config: Option<&Config>,
    mut rendered: Rendered,
    replies: Vec<UssdReply>,
) -> anyhow::Result<Rendered> {
    for (reply, text) in replies.into_iter().zip(&arguments.replies) {
        anyhow::ensure!(
            is_replyable(&rendered),
            "the network has said its last word before all replies were given\n{}",
            rendered.text
        );
        rendered = speaker.reply(arguments, config, reply, text).await?;
    }
    let asks = arguments.interactive || (!arguments.json && std::io::stdin().is_terminal());
    while is_replyable(&rendered) && asks {
        output::line(&rendered.text);
        let typed = prompt().await?;
        if typed.is_empty() {
            speaker.say(arguments, config, (Said::Cancel, "")).await?;
            return Ok(ussd_ended(&arguments.target));
        }
        match UssdReply::parse(&typed) {
            Ok(reply) => rendered = speaker.reply(arguments, config, reply, &typed).await?,
            Err(error) => output::error(&format!("{error}; try again")),
        }
    }
    if is_replyable(&rendered) {
        speaker.say(arguments, config, (Said::Cancel, "")).await?;
        output::error("note: the network waits for a reply; the dialogue is ended. Give replies with --reply");
    }
    Ok(rendered)
}

fn is_replyable(rendered: &Rendered) -> bool {
    rendered.json.get("replyable") == Some(&serde_json::Value::Bool(true))
}

/// Reads a line of the person at the terminal; an empty one, or none, ends the dialogue.
async fn prompt() -> anyhow::Result<String> {
    let read = || {
        // Whoever cannot see the question can answer it all the same.
        drop(write!(std::io::stderr(), "reply (empty ends): "));
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line.trim_end_matches(['\r', '\n']).to_owned())
    };
    Ok(tokio::task::spawn_blocking(read).await??)
}

/// Who asks the network.
enum Speaker {
    /// The gateway that runs; each act is a question of its own.
    Gateway { talk: String },
    /// We, on the line itself.
    Direct { modem: DirectModem, dialogue: UssdDialogue, name: String, store: Option<OfflineStore> },
}

impl Speaker {
    /// Opens the line, and records that it is asked.
    async fn direct(arguments: &UssdArguments, config: Option<&Config>) -> anyhow::Result<Self> {
        let target = Target::find(&arguments.target, config, &arguments.line)?
            .with_pin_file(arguments.pin.pin_file.as_deref())?;
        let store = match config.filter(|config| target.is_of(config)) {
            Some(config) => {
                OfflineStore::open(config).await.context("what is asked cannot be recorded, so it is not")?
            }
            None => None,
        };
        let modem = send::ready(&target, (&arguments.pin, arguments.wait), store.as_ref(), config, "asked").await?;
        let dialogue = modem.handle.ussd().await?;
        Ok(Self::Direct { modem, dialogue, name: target.name().to_owned(), store })
    }

    async fn reply(
        &mut self,
        arguments: &UssdArguments,
        config: Option<&Config>,
        reply: UssdReply,
        text: &str,
    ) -> anyhow::Result<Rendered> {
        self.say(arguments, config, (Said::Reply(reply), text)).await?.context("the gateway has ended meanwhile")
    }

    /// Says one thing; none if no gateway runs that has this modem.
    async fn say(
        &mut self,
        arguments: &UssdArguments,
        config: Option<&Config>,
        (said, text): (Said, &str),
    ) -> anyhow::Result<Option<Rendered>> {
        match self {
            Self::Gateway { talk } => {
                let request = || {
                    let (modem, talk) = (arguments.target.clone(), talk.clone());
                    let secret = Secret::new(text);
                    Ok(match said {
                        Said::Code(_) => Request::Ussd { modem, talk, code: Some(secret), reply: None, cancels: false },
                        Said::Reply(_) => {
                            Request::Ussd { modem, talk, code: None, reply: Some(secret), cancels: false }
                        }
                        Said::Cancel => Request::Ussd { modem, talk, code: None, reply: None, cancels: true },
                    })
                };
                ask_gateway(config, std::slice::from_ref(&arguments.target), request).await
            }
            Self::Direct { dialogue, name, store, .. } => {
                let what = match &said {
                    Said::Code(_) => "code",
                    Said::Reply(_) => "reply",
                    Said::Cancel => {
                        dialogue.cancel().await?;
                        return Ok(Some(ussd_ended(name)));
                    }
                };
                record(store.as_ref(), asked_by_hand(&shell(), name, what)).await.context("nothing is asked")?;
                let answer = match &said {
                    Said::Code(code) => dialogue.ask(code).await?,
                    Said::Reply(reply) => dialogue.reply(reply).await?,
                    Said::Cancel => return Ok(None),
                };
                let answered = crate::ussd::Answered::of(&answer)?;
                Ok(Some(rendered(name, answered.status, &answered.text, &answered.raw)))
            }
        }
    }

    /// Lets the line go.
    async fn end(self) -> anyhow::Result<()> {
        let Self::Direct { modem, dialogue, store, .. } = self else { return Ok(()) };
        drop(dialogue);
        modem.stop().await?;
        match store {
            Some(store) => store.close().await,
            None => Ok(()),
        }
    }

    async fn end_with(self, error: anyhow::Error) -> anyhow::Result<Rendered> {
        // Why there is no answer is worth more than how the line was let go.
        drop(self.end().await);
        Err(error)
    }
}

/// `otp-pi modem balance`: only a gateway knows how a balance is asked and keeps it.
pub(super) async fn balance(arguments: &BalanceArguments) -> anyhow::Result<Rendered> {
    let config = load(arguments.config.as_deref()).await?;
    let modem = arguments.target.clone();
    let asked =
        ask_gateway(config.as_ref(), std::slice::from_ref(&arguments.target), || Ok(Request::ModemBalance { modem }));
    asked.await?.with_context(|| {
        format!(
            "no gateway runs that has a modem {:?}; without one ask the code itself: otp-pi ussd {} '*888#'",
            arguments.target, arguments.target
        )
    })
}

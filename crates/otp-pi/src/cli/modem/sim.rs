//! `otp-pi modem sim`: the PIN lock of a SIM, and a PIN or PUK that a person types.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use modem::tool;

use super::direct::Directly;
use super::{LineOptions, ask_gateway, code, load};
use crate::control::{Request, Secret, ToolRequest, shell};
use crate::operator::{PinVerb, pin_act, pin_acted};
use crate::wire::modems::{Rendered, card, no_tool};

pub(super) const HELP: &str =
    "PINs and the PUK are typed at the terminal, or come from the first line of a file; never as arguments.
Nothing is tried twice, and nothing at all when a wrong code would block the SIM (--even-the-last-try).

Exit code: 0 done, 1 not done, 4 no whole answer: look with `status` before you try again, 2 wrong usage.

Examples:
  otp-pi modem sim status operator-1
  otp-pi modem sim change operator-1
  otp-pi modem sim off /dev/ttyUSB2 --pin-file pin.txt";

/// What can be done with a SIM.
#[derive(Debug, Subcommand)]
pub(super) enum SimCommand {
    /// Shows what the SIM asks for, whether its PIN lock is on, and the tries left
    Status(StatusArguments),
    /// Switches the PIN lock on
    On(PinArguments),
    /// Switches the PIN lock off
    Off(PinArguments),
    /// Changes the PIN; configure the new one afterwards
    Change(NewPinArguments),
    /// Enters the PIN that the SIM asks for, once
    Enter(PinArguments),
    /// Enters the PUK that the SIM asks for, once, with a new PIN
    Unblock(UnblockArguments),
}

#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(super) struct PinArguments {
    #[command(flatten)]
    place: Place,
    /// A file whose first line is the PIN; - reads standard input
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
    #[command(flatten)]
    tries: Tries,
}

#[derive(Debug, Args)]
pub(super) struct NewPinArguments {
    #[command(flatten)]
    place: Place,
    /// A file whose first line is the present PIN
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
    /// A file whose first line is the new PIN
    #[arg(long, value_name = "FILE")]
    new_pin_file: Option<PathBuf>,
    #[command(flatten)]
    tries: Tries,
}

#[derive(Debug, Args)]
pub(super) struct UnblockArguments {
    #[command(flatten)]
    place: Place,
    /// A file whose first line is the PUK
    #[arg(long, value_name = "FILE")]
    puk_file: Option<PathBuf>,
    /// A file whose first line is the new PIN
    #[arg(long, value_name = "FILE")]
    new_pin_file: Option<PathBuf>,
    #[command(flatten)]
    tries: Tries,
}

#[derive(Debug, Args)]
struct Tries {
    /// Even if a wrong code would block the SIM
    #[arg(long)]
    even_the_last_try: bool,
}

/// Which modem, and how it is answered.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// Name of a modem in the configuration, or path of a line
    #[arg(value_name = "NAME|PORT")]
    pub(super) target: String,
    #[command(flatten)]
    pub(super) line: LineOptions,
    /// Answers in JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl Place {
    pub(super) fn output(&self) -> (bool, bool) {
        (self.json, self.line.verbose)
    }
}

impl SimCommand {
    fn place(&self) -> &Place {
        match self {
            Self::Status(StatusArguments { place }) => place,
            Self::On(arguments) | Self::Off(arguments) | Self::Enter(arguments) => &arguments.place,
            Self::Change(arguments) => &arguments.place,
            Self::Unblock(arguments) => &arguments.place,
        }
    }

    /// Whether to answer in JSON, and whether to tell what is said.
    pub(super) fn output(&self) -> (bool, bool) {
        self.place().output()
    }

    /// What is done, and with which codes; none for a look.
    fn act(&self) -> anyhow::Result<Option<Typed>> {
        let pin = |verb, arguments: &PinArguments| {
            let code = Secret(code::read("PIN", "--pin-file", arguments.pin_file.as_deref())?);
            Ok(Some(Typed { verb, code, new_pin: None, may_be_last: arguments.tries.even_the_last_try }))
        };
        let new = |file: &Option<PathBuf>| code::read("new PIN", "--new-pin-file", file.as_deref()).map(Secret);
        match self {
            Self::Status(_) => Ok(None),
            Self::On(arguments) => pin(PinVerb::On, arguments),
            Self::Off(arguments) => pin(PinVerb::Off, arguments),
            Self::Enter(arguments) => pin(PinVerb::Enter, arguments),
            Self::Change(NewPinArguments { pin_file, new_pin_file, tries, .. }) => Ok(Some(Typed {
                verb: PinVerb::Change,
                code: Secret(code::read("present PIN", "--pin-file", pin_file.as_deref())?),
                new_pin: Some(new(new_pin_file)?),
                may_be_last: tries.even_the_last_try,
            })),
            Self::Unblock(UnblockArguments { puk_file, new_pin_file, tries, .. }) => Ok(Some(Typed {
                verb: PinVerb::Unblock,
                code: Secret(code::read("PUK", "--puk-file", puk_file.as_deref())?),
                new_pin: Some(new(new_pin_file)?),
                may_be_last: tries.even_the_last_try,
            })),
        }
    }
}

/// What a person typed.
#[derive(Clone)]
struct Typed {
    verb: PinVerb,
    code: Secret,
    new_pin: Option<Secret>,
    may_be_last: bool,
}

pub(super) async fn run(command: &SimCommand) -> anyhow::Result<Rendered> {
    let Place { target, line, .. } = command.place();
    let config = load(line.config.as_deref()).await?;
    let typed = command.act()?;
    let act = match &typed {
        None => None,
        Some(Typed { verb, code, new_pin, may_be_last }) => {
            let act = pin_act(*verb, &code.0, new_pin.as_ref().map(|pin| &pin.0)).map_err(anyhow::Error::msg)?;
            Some((*verb, act, *may_be_last))
        }
    };
    let modem = target.clone();
    let ask = || {
        let ask = match typed {
            None => ToolRequest::SimStatus { modem },
            Some(Typed { verb, code, new_pin, may_be_last }) => {
                ToolRequest::SimPin { modem, verb, code, new_pin, may_be_last }
            }
        };
        Ok(Request::Tool { ask })
    };
    if let Some(rendered) = ask_gateway(config.as_ref(), std::slice::from_ref(target), ask).await? {
        return Ok(rendered);
    }
    let direct = Directly::begin(target, config.as_ref(), line, act.is_some()).await?;
    let name = direct.name().to_owned();
    let done = match act {
        None => Ok(tool::look_at_card(direct.handle()).await),
        Some((verb, act, may_be_last)) => match direct.record(pin_acted(&shell(), &name, verb)).await {
            Ok(()) => Ok(tool::act_on_pin(direct.handle(), &act, may_be_last).await),
            Err(error) => Err(error),
        },
    };
    direct.end().await?;
    Ok(match done? {
        Ok(report) => card(&name, report),
        Err(error) => no_tool(&error),
    })
}

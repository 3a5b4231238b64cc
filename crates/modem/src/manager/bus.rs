//! The system bus: calls of ModemManager, and the news that something there has changed.
//!
//! A signal says no more here than "look again": what is looked at is always the whole state, so that none can be missed or come in
//! the wrong order. Never: what a call carries in an error or a log, which may be a text. Used by the manager's actor.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde::Serialize;
use zbus::message::Type;
use zbus::{Connection, DBusError as _, DynamicType, Message, MessageStream};

/// ModemManager's name on the bus.
const SERVICE: &str = "org.freedesktop.ModemManager1";
/// The bus itself.
const BUS: (&str, &str) = ("org.freedesktop.DBus", "/org/freedesktop/DBus");
/// What the bus is asked to tell.
const RULES: [&str; 2] = [
    "type='signal',sender='org.freedesktop.ModemManager1'",
    "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.freedesktop.ModemManager1'",
];

/// Says why a call has no answer that helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CallError {
    /// It was answered with an error, of this D-Bus name.
    #[error("{}", .name.rsplit_once("Error.").map_or(.name.as_str(), |(_, last)| last))]
    Refused {
        /// The whole name.
        name: String,
    },
    /// No answer came in time.
    #[error("no answer in time")]
    Late,
    /// The bus is gone, or speaks nonsense.
    #[error("the bus is gone")]
    Lost,
}

impl From<zbus::Error> for CallError {
    fn from(error: zbus::Error) -> Self {
        match error {
            zbus::Error::MethodError(name, ..) => Self::Refused { name: name.as_str().to_owned() },
            zbus::Error::FDO(error) => match *error {
                zbus::fdo::Error::ZBus(_) => Self::Lost,
                named => Self::Refused { name: named.name().as_str().to_owned() },
            },
            _ => Self::Lost,
        }
    }
}

/// A connection to the system bus.
pub(super) struct Bus {
    connection: Connection,
    messages: MessageStream,
    is_stale: bool,
    has_restarted: bool,
    is_lost: bool,
}

impl Bus {
    /// Connects to the bus at an address, else to the one that `DBUS_SYSTEM_BUS_ADDRESS` names, else to the usual one.
    pub(super) async fn connect(address: Option<&str>) -> Result<Self, CallError> {
        let connection = match address {
            Some(address) => zbus::connection::Builder::address(address).build().await?,
            None => Connection::system().await?,
        };
        let messages = MessageStream::from(&connection);
        let mut bus = Self { connection, messages, is_stale: true, has_restarted: false, is_lost: false };
        for rule in RULES {
            let connection = bus.connection.clone();
            let add = connection.call_method(Some(BUS.0), BUS.1, Some(BUS.0), "AddMatch", &rule);
            bus.during(add).await?;
        }
        Ok(bus)
    }

    /// Calls a method of ModemManager and waits for its answer, at most `patience`.
    pub(super) async fn call<B: Serialize + DynamicType>(
        &mut self,
        path: &str,
        (interface, method): (&str, &str),
        body: &B,
        patience: Duration,
    ) -> Result<Message, CallError> {
        let connection = self.connection.clone();
        let call = connection.call_method(Some(SERVICE), path, Some(interface), method, body);
        match self.during(tokio::time::timeout(patience, call)).await {
            Ok(answered) => Ok(answered?),
            Err(_) => Err(CallError::Late),
        }
    }

    /// Waits for something while taking in what the bus tells: what is not taken in stops every answer.
    pub(super) async fn during<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        loop {
            tokio::select! {
                biased;
                output = &mut future => return output,
                () = self.hear() => {}
            }
        }
    }

    /// Waits until something has changed since [`Bus::look`], or the bus is gone. Cancel-safe.
    pub(super) async fn changed(&mut self) {
        while !self.is_stale && !self.is_lost {
            self.hear().await;
        }
    }

    /// Says that the state is being looked at now; answers whether the bus is still there.
    pub(super) fn look(&mut self) -> bool {
        self.is_stale = false;
        !self.is_lost
    }

    /// Answers whether ModemManager has ended or begun since this was last forgotten: its paths may be those of other things now.
    pub(super) fn has_restarted(&self) -> bool {
        self.has_restarted
    }

    /// Says that nothing is known any more of what ModemManager had before it ended.
    pub(super) fn forget_restart(&mut self) {
        self.has_restarted = false;
    }

    /// Takes in one message; waits for ever when there will be none.
    async fn hear(&mut self) {
        if self.is_lost {
            return std::future::pending().await;
        }
        match self.messages.next().await {
            Some(Ok(message)) => {
                self.is_stale |= message.message_type() == Type::Signal;
                self.has_restarted |= is_change_of_owner(&message);
            }
            Some(Err(_)) => {}
            None => self.is_lost = true,
        }
    }
}

/// What the bus says when a program takes a name or gives it up; of names it is only asked about ModemManager's.
fn is_change_of_owner(message: &Message) -> bool {
    message.message_type() == Type::Signal
        && message.header().member().is_some_and(|member| member.as_str() == "NameOwnerChanged")
}

//! One emulated modem and one actor on it.

use std::time::Duration;

use emulator::{Direction, Modem, ModemSettings, Network, NetworkSettings, Script};
use gsm::Pdu;
use modem::{
    ActorError, ModemEvent, ModemEventKind, ModemHandle, Phase, SendError, Sent, Settings, Status, Submission,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A SUBMIT to 6281234567890 that asks for a report.
pub(crate) const PDU: &str = "0031000D91261832547698F00000A712D9775D0E7A52A1A0F41C4493D1643419";
/// The longest that anything is waited for.
pub(crate) const SOON: Duration = Duration::from_secs(30);

#[expect(clippy::disallowed_methods, reason = "a test has no tracker of tasks")]
pub(crate) fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(future)
}

pub(crate) fn pdu() -> Pdu {
    Pdu::from_hex(PDU).unwrap()
}

/// One emulated modem, one actor on it, and what they did.
pub(crate) struct Bench {
    pub(crate) network: Network,
    pub(crate) device: Modem,
    pub(crate) handle: ModemHandle,
    pub(crate) events: mpsc::Receiver<ModemEvent>,
    pub(crate) stop: CancellationToken,
    pub(crate) settings: Settings,
    actor: JoinHandle<Result<(), ActorError>>,
    _directory: tempfile::TempDir,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.cancel();
        // Otherwise it runs, with its pseudo terminal, until the test ends.
        self.device.stop();
    }
}

impl Bench {
    /// Starts a device in a network, and an actor with settings that `change` makes of the usual ones.
    pub(crate) fn new(
        network: NetworkSettings,
        mut device: ModemSettings,
        script: &str,
        change: impl FnOnce(&mut Settings, &Modem),
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let network = Network::new(network);
        device.link = Some(directory.path().join("m"));
        let device = Modem::start(&network, device, Script::parse(script).unwrap()).unwrap();
        spawn(device.run());
        let mut settings = Settings::new("m", device.path());
        change(&mut settings, &device);
        let (sender, events) = mpsc::channel(64);
        let (handle, actor) = settings.clone().build(sender);
        let stop = CancellationToken::new();
        let actor = spawn(actor.run(stop.clone()));
        Self { network, device, handle, events, stop, settings, actor, _directory: directory }
    }

    pub(crate) async fn until(&self, wanted: impl Fn(&Status) -> bool) -> Status {
        let mut status = self.handle.status();
        let found = tokio::time::timeout(SOON, status.wait_for(|status| wanted(status))).await;
        match found {
            Ok(Ok(status)) => status.clone(),
            _ => panic!("waited in vain: {:?}\n{}", self.handle.status().borrow().clone(), self.said()),
        }
    }

    pub(crate) async fn ready(&self) -> Status {
        self.until(|status| status.phase == Phase::Ready && !status.busy).await
    }

    /// Sends [`PDU`], once.
    pub(crate) async fn send(&self) -> Result<Sent, SendError> {
        self.submit(Submission::ready(pdu())).await
    }

    pub(crate) async fn submit(&self, submission: Submission) -> Result<Sent, SendError> {
        let mut turn = tokio::time::timeout(SOON, self.handle.turn()).await.expect("a turn");
        tokio::time::timeout(SOON, turn.send(submission)).await.expect("an outcome")
    }

    /// All that the modem has been told.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&self.device.byte_log().said(Direction::ToModem)).into_owned()
    }

    /// Waits until what the modem has been told is as wanted.
    pub(crate) async fn until_said(&self, wanted: impl Fn(&str) -> bool) {
        let is_said = async {
            while !wanted(&self.said()) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, is_said).await.unwrap_or_else(|_| panic!("never said: {}", self.said()));
    }

    pub(crate) async fn event(&mut self) -> ModemEventKind {
        let event = tokio::time::timeout(SOON, self.events.recv()).await;
        event.unwrap_or_else(|_| panic!("no event\n{}", self.said())).expect("a sender").kind
    }

    /// Stops the actor and waits until it has ended, without an error.
    pub(crate) async fn stopped(mut self) {
        self.ended().await;
    }

    /// As [`Bench::stopped`], and what was said can be read afterwards.
    pub(crate) async fn ended(&mut self) {
        self.stop.cancel();
        tokio::time::timeout(SOON, &mut self.actor).await.expect("an end").expect("no panic").expect("no error");
    }
}

//! One emulated modem: an AT engine behind a pseudo terminal.
//!
//! Called by tests, `otp-pi demo` and the binary. The modem starts no task: its owner drives [`Modem::run`].

mod drive;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::byte_log::ByteLog;
use crate::engine::Engine;
use crate::network::{Inbox, Network};
use crate::pty::{self, Pty};
use crate::script::{Fault, Faults, Script};
use crate::settings::ModemSettings;

/// Says why a modem could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No pseudo terminal could be opened.
    #[error("no pseudo terminal for modem `{name}`")]
    Pty {
        /// Name of the modem.
        name: String,
        /// Answer of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// The stable link could not be made.
    #[error("link `{link}` cannot be made")]
    Link {
        /// Path of the link.
        link: PathBuf,
        /// Answer of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// Another modem of the network has this name.
    #[error("there already is a modem `{0}`")]
    NameTaken(String),
}

/// Says why a modem stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The pseudo terminal failed.
    #[error("pseudo terminal of modem `{name}` failed")]
    Pty {
        /// Name of the modem.
        name: String,
        /// Answer of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// The modem is already being run, or has ended.
    #[error("modem `{0}` is already running or has ended")]
    NotIdle(String),
}

/// A modem; clones are the same modem.
#[derive(Debug, Clone)]
pub struct Modem {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    link: Option<PathBuf>,
    path: Mutex<PathBuf>,
    network: Network,
    inbox: Arc<Inbox>,
    controls: Mutex<VecDeque<Control>>,
    controlled: Notify,
    log: Mutex<ByteLog>,
    idle: Mutex<Option<(Engine, Pty)>>,
}

/// What its owner does to a modem.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Control {
    Inject(Vec<u8>),
    Unplug,
    Replug,
    Stop,
    SetSignal(u8),
    SetRegistration(u8),
    AddFault(Box<Fault>),
}

impl Modem {
    /// Opens the modem's PTY and its link; it answers once [`Modem::run`] is driven.
    ///
    /// # Errors
    /// No PTY, no link, or the name is taken.
    pub fn start(network: &Network, mut settings: ModemSettings, script: Script) -> Result<Self, StartError> {
        let name = settings.name.clone();
        settings.manners.extend(script.manners_of(&name));
        settings.ussd_form = script.ussd_form_of(&name).or(settings.ussd_form);
        settings.ussd.extend(script.ussd_of(&name).cloned());
        let pty = Pty::open().map_err(|source| StartError::Pty { name: name.clone(), source })?;
        let inbox = network.register(&name, &settings.msisdn).ok_or_else(|| StartError::NameTaken(name.clone()))?;
        if let Some(link) = &settings.link {
            pty::link(&pty.path, link).map_err(|source| {
                network.deregister(&name);
                StartError::Link { link: link.clone(), source }
            })?;
        }
        let faults = Faults::new(script.faults, &name, network.settings().seed);
        let link = settings.link.clone();
        let shared = Shared {
            path: Mutex::new(link.clone().unwrap_or_else(|| pty.path.clone())),
            link,
            name,
            network: network.clone(),
            inbox,
            controls: Mutex::default(),
            controlled: Notify::new(),
            log: Mutex::default(),
            idle: Mutex::new(Some((Engine::new(settings, network.clone(), faults), pty))),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Runs the modem until [`Modem::stop`]; the caller spawns or awaits it. The modem can be run once.
    ///
    /// # Errors
    /// The PTY failed, or the modem is already running.
    pub fn run(&self) -> impl Future<Output = Result<(), RunError>> + Send + 'static {
        drive::drive(Arc::clone(&self.shared))
    }

    /// Returns the name of the modem.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Returns the path to open: the stable link, or the PTY if there is no link.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.shared.path.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Pulls the modem out: whoever has it open reads 0 bytes, the link disappears.
    pub fn unplug(&self) {
        self.control(Control::Unplug);
    }

    /// Plugs the modem in again: a new PTY behind the same link, state of a fresh start; stored messages stay.
    pub fn replug(&self) {
        self.control(Control::Replug);
    }

    /// Ends [`Modem::run`] and removes the link.
    pub fn stop(&self) {
        self.control(Control::Stop);
    }

    /// Makes the modem say these raw bytes at once, whatever else it is doing.
    pub fn inject(&self, bytes: &[u8]) {
        self.control(Control::Inject(bytes.to_vec()));
    }

    /// Sends a text from a phone (`+628…`, a short code or a name) to this modem.
    pub fn deliver(&self, from: &str, text: &str) {
        self.shared.network.deliver(&self.shared.name, from, text);
    }

    /// Gives this modem a message as it stands: the octets of its TPDU, sound or not.
    pub fn deliver_tpdu(&self, tpdu: &[u8]) {
        self.shared.network.deliver_tpdu(&self.shared.name, tpdu);
    }

    /// Changes `<rssi>` of `AT+CSQ`.
    pub fn set_signal(&self, rssi: u8) {
        self.control(Control::SetSignal(rssi));
    }

    /// Changes `<stat>` of `AT+CREG?`, with its URC if asked for.
    pub fn set_registration(&self, stat: u8) {
        self.control(Control::SetRegistration(stat));
    }

    /// Adds a fault while the modem runs.
    pub fn add_fault(&self, fault: Fault) {
        self.control(Control::AddFault(Box::new(fault)));
    }

    /// Returns the last bytes that went over the line.
    #[must_use]
    pub fn byte_log(&self) -> ByteLog {
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn control(&self, control: Control) {
        self.shared.controls.lock().unwrap_or_else(PoisonError::into_inner).push_back(control);
        self.shared.controlled.notify_one();
    }
}

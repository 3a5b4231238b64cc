//! `otp-pi demo`: the whole gateway on emulated modems, with a page that shows the phones.
//!
//! Everything is real but the radio: HTTP, the database, the dispatcher, the AT dialogue over pseudo terminals. Needs nothing
//! installed, listens on loopback, and leaves nothing behind unless a data directory is named.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use domain::clock::Clock;
use domain::secret::SecretText;
use emulator::{
    Modem, ModemSettings, Network, NetworkSettings, ReceiverRule, Script, ScriptDuration, Transmission, Treatment,
};
use store::PasswordHasher;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::serve::{Signals, runtime, until_stopped};
use super::{DemoArguments, output, random_password};
use crate::app::{App, SystemClock, Tasks};
use crate::config::{FileSource, Sources};
use crate::http::phones::{self, PhoneFeed, PhoneMessage};
use crate::telemetry::{self, LogHandle};

/// The demo's configuration in its directory: made anew at each start, and nobody else's name.
const CONFIG: &str = "otp-pi-demo.toml";

/// The demo's API user.
const USERNAME: &str = "demo";

/// How long an emulated PDU is on air: shorter than a real one, long enough to be seen.
const AIR_TIME: Duration = Duration::from_millis(800);

/// How long after it an emulated delivery report comes.
const REPORT_DELAY: Duration = Duration::from_secs(2);

/// Receivers with a fate of their own: number, what happens, in words.
const MAGIC: [(&str, &str); 4] = [
    ("628120000001", "is delivered"),
    ("628120000002", "cannot be reached"),
    ("628120000003", "is slow"),
    ("628120000004", "never reports"),
];

/// TP-ST "permanent error: not obtainable" (3GPP TS 23.040 §9.2.3.15).
const NOT_OBTAINABLE: u8 = 0x43;

/// Runs the demo until it is interrupted.
///
/// # Errors
/// An address in use, a directory that cannot be written.
pub(super) fn run(arguments: &DemoArguments) -> anyhow::Result<()> {
    let log = telemetry::start(
        &telemetry::Settings { filter: "warn".to_owned(), ..telemetry::Settings::default() },
        std::io::stderr,
    );
    let place = Place::new(arguments.data_dir.clone())?;
    let result = runtime()?.block_on(serve(arguments, place.path(), log));
    place.leave()?;
    result
}

async fn serve(arguments: &DemoArguments, directory: &Path, log: LogHandle) -> anyhow::Result<()> {
    let signals = Signals::listen()?;
    let failed = CancellationToken::new();
    let devices = Tasks::new(failed.clone());
    let network = Network::new(network_settings());
    let mut modems = Vec::new();
    for index in 0..arguments.modems {
        let mut settings = ModemSettings::named(format!("demo-{}", u16::from(index) + 1), index);
        settings.link = Some(directory.join(format!("modem-{}", u16::from(index) + 1)));
        let modem = Modem::start(&network, settings, Script::default())?;
        devices.spawn("emulated modem", modem.run());
        modems.push(modem);
    }
    let page = TcpListener::bind(arguments.admin).await;
    let page = page.with_context(|| format!("--admin: cannot listen on {}", arguments.admin))?;
    let page_address = page.local_addr()?;
    let feed = PhoneFeed::default();
    devices.spawn("phones", follow(network.subscribe(), feed.clone(), devices.stop_token()));
    devices.spawn("page", phones::serve(page, feed, devices.stop_token()));

    let password = random_password()?;
    let app = App::start(sources(arguments, directory, &modems, &password)?, log).await?;
    if let Some(api) = app.addresses().first() {
        welcome(*api, page_address, &password, directory, arguments);
    }
    until_stopped(&app, signals).await?;
    let stopped = app.stop().await;
    devices.stop();
    modems.iter().for_each(Modem::stop);
    let ended = devices.finish(Duration::from_secs(5)).await;
    stopped.and(ended)
}

fn network_settings() -> NetworkSettings {
    let [(_, _), (fails, _), (slow, _), (silent, _)] = MAGIC;
    NetworkSettings {
        air_time: AIR_TIME,
        report_delay: REPORT_DELAY,
        receivers: vec![
            ReceiverRule::new(fails, Treatment::Fail(NOT_OBTAINABLE)),
            ReceiverRule::new(slow, Treatment::SlowAir(ScriptDuration(Duration::from_secs(10)))),
            ReceiverRule::new(silent, Treatment::NeverReport),
        ],
        starts_at_millis: SystemClock.now().as_unix_millis(),
        ..NetworkSettings::default()
    }
}

fn sources(arguments: &DemoArguments, directory: &Path, modems: &[Modem], password: &str) -> anyhow::Result<Sources> {
    // As a hash: the check of the configuration would rightly warn of a password in clear.
    let hash = PasswordHasher::default().hash(&SecretText::new(password))?;
    let modem = |modem: &Modem| format!("[[modem]]\nname = {:?}\nport = {:?}\n", modem.name(), modem.path());
    let modems: String = modems.iter().map(modem).collect();
    let text = format!(
        "data_dir = {:?}\n[api]\nhttp_listen = \"{}\"\n[sms]\ncountry_code = \"62\"\n[limits]\ndestinations = [\"*\"]\n\
         [log]\nfilter = \"warn\"\n{modems}[[api_user]]\nusername = \"{USERNAME}\"\npassword_hash = \"{hash}\"\n",
        directory.join("data"),
        arguments.api,
    );
    // A file, so that the other commands can be tried on the demo too.
    let path = directory.join(CONFIG);
    if let Err(error) = std::fs::remove_file(&path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error).with_context(|| format!("cannot replace {}", path.display()));
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Sources { file: FileSource::Path(path), environment: Vec::new() })
}

async fn follow(
    mut sent: broadcast::Receiver<Transmission>,
    feed: PhoneFeed,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        // Cancel-safe: a receiver loses nothing when its wait is dropped.
        let one = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            one = sent.recv() => one,
        };
        match one {
            Ok(one) => feed.push(PhoneMessage {
                phone: format!("+{}", one.receiver.trim_start_matches('+')),
                text: one.text.unwrap_or_default(),
                modem: one.modem,
                at: one.at_millis,
            }),
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return Ok(()),
        }
    }
}

fn welcome(api: SocketAddr, page: SocketAddr, password: &str, directory: &Path, arguments: &DemoArguments) {
    let request = |data: &str| format!("  curl -s -u {USERNAME}:{password} http://{api}/api/otp -d '{data}'");
    let create = request(
        r#"{"command":"create-otp","data":{"reference":"order-1","receiver":"08123456789","message":"Your code is %s"}}"#,
    );
    let validate =
        request(r#"{"command":"validate-otp","data":{"reference":"order-1","receiver":"08123456789","otp":"CODE"}}"#);
    let magic: Vec<String> = MAGIC.iter().map(|(number, fate)| format!("  {number}  {fate}")).collect();
    output::line(&format!(
        "OTP-Pi demo: {} emulated modem(s), no real SMS is sent\n\n\
         Phones   http://{page}/        open it: every SMS appears there by itself\n\
         API      http://{api}/api/otp  user {USERNAME}, password {password}\n\
         Data     {}{}\n\n\
         Ask for a code:\n\n{create}\n\n\
         Read it on the phone page, put it in place of CODE, and check it:\n\n{validate}\n\n\
         Receivers with a fate of their own:\n{}\n\n\
         Look behind the scenes, from another terminal:\n\n\
         \x20 otp-pi message list --config {config}\n\
         \x20 otp-pi modem check --config {config}\n\
         \x20 otp-pi settings list --set --config {config}\n\n\
         Stop with Ctrl-C.",
        arguments.modems,
        directory.display(),
        if arguments.data_dir.is_some() { "" } else { "  (removed at the end)" },
        magic.join("\n"),
        config = directory.join(CONFIG).display(),
    ));
}

/// Where the demo keeps its data.
struct Place {
    path: PathBuf,
    is_temporary: bool,
}

impl Place {
    fn new(named: Option<PathBuf>) -> anyhow::Result<Self> {
        if let Some(path) = named {
            std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
            return Ok(Self { path: path.canonicalize()?, is_temporary: false });
        }
        let path = std::env::temp_dir().join(format!("otp-pi-demo-{}", random_password()?));
        std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
            .create(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path, is_temporary: true })
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn leave(&self) -> anyhow::Result<()> {
        if self.is_temporary {
            std::fs::remove_dir_all(&self.path).with_context(|| format!("cannot remove {}", self.path.display()))?;
        }
        Ok(())
    }
}

//! A store in a directory of its own, with a clock that stands still, and short words for what a gateway does.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domain::clock::{Clock, Manual, WallTime};
use domain::command::Entrance;
use domain::message::{Class, MessageId, MessageState};
use domain::otp::{
    Again, AttemptId, Binding, CodeLength, CodePolicy, Fingerprint, Guess, Reservation, TagEntry, TicketKey, Verdict,
};
use domain::receiver::{Msisdn, Receiver};
use domain::secret::SecretText;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    Acceptance, Accepted, AuditBy, BeginAttempt, BeginOutcome, Change, Content, Keys, NewMessage, OpenError, Settings,
    StatusRecord, Store, TextAtRest, TicketStoreKind, UnknownPolicy, Writer, WriterError,
};

pub(crate) const NOW: WallTime = WallTime::from_unix_millis(1_790_000_000_000);
pub(crate) const USER: &str = "shop";
pub(crate) const CODE: &str = "493817";
pub(crate) const RECEIVER: &str = "628126666666";

pub(crate) const POLICY: CodePolicy = CodePolicy {
    expiration: None,
    lifetime: Duration::from_secs(180),
    max_lifetime: Duration::from_secs(600),
    max_attempts: 5,
};

/// A running store and the task that writes for it.
pub(crate) struct Running {
    pub(crate) store: Store,
    pub(crate) clock: Arc<Manual>,
    writer: JoinSet<Result<(), WriterError>>,
    stop: CancellationToken,
}

/// Whoever a test is.
pub(crate) fn by() -> AuditBy {
    AuditBy::new("tester", "test")
}

pub(crate) fn settings(directory: &Path) -> Settings {
    Settings::new(directory)
}

pub(crate) async fn try_open(settings: Settings) -> Result<Running, OpenError> {
    let keys = Keys::load_or_create(&settings.data_dir.join("keys")).unwrap();
    open_with(settings, keys).await
}

pub(crate) async fn open_with(settings: Settings, keys: Keys) -> Result<Running, OpenError> {
    let clock = Arc::new(Manual::new(NOW));
    let (store, writer) = Store::open(settings, keys, Arc::clone(&clock) as Arc<dyn Clock>).await?;
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(writer.run(stop.clone()));
    Ok(Running { store, clock, writer: tasks, stop })
}

/// A store whose writer does nothing until [`Running::start`]: what is asked waits in the mailbox.
pub(crate) async fn open_stalled(settings: Settings) -> (Running, Writer) {
    let keys = Keys::load_or_create(&settings.data_dir.join("keys")).unwrap();
    let clock = Arc::new(Manual::new(NOW));
    let (store, writer) = Store::open(settings, keys, Arc::clone(&clock) as Arc<dyn Clock>).await.unwrap();
    (Running { store, clock, writer: JoinSet::new(), stop: CancellationToken::new() }, writer)
}

/// Asks, and goes away before there is an answer.
pub(crate) async fn ask_and_leave(asking: impl Future) {
    tokio::select! {
        biased;
        _ = asking => panic!("answered by a writer that does nothing"),
        () = tokio::task::yield_now() => {}
    }
}

pub(crate) async fn open(directory: &Path) -> Running {
    try_open(settings(directory)).await.unwrap()
}

impl Running {
    /// Lets a stalled writer go on.
    pub(crate) fn start(&mut self, writer: Writer) {
        self.writer.spawn(writer.run(self.stop.clone()));
    }

    /// Drains and closes.
    pub(crate) async fn close(mut self) {
        self.stop.cancel();
        self.writer.join_next().await.unwrap().unwrap().unwrap();
    }

    /// Copies what is on the disk at this instant: what the next start would find after a power cut.
    pub(crate) fn crash_image(&self, into: &Path) -> PathBuf {
        let from = &self.store.inner.settings.data_dir;
        let image = into.join("image");
        std::fs::create_dir_all(image.join("keys")).unwrap();
        for name in ["otp-pi.db", "otp-pi.db-wal"] {
            if from.join(name).exists() {
                std::fs::copy(from.join(name), image.join(name)).unwrap();
            }
        }
        std::fs::copy(from.join("keys/keys.json"), image.join("keys/keys.json")).unwrap();
        image
    }

    pub(crate) fn key(&self, reference: &str) -> TicketKey {
        self.store.ticket_key(USER, reference)
    }

    pub(crate) async fn accept(&self, acceptance: Acceptance) -> Accepted {
        let slot = self.store.try_reserve().unwrap();
        self.store.accept(slot, acceptance).await.unwrap()
    }

    /// Accepts an OTP and answers its message.
    pub(crate) async fn accept_otp(&self, reference: &str) -> MessageId {
        match self.accept(self.otp(reference)).await {
            Accepted::New { message_id } => message_id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn accept_text(&self, text: &str) -> MessageId {
        match self.accept(text_message(text, None)).await {
            Accepted::New { message_id } => message_id,
            other => panic!("{other:?}"),
        }
    }

    /// A request for a code.
    pub(crate) fn otp(&self, reference: &str) -> Acceptance {
        let id = fresh_id();
        let deadline = NOW.saturating_add(Duration::from_secs(180));
        let content = Content::Otp {
            template: SecretText::new("Your code is %s"),
            autofill: domain::autofill::Autofill::default(),
            subject: None,
            binding: binding(reference),
            length: CodeLength::default(),
            policy: POLICY,
        };
        let reservation = Reservation {
            fingerprint: Fingerprint::derive(self.store.lookup_key().as_bytes(), &[b"same content"]),
            message_id: id,
            deadline,
            code_policy: POLICY,
            again: Again::Retry,
        };
        Acceptance {
            message: message(id, content, None),
            ticket: Some((self.key(reference), reservation)),
            replay: None,
        }
    }

    /// Begins an attempt with the tag of [`CODE`]; true when it may go on air.
    pub(crate) async fn begin_otp(&self, id: MessageId, attempt: u32, reference: &str) -> bool {
        self.try_begin_otp(id, attempt, reference).await == BeginOutcome::Begun
    }

    pub(crate) async fn try_begin_otp(&self, id: MessageId, attempt: u32, reference: &str) -> BeginOutcome {
        let ticket = Some((self.key(reference), self.tag(id, attempt, reference)));
        let begin = BeginAttempt {
            message_id: id,
            attempt,
            modem: "telkomsel-1".to_owned(),
            parts: 1,
            at: NOW,
            ticket,
            why: None,
            sim: None,
        };
        self.store.begin_attempt(begin).await.unwrap()
    }

    pub(crate) fn tag(&self, id: MessageId, attempt: u32, reference: &str) -> TagEntry {
        let peppers = self.store.peppers();
        let pepper = &peppers.current;
        let attempt = AttemptId { message_id: id, attempt };
        let expires_at = NOW.saturating_add(Duration::from_secs(180));
        TagEntry { attempt, key_id: pepper.id, tag: binding(reference).tag(pepper, CODE), expires_at }
    }

    pub(crate) async fn begin_text(&self, id: MessageId, attempt: u32) -> bool {
        self.begin_parts(id, attempt, 1).await
    }

    pub(crate) async fn begin_parts(&self, id: MessageId, attempt: u32, parts: u8) -> bool {
        let modem = "telkomsel-1".to_owned();
        let begin = BeginAttempt { message_id: id, attempt, modem, parts, at: NOW, ticket: None, why: None, sim: None };
        self.store.begin_attempt(begin).await.unwrap() == BeginOutcome::Begun
    }

    pub(crate) fn guess(&self, reference: &str, code: &str) -> Guess {
        Guess::new(&binding(reference), &self.store.peppers(), &SecretText::new(code))
    }

    pub(crate) async fn validate(&self, reference: &str, code: &str) -> Verdict {
        let guess = self.guess(reference, code);
        self.store.validate(self.key(reference), guess, NOW).await.unwrap()
    }

    pub(crate) async fn status(&self, id: MessageId) -> StatusRecord {
        self.store.find_message(id).await.unwrap().unwrap()
    }

    /// Waits until the message is in that state.
    pub(crate) async fn reaches(&self, id: MessageId, state: MessageState) -> StatusRecord {
        // A busy disk may take many seconds for one fsync; only a failure ever waits so long.
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            let record = self.status(id).await;
            if record.state == state {
                return record;
            }
            assert!(tokio::time::Instant::now() < deadline, "still {:?}, not {state:?}", record.state);
            // Not too often: every look reads the database that the writer works on.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) async fn record(&self, change: Change) {
        self.store.record(change).await.unwrap();
    }

    /// Returns when everything recorded so far is committed.
    pub(crate) async fn settle(&self) {
        let other = Msisdn::from_canonical("6281111111111").unwrap();
        self.store.unblock(other, &by()).await.unwrap();
    }
}

pub(crate) fn sent(id: MessageId, attempt: u32, message_reference: u8) -> Change {
    let attempt = AttemptId { message_id: id, attempt };
    Change::Sent { attempt, part: 1, parts: 1, message_reference: Some(message_reference), at: NOW }
}

pub(crate) fn fresh_id() -> MessageId {
    let mut seed = [0; 32];
    crate::keys::fill_random(&mut seed).unwrap();
    MessageId::new(NOW, &mut ChaCha20Rng::from_seed(seed))
}

pub(crate) fn binding(reference: &str) -> Binding {
    Binding {
        reference: reference.to_owned(),
        receiver: Receiver::from_canonical(RECEIVER).unwrap(),
        params: ["100000", "1234567890", "987654", "674527846556468254"].map(str::to_owned),
    }
}

fn message(id: MessageId, content: Content, own_id: Option<&str>) -> NewMessage {
    NewMessage {
        id,
        api_user: USER.to_owned(),
        class: if matches!(content, Content::Otp { .. }) { Class::Otp } else { Class::Transactional },
        entrance: Entrance::Rest,
        receiver: Receiver::from_canonical(RECEIVER).unwrap(),
        content,
        accepted_at: NOW,
        deadline: NOW.saturating_add(Duration::from_secs(180)),
        not_before: NOW,
        own_id: own_id.map(str::to_owned),
    }
}

/// A text to that receiver.
pub(crate) fn text_to(receiver: &str) -> Acceptance {
    let mut acceptance = text_message("hello", None);
    acceptance.message.receiver = Receiver::from_canonical(receiver).unwrap();
    acceptance
}

pub(crate) fn text_message(text: &str, own_id: Option<&str>) -> Acceptance {
    let content = Content::Text { text: SecretText::new(text), subject: None };
    Acceptance { message: message(fresh_id(), content, own_id), ticket: None, replay: None }
}

pub(crate) fn with_memory_tickets(directory: &Path) -> Settings {
    Settings { ticket_store: TicketStoreKind::Memory, ..settings(directory) }
}

pub(crate) fn without_texts(directory: &Path) -> Settings {
    Settings { text_at_rest: TextAtRest::Never, ..settings(directory) }
}

pub(crate) fn with_resend(directory: &Path) -> Settings {
    Settings { unknown_policy: UnknownPolicy::Resend, ..settings(directory) }
}

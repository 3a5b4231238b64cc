//! What listeners are told, by a modem and a network that are played, and a store of its own.

use std::sync::Arc;

use domain::clock::{Clock, Manual, WallTime};
use domain::inbox::InboxState;
use domain::receiver::CountryCode;
use emulator::{Modem, ModemSettings, Network, NetworkSettings, Script};
use gsm::user_data::Concatenation;
use gsm::{Address, Dcs, Deliver, Reference, Timestamp, UserData};
use store::Keys;
use tempfile::TempDir;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::dispatch;
use crate::event::Sender;

const NOW: WallTime = WallTime::from_unix_millis(1_790_000_000_000);
const SOON: Duration = Duration::from_secs(30);

/// A modem, the way from it into the inbox, and somebody who listens.
struct Bench {
    device: Modem,
    inbox: Inbox,
    clock: Arc<Manual>,
    told: broadcast::Receiver<Arc<InboxMessage>>,
    _tasks: JoinSet<()>,
    _directory: TempDir,
}

impl Bench {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(Manual::new(NOW));
        let shared: Arc<dyn Clock> = Arc::<Manual>::clone(&clock);
        let keys = Keys::load_or_create(&directory.path().join("keys")).unwrap();
        let opened = Store::open(store::Settings::new(directory.path()), keys, Arc::clone(&shared)).await;
        let (store, writer) = opened.unwrap();
        let device =
            Modem::start(&Network::new(NetworkSettings::default()), ModemSettings::named("m", 1), Script::default());
        let device = device.unwrap();
        let (sender, incoming) = mpsc::channel(16);
        let (_, actor) = ::modem::Settings::new("m0", device.path()).build(sender);
        let plan = NumberingPlan { country_code: CountryCode::parse("62").unwrap() };
        let settings = Settings { plan, incomplete_after: Duration::from_hours(1) };
        let events = Events::default();
        let told = events.subscribe_inbox();
        let inbox = Inbox::new(store.clone(), settings, events.clone(), Arc::clone(&shared));
        let (inbound, arrivals) = mpsc::channel(16);
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let reports = dispatch::run_reports(
            incoming,
            inbound,
            (store, dispatch::Judge::new(None)),
            events,
            (shared, Vec::new),
            stop.clone(),
        );
        let (running, played, taking) =
            (actor.run(stop.clone()), device.run(), inbox.clone().run(arrivals, stop.clone()));
        tasks.spawn(async move { writer.run(stop).await.unwrap() });
        tasks.spawn(async move { played.await.unwrap() });
        tasks.spawn(async move { running.await.unwrap() });
        tasks.spawn(async move { reports.await.unwrap() });
        tasks.spawn(async move { taking.await.unwrap() });
        Self { device, inbox, clock, told, _tasks: tasks, _directory: directory }
    }

    /// Part `sequence` of three comes.
    fn part(&self, sequence: u8) {
        let of = Concatenation { reference: Reference::Eight(7), total: 3, sequence };
        let user_data =
            UserData { header: vec![of.element()], ..UserData::gsm7(&format!("part {sequence}. ")).unwrap() };
        let deliver = Deliver {
            more_messages: false,
            loop_prevention: false,
            status_report_indication: false,
            reply_path: false,
            originator: Address::international("628126666666").unwrap(),
            protocol_id: 0,
            dcs: Dcs::GSM7,
            timestamp: Timestamp::from_unix_seconds(1_790_000_000, 28),
            user_data,
        };
        self.device.deliver_tpdu(deliver.encode(None).unwrap().tpdu());
    }

    async fn told(&mut self) -> Arc<InboxMessage> {
        tokio::time::timeout(SOON, self.told.recv()).await.expect("something told").expect("a sender")
    }

    /// Waits until so many parts are kept.
    async fn until_kept(&self, parts: usize) {
        let kept = async {
            loop {
                let (messages, _) =
                    self.inbox.list(&InboxFilter { limit: 10, ..InboxFilter::default() }).await.unwrap();
                let came = messages.iter().map(|message| usize::from(message.total) - message.missing.len());
                if came.sum::<usize>() == parts {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(SOON, kept).await.expect("parts that are kept");
    }
}

#[tokio::test]
async fn listeners_get_whole_messages_with_their_text_and_print_none_of_it() {
    let mut bench = Bench::start().await;
    bench.device.deliver("+628126666666", "hello you");
    let told = bench.told().await;
    assert_eq!((told.text.expose(), told.state, told.modem.as_str()), ("hello you", InboxState::Complete, "m0"));
    assert_eq!(told.sender.as_ref().map(Sender::expose), Some("628126666666"));
    let printed = format!("{told:?}");
    assert!(!printed.contains("hello") && !printed.contains("8126666666"), "{printed}");
    for sequence in [3, 1, 2] {
        bench.part(sequence);
    }
    assert_eq!(bench.told().await.text.expose(), "part 1. part 2. part 3. ");
    assert!(bench.told.try_recv().is_err(), "once, when it is whole");
}

#[tokio::test]
async fn a_message_whose_parts_do_not_come_is_told_without_them_and_again_when_they_do() {
    let mut bench = Bench::start().await;
    bench.part(3);
    bench.part(1);
    bench.until_kept(2).await;
    assert!(bench.told.try_recv().is_err(), "it waits");
    // A change of the settings counts for what waits.
    bench.inbox.set_settings(Settings { incomplete_after: Duration::from_mins(30), ..bench.inbox.settings() });
    bench.clock.advance(Duration::from_mins(31));
    let told = bench.told().await;
    assert_eq!((told.text.expose(), told.state), ("part 1. [part 2 of 3 missing]part 3. ", InboxState::Incomplete));
    bench.part(2);
    let again = bench.told().await;
    assert_eq!((again.text.expose(), again.state), ("part 1. part 2. part 3. ", InboxState::Complete));
    assert_eq!(again.id, told.id);
}

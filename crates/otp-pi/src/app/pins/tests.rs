#![expect(clippy::disallowed_methods, reason = "tests start what they need")]

use std::path::Path;

use domain::clock::Manual;
use domain::clock::WallTime;
use store::Keys;
use tokio_util::sync::CancellationToken;

use super::*;

/// A store of its own, with its writer.
async fn store(data_dir: &Path) -> Store {
    let keys = Keys::load_or_create(&data_dir.join("keys")).unwrap();
    let clock = Arc::new(Manual::new(WallTime::from_unix_millis(1_629_685_778_000)));
    let (store, writer) = Store::open(store::Settings::new(data_dir), keys, clock).await.unwrap();
    drop(tokio::spawn(writer.run(CancellationToken::new())));
    store
}

fn pin(text: &str) -> Pin {
    Pin::parse(text).unwrap()
}

fn modem(name: &str, text: &str) -> ModemConfig {
    let mut line = modem::Settings::new(name, "/nowhere");
    line.sim_pin = Some(pin(text));
    ModemConfig { line, is_default: false, is_active: true, sim_plan: domain::quota::SimPlan::default(), balance: None }
}

/// What a modem of this name and PIN would know of a card.
fn known(pins: &Pins, name: &str, text: &str, card: &str) -> Option<Tried> {
    View { shared: Arc::clone(&pins.0), modem: name.to_owned(), pin: Some(print(&pins.0.store, &pin(text))) }
        .known(card)
}

fn keep(pins: &Pins, name: &str, text: &str, card: &str, tried: Tried) {
    let view =
        View { shared: Arc::clone(&pins.0), modem: name.to_owned(), pin: Some(print(&pins.0.store, &pin(text))) };
    view.keep(card, tried).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn modems_that_start_together_lose_nothing_of_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path()).await;
    let pins = Pins::load(&store, &[]).await.unwrap();
    let cards: Vec<String> = (0..64).map(|number| format!("card{number}")).collect();
    let tasks = cards.iter().cloned().map(|card| {
        let pins = pins.clone();
        tokio::spawn(async move { keep(&pins, &card, "1234", &card, Tried::Unproven) })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let again = Pins::load(&store, &[]).await.unwrap();
    for card in &cards {
        assert_eq!(known(&again, card, "1234", card), Some(Tried::Unproven), "{card}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_is_forgiven_for_another_pin_of_its_modem_and_not_for_a_modem_with_another_pin() {
    let dir = tempfile::tempdir().unwrap();
    let pins = Pins::load(&store(dir.path()).await, &[]).await.unwrap();
    pins.follow(&[modem("a", "1111"), modem("b", "2222")]);
    for tried in [Tried::Unproven, Tried::Refused] {
        keep(&pins, "a", "1111", "card", tried);
        assert_eq!(known(&pins, "a", "1111", "card"), Some(tried));
    }
    assert_eq!(known(&pins, "b", "2222", "card"), Some(Tried::Refused), "it was only moved");
    assert_eq!(known(&pins, "a", "3333", "card"), None, "another PIN is configured");
    // The old modem, which finishes still, says what became of its PIN and not of the new one.
    pins.follow(&[modem("a", "3333"), modem("b", "2222")]);
    keep(&pins, "a", "1111", "card", Tried::Refused);
    assert_eq!(known(&pins, "a", "3333", "card"), None);
    assert_eq!(known(&pins, "b", "2222", "card"), None, "its PIN is nobody's any more");
    assert_eq!(known(&pins, "renamed", "1111", "card"), Some(Tried::Refused));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_earlier_version_kept_is_read_and_holds_for_the_pins_of_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path()).await;
    let modems = [modem("a", "1111"), modem("b", "2222")];
    let old = serde_json::json!({"configured": print_of_all(&store, &modems), "cards": {"card": "refused"}});
    store.put_secret_setting(SETTING, &SecretText::new(old.to_string())).await.unwrap();
    Pins::load(&store, &modems).await.unwrap();
    // It is kept in the new form now, so that it outlives a change of one PIN.
    let pins = Pins::load(&store, &[modem("b", "2222"), modem("a", "3333")]).await.unwrap();
    assert_eq!(known(&pins, "b", "2222", "card"), Some(Tried::Refused));
    assert_eq!(known(&pins, "a", "3333", "card"), None);
    // PINs that had changed already when this version came.
    store.put_secret_setting(SETTING, &SecretText::new(old.to_string())).await.unwrap();
    let pins = Pins::load(&store, &modems[..1]).await.unwrap();
    assert_eq!(known(&pins, "a", "1111", "card"), None);
}

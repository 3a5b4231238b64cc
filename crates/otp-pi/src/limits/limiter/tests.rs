#![expect(clippy::disallowed_methods, reason = "tests start what they need")]

use domain::clock::Manual;
use domain::command::Entrance;
use domain::message::Class;
use domain::receiver::CountryCode;
use domain::secret::SecretText;
use store::Keys;
use tokio_util::sync::CancellationToken;

use super::*;

const NOW: WallTime = WallTime::from_unix_millis(1_800_000_000_000);

fn message(number: u8, accepted_at: WallTime) -> NewMessage {
    NewMessage {
        id: MessageId::from_bytes([number; 16]),
        api_user: "shop".to_owned(),
        class: Class::Bulk,
        entrance: Entrance::Rest,
        receiver: Receiver::Msisdn(Msisdn::from_canonical("6281234567890").unwrap()),
        content: Content::Text { text: SecretText::new("hello".to_owned()), subject: None },
        accepted_at,
        deadline: NOW,
        not_before: accepted_at,
        own_id: None,
    }
}

#[tokio::test]
async fn requests_that_overtake_each_other_are_given_back_whole() {
    let directory = tempfile::tempdir().unwrap();
    let keys = Keys::load_or_create(&directory.path().join("keys")).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(Manual::new(NOW));
    let (store, writer) = Store::open(store::Settings::new(directory.path()), keys, Arc::clone(&clock)).await.unwrap();
    drop(tokio::spawn(writer.run(CancellationToken::new())));
    let settings = Settings {
        rules: Rules::standard("62"),
        plan: NumberingPlan { country_code: CountryCode::parse("62").unwrap() },
        api_users: HashMap::from([("shop".to_owned(), vec![Rate::parse("2/1h").unwrap()])]),
    };
    let limiter = Limiter::new(store, settings, clock);
    // The one that came first is counted last.
    let second = limiter.admit(&message(2, NOW), None).await.unwrap();
    let first = limiter.admit(&message(1, WallTime::from_unix_millis(NOW.as_unix_millis() - 5)), None).await.unwrap();
    assert!(limiter.admit(&message(3, NOW), None).await.is_err());
    limiter.give_back(second).await;
    limiter.give_back(first).await;
    for number in [4, 5] {
        limiter.admit(&message(number, NOW), None).await.unwrap();
    }
}

use super::*;

fn sent(network: &Network, modem: &str, receiver: &str) {
    let tpdu = Submit::encode_text(&Address::from_text(receiver), "hi", 0x21, &[], 0, 0).expect("a TPDU");
    let submit = Submit::decode(&tpdu).expect("a submit");
    let pdu = [&[0], tpdu.as_slice()].concat();
    let passage = network.passage(&submit.destination.text);
    let sent = Sent {
        modem,
        msisdn: "628111",
        pdu: &pdu,
        submit: &submit,
        message_reference: 5,
        radio_time: Duration::ZERO,
        is_denied: false,
    };
    network.transmit(sent, passage, network.origin());
}

#[test]
fn receivers_match_exactly_or_by_their_ends() {
    let cases = [
        ("62811", "62811", true),
        ("62811", "628111", false),
        ("62811*", "628111", true),
        ("62811*", "628211", false),
        ("*666", "62811666", true),
        ("*666", "66681", false),
        ("*", "anything", true),
    ];
    for (number, digits, matches) in cases {
        assert_eq!(ReceiverRule::new(number, Treatment::Deliver).is_for(digits), matches, "{number} {digits}");
    }
}

#[test]
fn the_first_matching_rule_counts_and_air_time_adds_up() {
    let slow = Treatment::SlowAir(ScriptDuration(Duration::from_secs(3)));
    let settings = NetworkSettings {
        air_time: Duration::from_secs(1),
        receivers: vec![ReceiverRule::new("*1", slow), ReceiverRule::new("*", Treatment::Refuse(21))],
        ..NetworkSettings::default()
    };
    let network = Network::new(settings);
    let (first, second) = (network.passage("62811"), network.passage("62812"));
    assert_eq!((first.air_time, first.refused), (Duration::from_secs(4), None));
    assert_eq!((second.air_time, second.refused), (Duration::from_secs(1), Some(21)));
}

#[test]
fn a_report_goes_back_to_the_modem_that_sent_and_to_no_other() {
    let network = Network::new(NetworkSettings::default());
    let first = network.register("modem1", "628111").expect("a name");
    let second = network.register("modem2", "628112").expect("a name");
    assert!(network.register("modem1", "628113").is_none(), "names are unique");
    sent(&network, "modem2", "+628999");
    assert_eq!(first.take().len(), 0);
    let arrived = second.take();
    assert!(matches!(&arrived[0].1, Arrival::Report(report) if report.message_reference == 5 && report.status == 0));
    sent(&network, "modem2", "+628111");
    assert!(matches!(&first.take()[0].1, Arrival::Message(message) if message.text().as_deref() == Some("hi")));
}

#[test]
fn an_overfull_inbox_loses_the_newest() {
    let network = Network::new(NetworkSettings::default());
    let inbox = network.register("modem1", "628111").expect("a name");
    for number in 0..=WAITING {
        network.deliver_at("modem1", "+628", &number.to_string(), network.origin());
    }
    let waiting = inbox.take();
    assert_eq!(waiting.len(), WAITING);
    assert!(matches!(&waiting[0].1, Arrival::Message(message) if message.text().as_deref() == Some("0")));
    assert!(!network.deliver("nobody", "+628", "x"));
}

#[tokio::test]
async fn waiting_finds_what_was_and_what_comes_and_gives_up() {
    let network = Network::new(NetworkSettings::default());
    sent(&network, "modem1", "+628111");
    let soon = Duration::from_secs(10);
    assert!(network.wait_for(|sent| sent.receiver == "628111", soon).await.is_some());
    let later = network.clone();
    let (found, ()) = tokio::join!(network.wait_for(|sent| sent.receiver == "628222", soon), async move {
        tokio::task::yield_now().await;
        sent(&later, "modem1", "+628222");
    });
    assert_eq!(found.map(|sent| sent.sequence), Some(2));
    assert!(network.wait_for_count(2, soon).await);
    assert!(!network.wait_for_count(3, Duration::ZERO).await);
    assert!(network.wait_for(|_| false, Duration::ZERO).await.is_none());
}

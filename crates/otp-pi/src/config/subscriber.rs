//! `[subscriber.NAME]`: a broker that brings commands.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use domain::secret::SecretText;

use super::file::{File, SubscriberSection};
use super::resolve::{ApiUserSource, Found};
use super::{Problem, error_chain, first_line};
use crate::intake::{
    Broker, ClientTls, Mqtt, MqttVersion, Nats, NatsMode, RabbitMq, Redis, RedisMode, Server, Settings, WebSocket,
    is_mqtt_filter,
};

/// The shortest and the longest time that a server can be given, and the pause before it is tried again.
const TIMES: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(300);

/// A broker's kinds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    RabbitMq,
    Redis,
    Mqtt,
    WebSocket,
    Nats,
}

/// The words of the kinds; the seeds' pages call two of them by the product's name.
const KINDS: [(&str, Kind); 8] = [
    ("rabbitmq", Kind::RabbitMq),
    ("redis", Kind::Redis),
    ("mqtt", Kind::Mqtt),
    ("mosquitto", Kind::Mqtt),
    ("websocket", Kind::WebSocket),
    ("wsmessagebroker", Kind::WebSocket),
    ("nats", Kind::Nats),
    ("amqp", Kind::RabbitMq),
];

impl Kind {
    /// The usual port, without and with TLS.
    const fn port(self, is_encrypted: bool) -> u16 {
        match (self, is_encrypted) {
            (Self::RabbitMq, false) => 5672,
            (Self::RabbitMq, true) => 5671,
            (Self::Redis, _) => 6379,
            (Self::Mqtt, false) => 1883,
            (Self::Mqtt, true) => 8883,
            (Self::WebSocket, false) => 80,
            (Self::WebSocket, true) => 443,
            (Self::Nats, _) => 4222,
        }
    }

    /// The keys that it takes beside those of every broker.
    const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::RabbitMq => &["vhost", "durable", "dead_letter"],
            Self::Redis => &["mode", "group", "client_id"],
            Self::Mqtt => &["client_id", "qos", "version", "group"],
            Self::WebSocket => &["path"],
            Self::Nats => &["mode", "group", "client_id", "stream"],
        }
    }
}

/// Reads every enabled section.
pub(super) fn read_all(file: &File, users: &[ApiUserSource], found: &mut Found) -> Vec<Settings> {
    let mut names = BTreeSet::new();
    let mut all = Vec::new();
    for (index, section) in file.subscriber.iter().enumerate() {
        if !names.insert(section.name.as_str()) {
            found.problem(format!("subscriber[{index}].name"), "another one has this name", "give each its own");
        }
        if section.enabled {
            all.extend(read(index, section, users, found));
        }
    }
    all
}

fn read(index: usize, section: &SubscriberSection, users: &[ApiUserSource], found: &mut Found) -> Option<Settings> {
    let key = |name: &str| format!("subscriber[{index}].{name}");
    let word = if section.kind.is_empty() { &section.name } else { &section.kind };
    let kind = found.word(&key("kind"), word, &KINDS)?;
    check_keys(index, section, kind, found);
    if section.host.is_empty() {
        found.problem(key("host"), "it is missing", "write the server's name or address");
    }
    if section.topic.is_empty() {
        found.problem(key("topic"), "it is empty", "write the queue, channel or topic that your programs publish to");
    }
    check_user(&key("api_user"), &section.api_user, users, found);
    let broker = broker(index, section, kind, found);
    let password = password(index, section, found);
    let tls = if section.tls { tls(index, section, found).map(Some) } else { Some(None) };
    let mut time = |name: &str, value: Duration| {
        if !TIMES.contains(&value) {
            found.problem(key(name), "it is not between 100ms and 5m", "write for example \"10s\", or leave it out");
        }
        value
    };
    let timeout = time("timeout", section.timeout.0);
    let reconnect_delay = time("reconnect_delay", section.reconnect_delay.0);
    let refresh = Some(section.refresh.0).filter(|after| !after.is_zero());
    if refresh.is_some_and(|after| after < Duration::from_secs(1)) {
        found.problem(key("refresh"), "it is shorter than a second", "write for example \"30m\", or \"0s\" for never");
    }
    if section.unacknowledged == 0 {
        found.problem(key("unacknowledged"), "with 0 nothing could be taken", "write 64");
    }
    let port = if section.port == 0 { kind.port(section.tls) } else { section.port };
    let server =
        Server { host: section.host.clone(), port, tls: tls?, username: section.username.clone(), password: password? };
    warn_of_clear_login(&key("tls"), &server, found);
    let settings = Settings {
        name: section.name.clone(),
        broker: broker?,
        server,
        topic: section.topic.clone(),
        api_user: section.api_user.clone(),
        timeout,
        reconnect_delay,
        refresh,
        callback_prefix: section.callback_prefix.clone(),
        unacknowledged: section.unacknowledged,
    };
    if !settings.callback_prefix.is_empty() && settings.is_subscribed(&settings.callback_prefix) {
        found.problem(
            key("callback_prefix"),
            "commands are read from there: answers would come back as commands",
            "let answers go to topics of their own",
        );
    }
    Some(settings)
}

/// A key of another broker does nothing: it was meant for something.
fn check_keys(index: usize, section: &SubscriberSection, kind: Kind, found: &mut Found) {
    let (own, usual) = (toml::Table::try_from(section), toml::Table::try_from(SubscriberSection::default()));
    let (Ok(own), Ok(usual)) = (own, usual) else { return };
    let special = [Kind::RabbitMq, Kind::Redis, Kind::Mqtt, Kind::WebSocket, Kind::Nats].map(Kind::keys).concat();
    for (name, value) in own {
        let is_foreign = special.contains(&name.as_str()) && !kind.keys().contains(&name.as_str());
        if is_foreign && usual.get(&name) != Some(&value) {
            let what = format!("a subscriber of this kind has no {name}");
            found.problem(format!("subscriber[{index}].{name}"), what, "take it out");
        }
    }
}

fn check_user(key: &str, username: &str, users: &[ApiUserSource], found: &mut Found) {
    match users.iter().find(|user| user.username == username) {
        Some(user) if user.is_active => {}
        Some(_) => found.warn(key, "that API user is not active: every command is refused", "set its active = true"),
        None if username.is_empty() => {
            found.problem(
                key,
                "it is missing",
                "write the username of the [[api_user]] in whose name commands are done",
            );
        }
        None => found.problem(key, "there is no such API user", "write the username of an [[api_user]]"),
    }
}

fn warn_of_clear_login(key: &str, server: &Server, found: &mut Found) {
    let is_near = server.host == "localhost"
        || server.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    if server.tls.is_none() && !is_near {
        let what = "texts, codes that users type and the password cross the network in clear";
        found.warn(key, what, "set tls = true, if the broker can");
    }
}

fn password(index: usize, section: &SubscriberSection, found: &mut Found) -> Option<SecretText> {
    let key = |name: &str| format!("subscriber[{index}].{name}");
    match (&section.password, &section.password_file) {
        (None, None) => Some(SecretText::new("")),
        (Some(clear), None) => {
            found.warn(key("password"), "the password stands in clear", "use password_file");
            Some(SecretText::new(clear.0.as_str()))
        }
        (None, Some(path)) => found.take(first_line(&key("password_file"), path)),
        (Some(_), Some(_)) => {
            found.problem(key("password"), "there is also a password_file", "keep one of the two");
            None
        }
    }
}

fn tls(index: usize, section: &SubscriberSection, found: &mut Found) -> Option<ClientTls> {
    let key = |name: &str| format!("subscriber[{index}].{name}");
    let mut read = |name: &str, path: &Path| -> Option<Option<String>> {
        if path.as_os_str().is_empty() {
            return Some(None);
        }
        let text = std::fs::read_to_string(path).map_err(|error| {
            let what = format!("{} cannot be read: {error}", path.display());
            Problem::new(key(name), what, "check the path and who may read it")
        });
        found.take(text).map(Some)
    };
    let authorities = read("tls_ca_file", &section.tls_ca_file);
    let certificate = read("tls_certificate", &section.tls_certificate);
    let private_key = read("tls_private_key", &section.tls_private_key);
    let identity = match (certificate?, private_key?) {
        (Some(certificate), Some(private_key)) => Some((certificate, SecretText::new(private_key))),
        (None, None) => None,
        (certificate, _) => {
            let missing = if certificate.is_some() { "tls_private_key" } else { "tls_certificate" };
            found.problem(key(missing), "it is missing beside the other", "name both files, or neither");
            None
        }
    };
    let server_name = Some(section.tls_server_name.clone()).filter(|name| !name.is_empty());
    let tls = ClientTls { authorities: authorities?, identity, server_name };
    if let Err(error) = tls.config() {
        let fix = "check the PEM files of tls_ca_file, tls_certificate and tls_private_key, and tls_server_name";
        found.problem(key("tls"), error_chain(&error), fix);
    }
    Some(tls)
}

fn broker(index: usize, section: &SubscriberSection, kind: Kind, found: &mut Found) -> Option<Broker> {
    let key = |name: &str| format!("subscriber[{index}].{name}");
    let or = |text: &str, usual: &str| if text.is_empty() { usual.to_owned() } else { text.to_owned() };
    let client = or(&section.client_id, &client_name());
    Some(match kind {
        Kind::RabbitMq => Broker::RabbitMq(RabbitMq {
            vhost: section.vhost.clone(),
            is_durable: section.durable,
            dead_letter: section.dead_letter.clone(),
        }),
        Kind::Redis => {
            let words = [("pubsub", false), ("stream", true)];
            let mode = if found.word(&key("mode"), &or(&section.mode, "pubsub"), &words)? {
                RedisMode::Stream { group: or(&section.group, "otp-pi"), consumer: client.clone() }
            } else {
                RedisMode::PubSub
            };
            Broker::Redis(Redis { mode, client_name: client })
        }
        Kind::Mqtt => {
            if section.qos > 2 {
                found.problem(key("qos"), format!("there is no quality of service {}", section.qos), "write 0, 1 or 2");
            }
            let versions = [("3.1.1", MqttVersion::V311), ("5", MqttVersion::V5), ("5.0", MqttVersion::V5)];
            let version = found.word(&key("version"), &section.version, &versions)?;
            if !section.topic.is_empty() && !is_mqtt_filter(&section.topic) {
                found.problem(
                    key("topic"),
                    "it is no topic filter of MQTT",
                    "let + and # stand for whole levels, # last",
                );
            }
            if section.group.contains(['/', '+', '#']) {
                found.problem(key("group"), "it has /, + or # in it", "write a plain name");
            }
            // Two sections of one machine must not take each other's session over.
            let client_id = or(&section.client_id, &format!("{}-{}", client_name(), section.name));
            Broker::Mqtt(Mqtt { version, client_id, qos: section.qos, group: section.group.clone() })
        }
        Kind::WebSocket => {
            if !section.path.starts_with('/') {
                found.problem(key("path"), "it does not begin with /", "write it like \"/ws\"");
            }
            Broker::WebSocket(WebSocket { path: section.path.clone() })
        }
        Kind::Nats => {
            let words = [("core", false), ("jetstream", true)];
            let is_jetstream = found.word(&key("mode"), &or(&section.mode, "core"), &words)?;
            let mode = if is_jetstream {
                if section.stream.is_empty() {
                    found.problem(key("stream"), "it is missing", "write the name of the stream");
                }
                NatsMode::JetStream { stream: section.stream.clone(), consumer: or(&section.group, "otp-pi") }
            } else {
                NatsMode::Core { group: section.group.clone() }
            };
            Broker::Nats(Nats { mode, client_name: client })
        }
    })
}

/// A name that is this machine's, and stays the same over restarts.
fn client_name() -> String {
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy();
    let plain: String = host.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').collect();
    format!("otp-pi-{plain}")
}

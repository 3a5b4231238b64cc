//! `[subscriber.NAME]`: the keys of every broker in one section. Which of them a broker takes is said in `config::subscriber`.

use std::fmt;
use std::path::PathBuf;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::{PlainPassword, seconds};
use crate::config::units::Span;

/// `[subscriber.NAME]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SubscriberSection {
    /// Its name, unique.
    pub name: String,
    /// `"rabbitmq"`, `"redis"`, `"mqtt"`, `"websocket"` or `"nats"`; empty: what the name says.
    pub kind: String,
    /// In use at all.
    pub enabled: bool,
    /// Name or address of the server.
    pub host: String,
    /// TCP port; 0 is the usual one.
    pub port: u16,
    /// Encrypts the connection.
    pub tls: bool,
    /// The authorities that the server's certificate may come from, in PEM form; empty: those of the machine.
    pub tls_ca_file: PathBuf,
    /// Our certificate in PEM form, where the server asks for one.
    pub tls_certificate: PathBuf,
    /// Its private key in PEM form.
    pub tls_private_key: PathBuf,
    /// The name in the server's certificate, where it is not the host.
    pub tls_server_name: String,
    /// The login name; empty: no login.
    pub username: String,
    /// The password in clear; `check-config` warns.
    pub password: Option<PlainPassword>,
    /// A file whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// Queue, channel, topic, subject or stream that is read.
    pub topic: String,
    /// The API user in whose name commands are done.
    pub api_user: String,
    /// How long connecting and each answer of the server may take.
    pub timeout: Span,
    /// The first pause before connecting again; later ones double up to a minute.
    pub reconnect_delay: Span,
    /// Connects anew after this time; `"0s"`: never.
    pub refresh: Span,
    /// What `callback_topic` must begin with; empty: anything.
    pub callback_prefix: String,
    /// Most messages that are taken and not yet acknowledged.
    pub unacknowledged: u16,
    /// RabbitMQ: the virtual host.
    pub vhost: String,
    /// RabbitMQ: the queue outlives a restart of the broker.
    pub durable: bool,
    /// RabbitMQ: the queue for messages that are no commands; empty: they are dropped.
    pub dead_letter: String,
    /// Redis: `"pubsub"` or `"stream"`; NATS: `"core"` or `"jetstream"`.
    pub mode: String,
    /// Those who share the messages: consumer group of a stream, share of MQTT, queue group or durable consumer of NATS.
    pub group: String,
    /// The name under which the broker knows this connection; MQTT keeps what comes while it is away.
    pub client_id: String,
    /// MQTT: 0, 1 or 2.
    pub qos: u8,
    /// MQTT: `"3.1.1"` or `"5"`.
    pub version: String,
    /// WebSocket: the path of the request.
    pub path: String,
    /// NATS: the stream of `mode = "jetstream"`.
    pub stream: String,
}
defaults!(SubscriberSection {
    name: String::new(),
    kind: String::new(),
    enabled: false,
    host: String::new(),
    port: 0,
    tls: false,
    tls_ca_file: PathBuf::new(),
    tls_certificate: PathBuf::new(),
    tls_private_key: PathBuf::new(),
    tls_server_name: String::new(),
    username: String::new(),
    password: None,
    password_file: None,
    topic: "sms".to_owned(),
    api_user: String::new(),
    timeout: seconds(10),
    reconnect_delay: seconds(5),
    refresh: seconds(0),
    callback_prefix: String::new(),
    unacknowledged: 64,
    vhost: "/".to_owned(),
    durable: false,
    dead_letter: String::new(),
    mode: String::new(),
    group: String::new(),
    client_id: String::new(),
    qos: 1,
    version: "3.1.1".to_owned(),
    path: "/ws".to_owned(),
    stream: String::new(),
});

/// Reads `[subscriber.NAME]` tables, which people write, as the list of objects that they are; a list is read as well.
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SubscriberSection>, D::Error> {
    deserializer.deserialize_any(Named)
}

struct Named;

impl<'de> Visitor<'de> for Named {
    type Value = Vec<SubscriberSection>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("sections like [subscriber.rabbitmq]")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some((name, section)) = map.next_entry::<String, SubscriberSection>()? {
            all.push(SubscriberSection { name, ..section });
        }
        Ok(all)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(seq))
    }
}

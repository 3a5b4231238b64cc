//! How a broker is reached, and what is subscribed there. Built by `config`.

use std::time::Duration;

use domain::secret::SecretText;

use super::ClientTls;
use super::mqtt::unshared;

/// One subscription.
#[derive(Clone, PartialEq)]
pub struct Settings {
    /// The name of its section.
    pub name: String,
    /// What is spoken there.
    pub broker: Broker,
    /// Where it is.
    pub server: Server,
    /// Queue, channel, topic, subject or stream: where commands come from.
    pub topic: String,
    /// The API user in whose name commands are done.
    pub api_user: String,
    /// How long connecting, logging in and each answer of the server may take.
    pub timeout: Duration,
    /// The first pause before connecting again; later ones double.
    pub reconnect_delay: Duration,
    /// After this time the connection is made anew on purpose.
    pub refresh: Option<Duration>,
    /// What the topics of answers must begin with; empty where any may be named.
    pub callback_prefix: String,
    /// How many messages may be taken and not yet acknowledged.
    pub unacknowledged: u16,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("name", &self.name)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// Where a broker is, and as whom we log in.
#[derive(Clone, PartialEq)]
pub struct Server {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How the connection is encrypted, if it is.
    pub tls: Option<ClientTls>,
    /// Empty where there is no login.
    pub username: String,
    /// Empty where there is none.
    pub password: SecretText,
}

impl Server {
    /// Host and port as one text, an IPv6 address in brackets.
    #[must_use]
    pub fn address(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.address())
    }
}

/// What is spoken with a broker.
#[derive(Clone, Debug, PartialEq)]
pub enum Broker {
    /// AMQP 0-9-1.
    RabbitMq(RabbitMq),
    /// RESP.
    Redis(Redis),
    /// MQTT.
    Mqtt(Mqtt),
    /// The handshake of `WSMessageBroker`.
    WebSocket(WebSocket),
    /// NATS.
    Nats(Nats),
}

impl Broker {
    /// The word of the settings.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::RabbitMq(_) => "rabbitmq",
            Self::Redis(_) => "redis",
            Self::Mqtt(_) => "mqtt",
            Self::WebSocket(_) => "websocket",
            Self::Nats(_) => "nats",
        }
    }
}

/// What RabbitMQ alone has.
#[derive(Clone, Debug, PartialEq)]
pub struct RabbitMq {
    /// The virtual host.
    pub vhost: String,
    /// The queue outlives a restart of the broker. The publishers of the original appliance expect one that does not.
    pub is_durable: bool,
    /// The queue for messages that are no commands; they are dropped where it is empty.
    pub dead_letter: String,
}

/// What Redis alone has.
#[derive(Clone, Debug, PartialEq)]
pub struct Redis {
    /// How messages come.
    pub mode: RedisMode,
    /// The name under which the connection is listed there (`CLIENT SETNAME`).
    pub client_name: String,
}

/// How messages come from Redis.
#[derive(Clone, Debug, PartialEq)]
pub enum RedisMode {
    /// `SUBSCRIBE`: what is published while nobody listens is lost.
    PubSub,
    /// A stream with a consumer group: each message is taken by one of them, and stays until it is acknowledged.
    Stream {
        /// The consumer group.
        group: String,
        /// Our name in the group.
        consumer: String,
    },
}

/// What MQTT alone has.
#[derive(Clone, Debug, PartialEq)]
pub struct Mqtt {
    /// The version that is spoken.
    pub version: MqttVersion,
    /// The name under which the broker keeps our session.
    pub client_id: String,
    /// The quality of service that is subscribed, 0 to 2.
    pub qos: u8,
    /// The group that shares the messages; empty where each subscriber gets all.
    pub group: String,
}

/// A version of MQTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MqttVersion {
    /// 3.1.1
    V311,
    /// 5.0
    V5,
}

/// What a WebSocket broker alone has.
#[derive(Clone, Debug, PartialEq)]
pub struct WebSocket {
    /// The path of the request, with its leading `/`.
    pub path: String,
}

/// What NATS alone has.
#[derive(Clone, Debug, PartialEq)]
pub struct Nats {
    /// How messages come.
    pub mode: NatsMode,
    /// The name under which the connection is listed there.
    pub client_name: String,
}

/// How messages come from NATS.
#[derive(Clone, Debug, PartialEq)]
pub enum NatsMode {
    /// A subscription: what is published while nobody listens is lost.
    Core {
        /// The queue group that shares the messages; empty where each subscriber gets all.
        group: String,
    },
    /// A stream with a durable consumer: a message stays until it is acknowledged.
    JetStream {
        /// The stream.
        stream: String,
        /// The durable consumer, shared by all nodes that name it.
        consumer: String,
    },
}

impl Settings {
    /// True where commands are read from this topic, so that nothing may be answered there.
    #[must_use]
    pub fn is_subscribed(&self, topic: &str) -> bool {
        match &self.broker {
            Broker::Mqtt(_) => covers(unshared(&self.topic), topic, '/', ("+", "#")),
            Broker::Nats(_) => Self::covers_subject(&self.topic, topic),
            Broker::RabbitMq(broker) => topic == self.topic || (!topic.is_empty() && topic == broker.dead_letter),
            Broker::Redis(_) | Broker::WebSocket(_) => topic == self.topic,
        }
    }

    /// True where one subject of NATS, which may have wildcards, takes in another.
    pub(super) fn covers_subject(filter: &str, subject: &str) -> bool {
        covers(filter, subject, '.', ("*", ">"))
    }

    /// True where the broker takes something that is published to this topic.
    #[must_use]
    pub fn is_publishable(&self, topic: &str) -> bool {
        let is_plain =
            |forbidden: &[char]| !topic.contains(|letter: char| letter.is_control() || forbidden.contains(&letter));
        let is_short = |most: usize| !topic.is_empty() && topic.len() <= most;
        match self.broker {
            // AMQP 0-9-1 section 4.2.5.3: short strings.
            Broker::RabbitMq(_) => is_short(255) && is_plain(&[]),
            Broker::Redis(_) | Broker::WebSocket(_) => is_short(1024) && is_plain(&[]),
            // MQTT 5.0 section 4.7.1: a name has no wildcards.
            Broker::Mqtt(_) => is_short(1024) && is_plain(&['+', '#']) && !topic.starts_with('$'),
            Broker::Nats(_) => {
                is_short(1024)
                    && is_plain(&['*', '>', ' '])
                    && topic.split('.').all(|token| !token.is_empty())
                    && !topic.starts_with('$')
            }
        }
    }
}

/// True when a filter with wildcards takes in a topic: `one` stands for one level, `rest` for all that follow.
fn covers(filter: &str, topic: &str, parted_by: char, (one, rest): (&str, &str)) -> bool {
    let (mut filter, mut topic) = (filter.split(parted_by), topic.split(parted_by));
    loop {
        match (filter.next(), topic.next()) {
            (None, None) => return true,
            (Some(wildcard), level) if wildcard == rest => return level.is_some() || rest == "#",
            (Some(level), Some(of_topic)) if level == one || level == of_topic => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_no_part_of_the_filter() {
        for (topic, filter) in
            [("$share/g/sms/#", "sms/#"), ("sms", "sms"), ("$share/g", "$share/g"), ("$SYS/#", "$SYS/#")]
        {
            assert_eq!(unshared(topic), filter);
        }
    }

    #[test]
    fn a_filter_takes_in_what_the_broker_would_deliver() {
        for (filter, topic, is_covered) in [
            ("sms", "sms", true),
            ("sms", "sms2", false),
            ("sms/+", "sms/a", true),
            ("sms/+", "sms/a/b", false),
            ("sms/+", "sms", false),
            ("sms/#", "sms", true),
            ("sms/#", "sms/a/b", true),
            ("#", "anything/at/all", true),
            ("+/b", "a/b", true),
        ] {
            assert_eq!(covers(filter, topic, '/', ("+", "#")), is_covered, "{filter} {topic}");
        }
        for (filter, topic, is_covered) in
            [("sms.*", "sms.a", true), ("sms.>", "sms.a.b", true), ("sms.>", "sms", false), ("sms", "sms", true)]
        {
            assert_eq!(covers(filter, topic, '.', ("*", ">")), is_covered, "{filter} {topic}");
        }
    }
}

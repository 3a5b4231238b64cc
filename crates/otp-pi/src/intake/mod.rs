//! Subscriptions to brokers, which bring commands in and take answers out.
//!
//! An intake is a function, `serve`, that lives as long as one connection; [`run`] gives it one life after another with jittered pauses.
//! What a message means is decided behind [`Door`]: the broker's file knows how to connect, to acknowledge and to publish, and nothing
//! else. It must never acknowledge what is not durable, never log or keep a payload, never answer to a topic that is itself subscribed, and
//! never know which channel sends. Called by `app`; [`check`] also by `doctor`.
//!
//! A message that is no command is put aside and never taken again. When the gateway is full the intake stops reading: the broker keeps
//! the rest.

mod amqp;
mod board;
mod door;
mod error;
mod mqtt;
mod nats;
mod redis;
mod settings;
mod stream;
mod supervise;
mod tls;
mod websocket;

pub use board::{Board, Phase, Report, Status};
pub use door::{Callers, Door};
pub use error::IntakeError;
pub use mqtt::is_filter as is_mqtt_filter;
pub use settings::{
    Broker, Mqtt, MqttVersion, Nats, NatsMode, RabbitMq, Redis, RedisMode, Server, Settings, WebSocket,
};
pub use supervise::{check, run};
pub use tls::{ClientTls, ClientTlsError};

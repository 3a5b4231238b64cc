//! Commands that brokers bring, over real brokers.

mod amqp;
mod rabbit;
mod redis;

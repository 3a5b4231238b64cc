//! Commands that brokers bring, over real brokers.

mod amqp;
mod examples;
mod rabbit;
mod redis;

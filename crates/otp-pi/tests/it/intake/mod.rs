//! Commands that brokers bring: real brokers, and publishers that share no line of code with us.
//!
//! A Python library that is not installed is skipped by name.

mod amqp;
mod commands;
mod examples;
mod mqtt;
mod nats;
mod peer;
mod rabbit;
mod redis;
mod websocket;

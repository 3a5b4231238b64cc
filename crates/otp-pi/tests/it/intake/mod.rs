//! Commands that brokers bring, over real brokers.

mod mqtt;
mod redis;

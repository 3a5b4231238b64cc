//! Commands that brokers bring, over real brokers.

mod examples;
mod redis;

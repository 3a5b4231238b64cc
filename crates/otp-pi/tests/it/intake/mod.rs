//! Commands that brokers bring, over real brokers.

mod redis;

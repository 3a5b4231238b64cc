//! The whole product from outside: real processes, real sockets, real PTYs, a real database.
//!
//! One binary for all of them, because each integration binary links the whole product again. A test here starts its own
//! emulated modems and its own gateway on free addresses, and waits for conditions with a deadline, never for time.

// Tells clippy that the helpers are tests too.
#![cfg(test)]

mod harness;

mod api_users;
mod at_rest;
mod audit;
mod authority;
mod clients;
mod corpora;
mod crash;
mod demo;
mod dumps;
mod economy;
mod faults;
mod flood;
mod https;
mod inbox;
mod intake;
mod keys;
mod limits;
mod lines;
mod lockout;
mod modem;
#[path = "../../../../tests/modemmanager.rs"]
mod modemmanager;
mod operator;
mod pages;
mod parts;
mod reload;
mod reports;
mod rest;
mod scripted;
mod secrecy;
mod sending;
mod settings;
mod shared_tickets;
mod sick;
mod soak;
mod through_manager;
mod udev;
mod ussd;
mod ws_broker;

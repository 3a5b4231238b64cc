//! Outside words to a `Command`, a `Reply` to outside words: the JSON envelope that REST and every broker share.
//!
//! `{"command": …, "data": {…}}` comes in, `{"command", "response_code", "data", …}` goes out; `simple` speaks the two small
//! dialects in their own words. Called by `http` (and by intakes). It is pure: it must never do input or output, read a clock, decide who may do what, or turn a receiver into
//! its canonical form, since that needs settings. It must never panic on any body; `json` and `fields` list what is
//! tolerated and what is refused. Reports on modems for people and scripts are in [`modems`], and those on routes in [`route`].

mod envelope;
mod fields;
mod json;
pub mod modems;
mod parse;
mod render;
pub mod route;
mod simple;

pub use envelope::Envelope;
pub use parse::{ParseFailure, Parsed, parse};
pub use render::{RenderSettings, SuccessCode, render, render_failure};
pub use simple::{
    AnswerKind, Question, SimpleAnswer, SimpleFailure, SimplePath, SimpleRequest, parse_simple, render_simple,
};

//! Limits as an operator sees them: why a receiver is refused, who is held back, and beginning anew.

use std::net::IpAddr;

use domain::clock::{WallTime, whole_seconds};
use domain::limits::{Explanation, LimitRefusal, Standing, calling_code, client_network, masked_network};
use domain::receiver::Receiver;
use serde::{Deserialize, Serialize};
use store::{AuditBy, AuditEvent, AuditKind};

use super::Operator;
use crate::limits::{Counters, Limiter, words};

/// Where a receiver stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitView {
    /// The receiver, masked.
    pub receiver: String,
    /// What the rules do: `enforce`, `observe`, `off`.
    pub mode: String,
    /// The rule that would refuse a code just now.
    pub rule: Option<String>,
    /// Why, in words.
    pub why: Option<String>,
    /// When it would not any more.
    pub retry_after_seconds: Option<u64>,
    /// When the receiver last entered a right code, within the time for which that counts; Unix milliseconds.
    pub known_since: Option<i64>,
    /// Wrong codes on end.
    pub wrong_on_end: u32,
    /// Every rule.
    pub rules: Vec<RuleView>,
    /// How many codes are entered by range, country, API user.
    pub standings: Vec<StandingView>,
    /// Fewer than this share, in percent, is too few.
    pub alarm_below: u32,
}

/// Whose counts are forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResetOf<'a> {
    /// A receiver's, its prefix's and its range's; as people write it.
    Receiver(&'a str),
    /// A country's, by its calling code.
    Country(&'a str),
    /// An API user's.
    ApiUser(&'a str),
    /// An end user's network's.
    Client(IpAddr),
    /// Everybody's.
    All,
}

/// Where a receiver stands with one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleView {
    /// The rule.
    pub rule: String,
    /// How much is used up; none where nothing is counted.
    pub used: Option<u32>,
    /// For how long it refuses, in seconds.
    pub wait_seconds: Option<u64>,
    /// False when it does not hold this receiver back.
    pub applies: bool,
}

/// How many codes are entered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingView {
    /// `range`, `country`, `client` or `api-user`.
    pub kind: String,
    /// Which; empty after a restart, until the next request.
    pub label: String,
    /// Codes to new receivers looked at.
    pub judged: u32,
    /// Of these, entered.
    pub entered: u32,
    /// So many are looked at before it is judged.
    pub of: usize,
    /// Since when new receivers are held back; Unix milliseconds.
    pub held_back_since: Option<i64>,
    /// All codes: sent, delivered, entered.
    pub totals: [u32; 3],
}

/// Who is held back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBack {
    /// What the rules do.
    pub mode: String,
    /// Ranges, countries, addresses and API users whose new receivers wait.
    pub held_back: Vec<StandingView>,
    /// How many receivers are locked after wrong codes.
    pub locked_receivers: usize,
}

impl Operator {
    /// Explains where a receiver stands with the limits. Counts nothing.
    ///
    /// # Errors
    /// Why it cannot, in words.
    pub async fn explain_limits(
        &self,
        receiver: &str,
        api_user: Option<&str>,
        client: Option<IpAddr>,
    ) -> Result<LimitView, String> {
        let limiter = self.limiter()?;
        let receiver = limited(limiter, receiver)?;
        let api_user = api_user.unwrap_or_default();
        let is_known = self.store.find_api_user(api_user).await.map_err(|error| error.to_string())?.is_some();
        if !is_known && !api_user.is_empty() {
            return Err("there is no such API user".to_owned());
        }
        let explained = limiter.explain((&receiver, client), api_user).await.map_err(|error| error.to_string())?;
        Ok(view(limiter, &receiver, explained))
    }

    /// Tells who is held back.
    ///
    /// # Errors
    /// Why it cannot, in words.
    pub async fn held_back(&self) -> Result<HeldBack, String> {
        let limiter = self.limiter()?;
        let (standings, locked_receivers) = limiter.held_back().await.map_err(|error| error.to_string())?;
        let held_back = standings.into_iter().map(standing).filter(|standing| standing.held_back_since.is_some());
        let mode = limiter.settings().rules.mode.as_str().to_owned();
        Ok(HeldBack { mode, held_back: held_back.collect(), locked_receivers })
    }

    /// Forgets what is counted; answers what was done.
    ///
    /// # Errors
    /// Why it was not done, in words.
    pub async fn reset_limits(&self, of: ResetOf<'_>, by: &AuditBy) -> Result<String, String> {
        let limiter = self.limiter()?;
        let receiver;
        let (whose, name, also) = match of {
            ResetOf::All => {
                let event = AuditEvent::new(AuditKind::LimitsReset, by, "");
                self.recorded(event, limiter.reset_all()).await.map_err(|error| format!("{error:#}"))?;
                return Ok("everything that limits had counted is forgotten".to_owned());
            }
            ResetOf::Receiver(text) => {
                receiver = limited(limiter, text)?;
                (Counters::Receiver(&receiver), receiver.to_string(), ", its prefix and its range")
            }
            ResetOf::Country(code) => {
                let code = code.trim_start_matches('+');
                if calling_code(code) != code || code.is_empty() || !code.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err("it is no country calling code, like 65".to_owned());
                }
                (Counters::Country(code), format!("country {code}"), "")
            }
            ResetOf::ApiUser(name) => (Counters::ApiUser(name), format!("api-user {name}"), ""),
            ResetOf::Client(address) => {
                let masked = masked_network(&client_network(address));
                (Counters::Client(address), format!("client {masked}"), "")
            }
        };
        let event = AuditEvent::new(AuditKind::LimitsReset, by, &name);
        let had_any = self.recorded(event, limiter.reset(whose)).await.map_err(|error| format!("{error:#}"))?;
        Ok(match had_any {
            true => format!("what limits had counted for {name}{also} is forgotten"),
            false => format!("nothing was counted for {name}"),
        })
    }

    pub(super) fn limiter(&self) -> Result<&Limiter, String> {
        self.limiter.as_ref().ok_or_else(|| "the settings cannot be served: otp-pi check-config says why".to_owned())
    }
}

pub(super) fn limited(limiter: &Limiter, receiver: &str) -> Result<Receiver, String> {
    Receiver::parse(receiver, &limiter.settings().plan).map_err(|error| format!("receiver: {error}"))
}

fn view(limiter: &Limiter, receiver: &Receiver, explained: Explanation) -> LimitView {
    let Explanation { refusal, known_at, streak, rules, standings, threshold } = explained;
    let rules = rules.into_iter().map(|rule| RuleView {
        rule: rule.rule.to_string(),
        used: rule.used,
        wait_seconds: rule.wait.map(whole_seconds),
        applies: rule.applies,
    });
    LimitView {
        receiver: receiver.to_string(),
        mode: limiter.settings().rules.mode.as_str().to_owned(),
        rule: refusal.map(|LimitRefusal { rule, .. }| rule.to_string()),
        why: refusal.map(|LimitRefusal { rule, .. }| words(rule).to_owned()),
        retry_after_seconds: refusal.and_then(|refusal| refusal.retry_after).map(whole_seconds),
        known_since: known_at.map(WallTime::as_unix_millis),
        wrong_on_end: streak,
        rules: rules.collect(),
        standings: standings.into_iter().map(standing).collect(),
        alarm_below: threshold,
    }
}

fn standing(standing: Standing) -> StandingView {
    let (judged, entered) = standing.judged;
    let totals = standing.totals;
    StandingView {
        kind: standing.kind.as_str().to_owned(),
        label: standing.label,
        judged,
        entered,
        of: standing.of,
        held_back_since: standing.pressed_since.map(WallTime::as_unix_millis),
        totals: [totals.sent, totals.delivered, totals.entered],
    }
}

//! What the SIM of a modem has sent, what is left, and when it runs out.

use serde::{Deserialize, Serialize};

/// One SIM. Times are milliseconds since the Unix epoch; counts are parts, as an operator bills them; a limit of none is no limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimUseView {
    /// The modem that it is in.
    pub modem: String,
    /// `iccid` when it is known by its card's number, else `modem`: by the modem's name.
    pub counted_by: String,
    /// Today.
    pub day: UseView,
    /// This month.
    pub month: UseView,
    /// Different receivers this month; counted only where they are limited.
    pub receivers: UseView,
    /// The last minute.
    pub minute: UseView,
    /// What this month has cost, in the unit of `cost` and `other_cost`.
    pub cost: u64,
    /// The day on which the month's quota runs out at the average of the last seven days, as `2026-12-21`; none if it lasts.
    pub runs_out: Option<String>,
    /// The beginning of that day.
    pub runs_out_at: Option<i64>,
}

/// Use of one quota.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UseView {
    /// Used.
    pub used: u32,
    /// Of so many.
    pub limit: Option<u32>,
    /// So many are left.
    pub left: Option<u32>,
    /// When counting begins anew; of the minute, none: it slides.
    pub ends_at: Option<i64>,
}

impl UseView {
    /// Puts one together.
    #[must_use]
    pub fn new(used: u32, limit: Option<u32>, ends_at: Option<i64>) -> Self {
        Self { used, limit, left: limit.map(|limit| limit.saturating_sub(used)), ends_at }
    }

    /// `12 of 100 (88 left)`, or `12`.
    #[must_use]
    pub fn words(&self) -> String {
        match (self.limit, self.left) {
            (Some(limit), Some(left)) => format!("{} of {limit} ({left} left)", self.used),
            _ => self.used.to_string(),
        }
    }
}

impl SimUseView {
    /// All of it in one line.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = format!("today {}, this month {}", self.day.words(), self.month.words());
        if self.receivers.limit.is_some() {
            words.push_str(&format!(", receivers {}", self.receivers.words()));
        }
        if self.minute.limit.is_some() {
            words.push_str(&format!(", last minute {}", self.minute.words()));
        }
        if self.cost > 0 {
            words.push_str(&format!(", cost {}", self.cost));
        }
        if let Some(day) = &self.runs_out {
            words.push_str(&format!(", runs out on {day}"));
        }
        words
    }
}

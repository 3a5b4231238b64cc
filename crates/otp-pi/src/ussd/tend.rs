//! Balances asked by themselves: each modem's in its interval, when nobody wants the modem.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::balance::{BalanceError, BalancePlan, BalanceSettings};
use super::desk::Desk;

/// How long after a start the first balances are asked, at most.
const FIRST: Duration = Duration::from_secs(60);
/// How long an attempt that came to nothing rests, at most; a short interval sets a shorter one.
const AGAIN: Duration = Duration::from_secs(300);
/// How long a modem that is at work is waited for at once.
const IDLE: Duration = Duration::from_secs(10);

/// When a modem is asked next.
#[derive(Debug, Clone)]
struct Next {
    at: Instant,
    /// By which settings: under other ones its time is another.
    settings: BalanceSettings,
    /// Whether it has come to nothing, which is said once.
    has_failed: bool,
}

impl Desk {
    /// Asks balances in their intervals until `stop`.
    ///
    /// # Errors
    /// None today.
    pub async fn tend(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut plans = self.inner.plans.subscribe();
        let mut next: HashMap<String, Next> = HashMap::new();
        loop {
            let wanted: Vec<BalancePlan> = plans.borrow_and_update().clone();
            let wanted: Vec<BalancePlan> =
                wanted.into_iter().filter(|plan| !plan.settings.interval.is_zero()).collect();
            let is_wanted = |name: &String, next: &Next| {
                wanted.iter().any(|plan| plan.modem.name() == name && plan.settings == next.settings)
            };
            next.retain(|name, next| is_wanted(name, next));
            for plan in &wanted {
                next.entry(plan.modem.name().to_owned()).or_insert_with(|| Next {
                    at: Instant::now() + self.first(plan),
                    settings: plan.settings.clone(),
                    has_failed: false,
                });
            }
            let due =
                wanted.iter().filter_map(|plan| Some((plan, next.get(plan.modem.name())?.at))).min_by_key(|it| it.1);
            let Some((plan, at)) = due else {
                // Cancel-safe: both only wait.
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    changed = plans.changed() => if changed.is_err() { return Ok(()) },
                }
                continue;
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                changed = plans.changed() => if changed.is_err() { return Ok(()) },
                () = sleep_until(at) => {
                    let has_failed = next.get(plan.modem.name()).is_some_and(|next| next.has_failed);
                    // A stop drops the dialogue, which tells the network.
                    let asked = tokio::select! {
                        () = stop.cancelled() => return Ok(()),
                        asked = self.try_balance(plan) => asked,
                    };
                    let interval = plan.settings.interval;
                    let again = AGAIN.min(interval);
                    let (wait, has_failed) = match asked {
                        Ok(true) => (interval, false),
                        Ok(false) => (again / 10, has_failed),
                        Err(error) => {
                            tell(plan, &error, has_failed);
                            (again, true)
                        }
                    };
                    let at = Instant::now() + jittered(wait);
                    next.insert(plan.modem.name().to_owned(), Next { at, settings: plan.settings.clone(), has_failed });
                }
            }
        }
    }

    /// How long until a modem is asked for the first time: soon, or when its interval is over since it was asked last.
    fn first(&self, plan: &BalancePlan) -> Duration {
        let interval = plan.settings.interval;
        let soon = jittered(FIRST.min(interval) / 2);
        let Some(known) = self.balance(&plan.modem) else { return soon };
        // A clock that was set back makes it wait for one interval at most.
        let age = self.inner.clock.now().as_unix_millis().saturating_sub(known.at_unix_millis);
        let age = Duration::from_millis(u64::try_from(age).unwrap_or(0));
        interval.saturating_sub(age).max(soon)
    }

    /// Asks a modem that is idle; tells whether it did. A code that is accepted meanwhile goes first.
    async fn try_balance(&self, plan: &BalancePlan) -> Result<bool, BalanceError> {
        let mut status = plan.modem.status();
        let is_idle =
            tokio::time::timeout(IDLE, status.wait_for(modem::Status::is_free)).await.is_ok_and(|it| it.is_ok());
        if !is_idle {
            return Ok(false);
        }
        let Some(dialogue) = plan.modem.try_ussd() else { return Ok(false) };
        let code_came = self.inner.code_came.notified();
        let balance = tokio::select! {
            biased;
            balance = self.ask(dialogue, plan) => balance?,
            // The dialogue is dropped, and with it ended.
            () = code_came => {
                debug!(modem.name = plan.modem.name(), "a code goes before the balance");
                return Ok(false);
            }
        };
        self.keep(plan, &balance).await;
        Ok(true)
    }
}

fn tell(plan: &BalancePlan, error: &BalanceError, has_failed: bool) {
    let name = plan.modem.name();
    if has_failed {
        debug!(modem.name = name, error = %error, "the balance could not be asked again");
    } else {
        warn!(modem.name = name, error = %error, "the balance could not be asked; it is tried again");
    }
}

/// A time between nine and eleven tenths of it, so that many modems do not ask at once.
fn jittered(wait: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness they ask at once, which does no harm.
    let chance = getrandom::fill(&mut byte).map_or(128, |()| byte.first().copied().unwrap_or(128));
    wait / 10 * 9 + wait / 5 * u32::from(chance) / 255
}

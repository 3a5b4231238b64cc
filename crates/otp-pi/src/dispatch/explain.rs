//! How a number would be routed, told by the dispatcher itself: it alone knows whose turn it is and who stands aside.

use ::modem::{Phase, Status};
use domain::clock::WallTime;
use domain::quota::Allowance;
use domain::receiver::Msisdn;
use domain::route::{Explanation, ModemView, Route};
use tokio::time::Instant;

use super::deeds::Why;
use super::worker::Dispatcher;
use crate::channel::ChannelHandle;
use crate::channel::sim::Seat;

/// A route with how every modem is.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The route.
    pub explanation: Explanation,
    /// The modems in the order of the plan.
    pub modems: Vec<Standing>,
}

/// How one modem is for a number.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// Switched on, and open to API requests.
    pub is_enabled: bool,
    /// As the route sees it.
    pub view: ModemView,
    /// In words.
    pub words: String,
    /// Until when.
    pub until: Option<WallTime>,
    /// What a part costs.
    pub price: u32,
}

impl Dispatcher {
    pub(super) fn explain(&self, msisdn: &Msisdn) -> Explained {
        let views = self.see_for(&self.healths(true), msisdn, 1, &[]).views;
        let standing = |((place, channel), view): ((usize, &ChannelHandle), &ModemView)| {
            let is_enabled = self.plan.table.modems.get(place).is_some_and(|modem| modem.is_enabled);
            let (words, until) = self.words(place, channel, *view, msisdn);
            let (name, price) = (channel.modem.name().to_owned(), channel.sim_plan.tariff.price(msisdn));
            Standing { name, is_enabled, view: *view, words, until, price }
        };
        Explained {
            explanation: Route::explain(&self.plan.table, &views, msisdn, &self.rotation),
            modems: self.plan.channels.iter().enumerate().zip(&views).map(standing).collect(),
        }
    }

    fn words(
        &self,
        place: usize,
        channel: &ChannelHandle,
        view: ModemView,
        msisdn: &Msisdn,
    ) -> (String, Option<WallTime>) {
        let status = channel.modem.status();
        let status = status.borrow();
        let seat = Seat::of_status(channel, &status, &self.plan.zone, &self.context.store);
        match (view, seat.allows(&self.context.store, self.context.clock.now(), msisdn, 1)) {
            (ModemView::NotReady, _) if self.health.is_aside(place, Instant::now()) => {
                ("stands aside after it failed".to_owned(), None)
            }
            (ModemView::NotReady, _) if status.phase == Phase::Ready => {
                let why = self.judge.why_drained(channel.modem.name()).map_or("", Why::words);
                (format!("drained: {why}"), None)
            }
            (ModemView::NotReady, _) => (not_ready(&status), None),
            (ModemView::Busy, Allowance::Paced { until }) => ("paced".to_owned(), Some(until)),
            (ModemView::Busy, _) => ("busy".to_owned(), None),
            (ModemView::NoQuota, Allowance::Spent { quota, until }) => {
                (format!("out of its {}", quota.as_str()), Some(until))
            }
            (ModemView::NoQuota, _) => ("out of quota".to_owned(), None),
            (ModemView::Free | ModemView::Refused, _) => ("free".to_owned(), None),
        }
    }
}

fn not_ready(status: &Status) -> String {
    let detail = status.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("{}{detail}", status.phase.word())
}

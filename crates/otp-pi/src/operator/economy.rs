//! What SIMs have sent, and which modem would take a number, as an operator sees it.

use domain::clock::WallTime;
use domain::receiver::{Msisdn, Receiver};
use domain::route::{Explanation, ModemView, shown_prefix};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use store::{AuditBy, AuditEvent, AuditKind, Charged};
use tracing::warn;

use super::Operator;
use crate::channel::ChannelHandle;
use crate::channel::sim::Seat;
use crate::dispatch::{DispatcherHandle, Explained, Standing};
use crate::wire::modems::{SimUseView, UseView};
use crate::wire::route::{RouteView, RoutedModem};

impl Operator {
    /// Tells what the SIMs of modems have sent; of all modems when none is named.
    ///
    /// # Errors
    /// No gateway runs, or there is no such modem, in words.
    pub fn sim_uses(&self, modem: Option<&str>) -> Result<Vec<SimUseView>, String> {
        let zone = self.running()?.plan().zone.clone();
        let channels = match modem {
            Some(name) => vec![self.find_modem(name)?],
            None => self.channels(),
        };
        Ok(channels.iter().map(|channel| self.sim_use(channel, &zone)).collect())
    }

    /// Forgets what the SIM of a modem has sent, and tells what is left of it: nothing.
    ///
    /// # Errors
    /// Why it was not done, in words.
    pub async fn reset_sim_use(&self, modem: &str, by: &AuditBy) -> Result<Vec<SimUseView>, String> {
        let zone = self.running()?.plan().zone.clone();
        let channel = self.find_modem(modem)?;
        let event = AuditEvent::new(AuditKind::LimitsReset, by, format!("SIM of modem {}", channel.modem.name()));
        let reset = self.store.reset_sim(Seat::of(&channel, &zone, &self.store).key());
        self.recorded(event, reset).await.map_err(|error| format!("{error:#}"))?;
        self.running()?.look_again();
        Ok(vec![self.sim_use(&channel, &zone)])
    }

    /// Explains which modem would take a number now, and what comes next.
    ///
    /// # Errors
    /// Why it cannot, in words.
    pub async fn explain_route(&self, receiver: &str) -> Result<RouteView, String> {
        let Receiver::Msisdn(msisdn) = super::limits::limited(self.limiter()?, receiver)? else {
            return Err("receiver: an e-mail address is not routed to a modem".to_owned());
        };
        let explained = self.running()?.explain(msisdn).await;
        explained
            .map(|explained| route_view(&msisdn, explained, true))
            .ok_or_else(|| "the gateway is stopping".to_owned())
    }

    /// Counts an SMS that a person sends.
    ///
    /// # Errors
    /// It cannot be made durable; nothing is to be sent then.
    pub(super) async fn charge_by_hand(
        &self,
        channel: &ChannelHandle,
        receiver: &Msisdn,
        parts: u32,
    ) -> Result<Option<Charged>, String> {
        let zone = self.running()?.plan().zone.clone();
        let charge = Seat::of(channel, &zone, &self.store).charge(&self.store, self.store.now(), receiver, parts);
        let charged = self.store.charge_sim(charge).await;
        charged.map_err(|error| format!("it could not be counted: {error}; nothing is sent"))
    }

    /// Gives back the parts of it that were not sent.
    pub(super) async fn give_back(&self, charged: Option<Charged>, unsent: usize) {
        let unsent = u32::try_from(unsent).unwrap_or(u32::MAX);
        let Some(charged) = charged.filter(|_| unsent > 0) else { return };
        if let Err(error) = self.store.give_sim_back(charged.unsent(unsent)).await {
            warn!(%error, "parts that were not sent stay counted");
        }
    }

    fn running(&self) -> Result<&DispatcherHandle, String> {
        self.dispatcher.as_ref().ok_or_else(|| "no gateway runs: only one that runs knows its SIMs".to_owned())
    }

    fn sim_use(&self, channel: &ChannelHandle, zone: &TimeZone) -> SimUseView {
        let seat = Seat::of(channel, zone, &self.store);
        let (quota, limit) = (seat.quota(), |limit: Option<std::num::NonZeroU32>| limit.map(std::num::NonZeroU32::get));
        let has_iccid = channel.modem.status().borrow().identity.iccid.is_some();
        seat.look(&self.store, self.store.now(), |sim, periods| {
            let (day_ends, month_ends) = (periods.day.ends.as_unix_millis(), periods.month.ends.as_unix_millis());
            let month = sim.month(periods);
            let runs_out = sim.runs_out(quota, periods).map(WallTime::as_unix_millis);
            SimUseView {
                modem: channel.modem.name().to_owned(),
                counted_by: if has_iccid { "iccid" } else { "modem" }.to_owned(),
                day: UseView::new(sim.today(periods).parts, limit(quota.daily), Some(day_ends)),
                month: UseView::new(month.parts, limit(quota.monthly), Some(month_ends)),
                receivers: UseView::new(sim.receivers(periods), limit(quota.receivers), Some(month_ends)),
                minute: UseView::new(sim.last_minute(periods.now), limit(quota.per_minute), None),
                cost: month.cost,
                runs_out: runs_out.and_then(|day| {
                    let day = Timestamp::from_millisecond(day).ok()?;
                    Some(day.to_zoned(zone.clone()).date().to_string())
                }),
                runs_out_at: runs_out,
            }
        })
    }
}

/// Shows a route; without a gateway that runs it is that of the configuration.
#[must_use]
pub fn route_view(msisdn: &Msisdn, explained: Explained, is_running: bool) -> RouteView {
    let Explained { explanation: Explanation { prefix, first_choice, failover, decision }, modems } = explained;
    let role = |places: &[usize], role: &'static str| -> Vec<RoutedModem> {
        let known = places.iter().filter_map(|place| modems.get(*place));
        known.map(|standing| routed(standing, role)).collect()
    };
    let rest: Vec<usize> =
        (0..modems.len()).filter(|place| !first_choice.contains(place) && !failover.contains(place)).collect();
    let shown = [role(&first_choice, "first choice"), role(&failover, "failover"), role(&rest, "not used")].concat();
    RouteView {
        receiver: msisdn.to_string(),
        prefix: prefix.as_deref().map(shown_prefix),
        modem: decision.modem.and_then(|place| modems.get(place)).map(|standing| standing.name.clone()),
        route: decision.reason.to_string(),
        is_running,
        modems: shown,
    }
}

fn routed(standing: &Standing, role: &str) -> RoutedModem {
    let Standing { name, is_enabled, view, words, until, price } = standing;
    let off = "switched off, or not for API requests".to_owned();
    RoutedModem {
        modem: name.clone(),
        role: role.to_owned(),
        cost: *price,
        is_free: *is_enabled && *view == ModemView::Free,
        state: if *is_enabled { words.clone() } else { off },
        until: until.filter(|_| *is_enabled).map(WallTime::as_unix_millis),
    }
}

//! Asks the parts of a running gateway for their numbers when somebody scrapes them.

use modem::{Phase, Status};
use store::Store;

use crate::channel::ChannelHandle;
use crate::dispatch::DispatcherHandle;
use crate::event::Events;
use crate::intake::{Board, Phase as IntakePhase, Report};
use crate::operator::Operator;
use crate::telemetry::metrics::{Exposition, Kind};
use crate::wire::modems::{SimUseView, UseView};

/// Whom to ask.
pub(super) struct Sources {
    pub(super) store: Store,
    pub(super) dispatcher: DispatcherHandle,
    pub(super) events: Events,
    pub(super) operator: Operator,
    pub(super) intakes: Board,
}

impl Sources {
    pub(super) fn new(
        (store, dispatcher, operator, intakes): (&Store, &DispatcherHandle, &Operator, &Board),
        events: Events,
    ) -> Self {
        Self {
            store: store.clone(),
            dispatcher: dispatcher.clone(),
            events,
            operator: operator.clone(),
            intakes: intakes.clone(),
        }
    }

    /// The numbers of this moment.
    pub(super) fn text(&self) -> String {
        let mut text = Exposition::default();
        text.family(
            "otp_pi_info",
            Kind::Gauge,
            "Always 1; the version is its label.",
            [(vec![("version", env!("CARGO_PKG_VERSION"))], 1)],
        );
        self.gateway(&mut text);
        self.modems(&mut text);
        self.healing(&mut text);
        self.sims(&mut text);
        self.subscribers(&mut text);
        text.finish()
    }

    fn subscribers(&self, text: &mut Exposition) {
        fn label(report: &Report) -> Vec<(&str, &str)> {
            vec![("subscriber", report.name.as_str())]
        }
        let reports = self.intakes.reports();
        text.family(
            "otp_pi_subscriber_connected",
            Kind::Gauge,
            "Whether a subscriber is subscribed at its broker.",
            reports.iter().map(|it| (label(it), u8::from(it.phase == IntakePhase::Connected))),
        );
        text.family(
            "otp_pi_subscriber_connections_total",
            Kind::Counter,
            "How often it was subscribed since the start.",
            reports.iter().map(|it| (label(it), it.connections)),
        );
        let outcomes = reports.iter().flat_map(|it| {
            let counts = [("accepted", it.accepted), ("refused", it.refused), ("no_command", it.poison)];
            counts.map(|(outcome, count)| (vec![("subscriber", it.name.as_str()), ("outcome", outcome)], count))
        });
        text.family(
            "otp_pi_subscriber_messages_total",
            Kind::Counter,
            "Messages from a broker, by what became of them.",
            outcomes,
        );
        text.family(
            "otp_pi_subscriber_answers_total",
            Kind::Counter,
            "Answers that were published.",
            reports.iter().map(|it| (label(it), it.answers)),
        );
    }

    fn gateway(&self, text: &mut Exposition) {
        let (waiting, places) = self.dispatcher.queue();
        text.number(
            "otp_pi_queue_messages",
            Kind::Gauge,
            "Messages that hold a place in the queue, those on air too.",
            waiting,
        );
        text.number("otp_pi_queue_places", Kind::Gauge, "Places in the queue.", places);
        let counts = self.events.counts();
        let states: std::collections::BTreeSet<&str> = counts.iter().map(|count| count.state).collect();
        let sum = |state: &str| counts.iter().filter(|it| it.state == state).map(|it| it.count).sum::<u64>();
        text.family(
            "otp_pi_messages_total",
            Kind::Counter,
            "Messages that have come into a state since the start.",
            states.iter().map(|state| (vec![("state", *state)], sum(state))),
        );
        text.family(
            "otp_pi_modem_messages_total",
            Kind::Counter,
            "The same, by the modem that was at work on them.",
            counts
                .iter()
                .filter_map(|it| Some((vec![("modem", it.channel.as_deref()?), ("state", it.state)], it.count))),
        );
        text.number(
            "otp_pi_store_commits_total",
            Kind::Counter,
            "Commits; each is one fsync.",
            self.store.commit_count(),
        );
        let is_writable = u8::from(self.store.is_writable());
        text.number("otp_pi_store_writable", Kind::Gauge, "1 while the database takes commits.", is_writable);
    }

    fn modems(&self, text: &mut Exposition) {
        let plan = self.dispatcher.plan();
        let modems: Vec<(&str, Status)> =
            plan.channels.iter().map(|it| (it.modem.name(), it.modem.status().borrow().clone())).collect();
        text.family(
            "otp_pi_modem_phase",
            Kind::Gauge,
            "Always 1; what the modem is doing is its label.",
            modems.iter().map(|(modem, status)| (vec![("modem", *modem), ("phase", status.phase.word())], 1)),
        );
        text.family(
            "otp_pi_modem_ready",
            Kind::Gauge,
            "1 while it can send.",
            modems.iter().map(|(modem, status)| (vec![("modem", *modem)], u8::from(status.phase == Phase::Ready))),
        );
        text.family(
            "otp_pi_modem_registered",
            Kind::Gauge,
            "1 while it is registered in a network.",
            modems.iter().map(|(modem, it)| (vec![("modem", *modem)], u8::from(it.registration.is_registered()))),
        );
        text.family(
            "otp_pi_modem_signal_dbm",
            Kind::Gauge,
            "Signal strength.",
            modems.iter().filter_map(|(modem, status)| Some((vec![("modem", *modem)], status.signal_dbm?))),
        );
    }

    fn healing(&self, text: &mut Exposition) {
        let plan = self.dispatcher.plan();
        let steps = |channel: &ChannelHandle| {
            let name = channel.modem.name().to_owned();
            channel.modem.status().borrow().heal.all().map(|(step, count)| (name.clone(), step, count))
        };
        let steps: Vec<_> = plan.channels.iter().flat_map(steps).collect();
        text.family(
            "otp_pi_modem_heal_steps_total",
            Kind::Counter,
            "Steps that were taken with a modem that did not do its work.",
            steps.iter().map(|(modem, step, count)| (vec![("modem", modem.as_str()), ("step", step.word())], *count)),
        );
        let names = || plan.channels.iter().map(|channel| channel.modem.name());
        text.family(
            "otp_pi_modem_drained",
            Kind::Gauge,
            "1 while it is given no message that another can take.",
            names()
                .map(|modem| (vec![("modem", modem)], u8::from(self.dispatcher.judge().why_drained(modem).is_some()))),
        );
        let balances = self.operator.balances();
        text.family(
            "otp_pi_modem_balance",
            Kind::Gauge,
            "What its SIM was worth when it was asked last.",
            balances.iter().map(|it| (vec![("modem", it.modem.as_str())], it.balance.amount.number())),
        );
    }

    fn sims(&self, text: &mut Exposition) {
        let sims = self.operator.sim_uses(None).unwrap_or_default();
        let quotas = |sim: &SimUseView| {
            let SimUseView { day, month, receivers, minute, .. } = sim.clone();
            [("day", day), ("month", month), ("receivers", receivers), ("minute", minute)]
        };
        let all: Vec<(&str, &str, UseView)> =
            sims.iter().flat_map(|sim| quotas(sim).map(|(quota, used)| (sim.modem.as_str(), quota, used))).collect();
        let labels = |modem, quota| vec![("modem", modem), ("quota", quota)];
        text.family(
            "otp_pi_modem_quota_used",
            Kind::Gauge,
            "Parts that its SIM has sent, and receivers where they are limited.",
            all.iter().map(|(modem, quota, it)| (labels(*modem, *quota), it.used)),
        );
        text.family(
            "otp_pi_modem_quota_left",
            Kind::Gauge,
            "What is left of a quota.",
            all.iter().filter_map(|(modem, quota, it)| Some((labels(*modem, *quota), it.left?))),
        );
        text.family(
            "otp_pi_modem_month_cost",
            Kind::Gauge,
            "What this month has cost, in the unit of the tariff.",
            sims.iter().map(|sim| (vec![("modem", sim.modem.as_str())], sim.cost)),
        );
        text.family(
            "otp_pi_modem_runs_out_seconds",
            Kind::Gauge,
            "Unix time of the day on which the month's quota runs out at the average of the last seven days; absent if it lasts.",
            sims.iter().filter_map(|sim| Some((vec![("modem", sim.modem.as_str())], sim.runs_out_at?.div_euclid(1_000)))),
        );
    }
}

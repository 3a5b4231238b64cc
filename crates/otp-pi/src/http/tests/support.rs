//! A real gateway over a store of its own, without modems.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::time::Duration;

use domain::clock::{Clock, Manual, WallTime};
use domain::limits::{Mode, Rules};
use domain::otp::CodeLength;
use domain::receiver::{CountryCode, NumberingPlan};
use domain::route::{RouteTable, WhenUnhealthy};
use domain::secret::SecretText;
use store::{Keys, Store, UnknownPolicy};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::channel::modem::Context;
use crate::dispatch;
use crate::event::Events;
use crate::gateway::{Gateway, Settings, Texts};
use crate::limits::{self, Limiter};
use crate::ussd::Desk;

/// The gateway and what must live as long as it.
pub(super) struct TestGateway {
    pub(super) gateway: Gateway,
    _dispatcher: dispatch::Dispatcher,
    _writer: JoinSet<()>,
    _data_dir: TempDir,
}

impl TestGateway {
    pub(super) async fn start() -> Self {
        let data_dir = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(Manual::new(WallTime::from_unix_millis(1_629_685_778_000)));
        let keys = Keys::load_or_create(&data_dir.path().join("keys")).unwrap();
        let (store, writer) =
            Store::open(store::Settings::new(data_dir.path()), keys, Arc::clone(&clock)).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { writer.run(CancellationToken::new()).await.unwrap() });
        let context = Context {
            store: store.clone(),
            clock: Arc::clone(&clock),
            delivery_reports: false,
            next_reference: Arc::new(AtomicU8::new(0)),
        };
        let settings = dispatch::Settings {
            unknown_policy: UnknownPolicy::Hold,
            drop_expired: true,
            max_queue: 10,
            drain_timeout: Duration::ZERO,
            report_patience: None,
        };
        let table = RouteTable { modems: Vec::new(), when_unhealthy: WhenUnhealthy::FailOver };
        let events = Events::default();
        let (handle, dispatcher) = dispatch::build(
            settings,
            Arc::new(context),
            dispatch::Plan { channels: Vec::new(), table, zone: jiff::tz::TimeZone::UTC },
            events.clone(),
        );
        let settings = Settings {
            plan: NumberingPlan { country_code: CountryCode::parse("62").unwrap() },
            code_length: CodeLength::new(6).unwrap(),
            lifetime: Duration::from_mins(3),
            max_lifetime: Duration::from_mins(10),
            max_attempts: 5,
            drop_expired: true,
            expiration_offset: Duration::from_mins(10),
            rejects_id_conflict: false,
            ids_per_entrance: false,
            texts: Texts { fallback: SecretText::new("Your code is %s"), by_locale: Default::default() },
            wait: None,
        };
        let plan = settings.plan;
        let rules = Rules { mode: Mode::Off, ..Rules::standard("62") };
        let limits = limits::Settings { rules, plan, api_users: HashMap::new() };
        let limiter = Limiter::new(store.clone(), limits, Arc::clone(&clock));
        let desk = Desk::new(store.clone(), Arc::clone(&clock));
        let gateway = Gateway::new(settings, store, (handle, limiter, desk), events, clock);
        Self { gateway, _dispatcher: dispatcher, _writer: tasks, _data_dir: data_dir }
    }
}

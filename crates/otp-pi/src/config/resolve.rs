//! From the document to the Settings of the components, with every problem found on the way.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::clock::WallTime;
use domain::command::ScopeSet;
use domain::message::Class;
use domain::network::Network;
use domain::otp::CodeLength;
use domain::quota::SimPlan;
use domain::receiver::{CountryCode, NumberingPlan};
use domain::route::{RouteTable, WhenUnhealthy};
use domain::secret::SecretText;
use jiff::tz::TimeZone;

use super::Problem;
use super::file::File;
use super::{api_user, limits, modem, opening, sim_plan, simple, subscriber, texts, tls};
use crate::ussd::BalanceSettings;
use crate::wire::{RenderSettings, SuccessCode};
use crate::{dispatch, gateway, http, telemetry};

/// Everything the program needs, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The API's settings.
    pub api: http::Settings,
    /// The certificate of the HTTPS listeners.
    pub tls: http::tls::TlsSettings,
    /// The gateway's settings.
    pub gateway: gateway::Settings,
    /// The inbox's settings.
    pub inbox: crate::inbox::Settings,
    /// The limits.
    pub limits: crate::limits::Settings,
    /// The dispatcher's settings.
    pub dispatch: dispatch::Settings,
    /// Whether the network is asked for delivery reports.
    pub delivery_reports: bool,
    /// The store's settings.
    pub store: store::Settings,
    /// A keys file that somebody else provides.
    pub keys_file: Option<PathBuf>,
    /// The log's settings.
    pub log: telemetry::Settings,
    /// The modems, in the order of the route table.
    pub modems: Vec<ModemConfig>,
    /// Which modem takes what.
    pub routes: RouteTable,
    /// By whose clock days and months of quotas begin.
    pub zone: TimeZone,
    /// Who may call the API.
    pub api_users: Vec<ApiUserSource>,
    /// Brokers that bring commands.
    pub intakes: Vec<crate::intake::Settings>,
    /// Whether the printed IMEI of a modem may be written back to it.
    pub allows_imei_write: bool,
    /// What is allowed but unwise.
    pub warnings: Vec<Problem>,
}

/// One modem.
#[derive(Clone, Debug)]
pub struct ModemConfig {
    /// The line and its SIM.
    pub line: ::modem::Settings,
    /// Takes what no prefix claims.
    pub is_default: bool,
    /// In use at all: an inactive one is not opened.
    pub is_active: bool,
    /// What its SIM may send, and what that costs.
    pub sim_plan: SimPlan,
    /// How its balance is asked, if it is.
    pub balance: Option<BalanceSettings>,
}

impl ModemConfig {
    fn with_plan((modem, sim_plan): (Self, SimPlan)) -> Self {
        Self { sim_plan, ..modem }
    }
}

/// One API user as configured.
#[derive(Clone, Debug)]
pub struct ApiUserSource {
    /// The login name.
    pub username: String,
    /// The password or its hash.
    pub password: PasswordSource,
    /// The password before it, while that is being rotated out.
    pub previous: Option<PreviousSource>,
    /// From where the account may be used; from anywhere when there is none.
    pub networks: Vec<Network>,
    /// What the account may do.
    pub scopes: ScopeSet,
    /// The class of sends that name none.
    pub class: Class,
    /// May be used.
    pub is_active: bool,
}

/// A password that is being rotated out.
#[derive(Clone, Debug)]
pub struct PreviousSource {
    /// The password or its hash.
    pub password: PasswordSource,
    /// When it ends; when it is taken out where there is no such time.
    pub until: Option<WallTime>,
}

/// Where a password comes from.
#[derive(Clone)]
pub enum PasswordSource {
    /// In clear; hashed before it is stored.
    Clear(SecretText),
    /// Argon2id in PHC form.
    Hash(String),
}

/// Prints neither: a hash can be guessed at, too.
impl fmt::Debug for PasswordSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clear(_) => "Clear(•••)",
            Self::Hash(_) => "Hash(•••)",
        })
    }
}

impl Config {
    /// Assembles the Settings.
    ///
    /// # Errors
    /// Every problem that was found.
    pub fn resolve(file: &File) -> Result<Self, Vec<Problem>> {
        let mut found = Found::default();
        let plan = plan(file, &mut found);
        let length = found.take(CodeLength::new(file.otp.length).map_err(|error| {
            Problem::new("otp.length", format!("{error}, not {}", file.otp.length), "write a number from 4 to 10")
        }));
        let choices = choices(file, &mut found);
        let limits = plan.and_then(|plan| limits::read(file, plan, &mut found));
        let store = opening::store(file, &mut found);
        let texts = texts::read(file, length, &mut found);
        let mut api = http_settings(file, &mut found);
        tls::check_listeners(file, &mut found);
        let tls = tls::read(file, &mut found);
        check_lifetimes(file, &mut found);
        let modems: Vec<_> =
            file.modem.iter().enumerate().map(|(index, one)| modem::line(index, one, file, &mut found)).collect();
        let routes: Vec<_> = file
            .modem
            .iter()
            .enumerate()
            .map(|(index, one)| modem::route(index, one, plan.as_ref(), &mut found))
            .collect();
        modem::check_all(&file.modem, &mut found);
        let plans = sim_plan::read_all(file, &routes, &mut found);
        let zone = sim_plan::zone(&file.device.time_zone, &mut found);
        let api_users: Vec<_> = file
            .api_user
            .iter()
            .enumerate()
            .filter_map(|(index, one)| api_user::read(index, one, &mut found))
            .collect();
        api_user::check_all(&file.api_user, &mut found);
        api.simple = simple::settings(file, &api_users, &mut found);
        let intakes = subscriber::read_all(file, &api_users, &mut found);

        let Found { problems, warnings } = found;
        let (Some(plan), Some(code_length), Some(choices), Some(texts), Some(limits), Some(zone), true) =
            (plan, length, choices, texts, limits, zone, problems.is_empty())
        else {
            return Err(problems);
        };
        Ok(Self {
            api,
            tls,
            gateway: gateway::Settings {
                plan,
                code_length,
                lifetime: file.otp.lifetime.0,
                max_lifetime: file.otp.max_lifetime.0,
                max_attempts: file.otp.max_attempts,
                drop_expired: file.sms.drop_expired,
                expiration_offset: file.sms.expiration_offset.0,
                rejects_id_conflict: choices.rejects_id_conflict,
                ids_per_entrance: choices.ids_per_entrance,
                texts,
                wait: choices.waits.then_some(file.api.wait_limit.0),
            },
            inbox: crate::inbox::Settings { plan, incomplete_after: file.sms.incomplete_after.0 },
            limits,
            dispatch: dispatch::Settings {
                unknown_policy: store.unknown_policy,
                drop_expired: file.sms.drop_expired,
                max_queue: file.sms.max_queue,
                drain_timeout: file.drain_timeout.0,
                report_patience: Some(file.sms.report_patience.0).filter(|time| !time.is_zero()),
            },
            delivery_reports: file.sms.delivery_reports,
            store,
            keys_file: file.keys_file().map(Path::to_owned),
            log: telemetry::Settings { filter: file.log.filter.clone(), format: choices.log_format },
            modems: modems.into_iter().flatten().zip(plans).map(ModemConfig::with_plan).collect(),
            routes: RouteTable { modems: routes, when_unhealthy: choices.when_unhealthy },
            zone,
            api_users,
            intakes,
            allows_imei_write: file.device.allow_imei_write,
            warnings,
        })
    }
}

/// Collects what is wrong and what is unwise.
#[derive(Default)]
pub(super) struct Found {
    problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

impl Found {
    pub(super) fn take<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.problems.push(problem)).ok()
    }

    pub(super) fn warn(&mut self, key: impl Into<String>, what: impl Into<String>, fix: impl Into<String>) {
        self.warnings.push(Problem::new(key, what, fix));
    }

    /// Reads networks of addresses.
    pub(super) fn networks(&mut self, key: &str, texts: &[String]) -> Vec<Network> {
        let mut networks = Vec::new();
        for text in texts {
            match Network::parse(text) {
                Ok(network) => networks.push(network),
                Err(error) => self.problem(
                    key,
                    format!("{text:?}: {error}"),
                    "write networks like \"127.0.0.0/8\", \"192.168.1.0/24\" or \"2001:db8::/32\"",
                ),
            }
        }
        networks
    }

    pub(super) fn problem(&mut self, key: impl Into<String>, what: impl Into<String>, fix: impl Into<String>) {
        self.problems.push(Problem::new(key, what, fix));
    }

    /// One word out of a few.
    pub(super) fn word<T: Copy>(&mut self, key: &str, text: &str, words: &[(&str, T)]) -> Option<T> {
        let known = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if known.is_none() {
            let list: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            // An address such as redis://user:password@host may stand where a word is meant.
            let said = if text.contains("://") { "an address".to_owned() } else { format!("{text:?}") };
            self.problem(key, format!("{said} is not known"), format!("write one of {}", list.join(", ")));
        }
        known
    }
}

/// The keys that take one word out of a few.
struct Choices {
    when_unhealthy: WhenUnhealthy,
    log_format: telemetry::Format,
    rejects_id_conflict: bool,
    ids_per_entrance: bool,
    waits: bool,
}

fn choices(file: &File, found: &mut Found) -> Option<Choices> {
    let when_unhealthy = found.word(
        "sms.failover",
        &file.sms.failover,
        &[("other", WhenUnhealthy::FailOver), ("wait", WhenUnhealthy::Wait)],
    );
    let log_format = found.word(
        "log.format",
        &file.log.format,
        &[("text", telemetry::Format::Text), ("json", telemetry::Format::Json)],
    );
    if !telemetry::is_filter(&file.log.filter) {
        found.problem("log.filter", "it is not a filter", "write \"info\", or \"warn,modem=debug\"");
    }
    let rejects_id_conflict =
        found.word("api.id_conflict", &file.api.id_conflict, &[("accept", false), ("reject", true)]);
    let ids_per_entrance = found.word("api.id_scope", &file.api.id_scope, &[("user", false), ("entrance", true)]);
    if ids_per_entrance == Some(true) && rejects_id_conflict == Some(true) {
        found.problem(
            "api.id_scope",
            "with id_conflict = \"reject\" an id that came through one entrance would be refused at every other",
            "write \"user\", or id_conflict = \"accept\"",
        );
    }
    let waits = found.word("api.wait", &file.api.wait, &[("accepted", false), ("sent", true)]);
    Some(Choices {
        when_unhealthy: when_unhealthy?,
        log_format: log_format?,
        rejects_id_conflict: rejects_id_conflict?,
        ids_per_entrance: ids_per_entrance?,
        waits: waits?,
    })
}

fn plan(file: &File, found: &mut Found) -> Option<NumberingPlan> {
    if file.sms.country_code.is_empty() {
        found.problem(
            "sms.country_code",
            "it is missing",
            "write your calling code, for example country_code = \"62\"",
        );
        return None;
    }
    let country_code = CountryCode::parse(&file.sms.country_code)
        .map_err(|error| Problem::new("sms.country_code", error.to_string(), "write it like \"62\""));
    found.take(country_code).map(|country_code| NumberingPlan { country_code })
}

fn http_settings(file: &File, found: &mut Found) -> http::Settings {
    let api = &file.api;
    let success_code = found
        .word("api.success_code", &api.success_code, &[("000", SuccessCode::Three), ("0000", SuccessCode::Four)])
        .unwrap_or_default();
    for (key, path) in api.paths() {
        if !path.starts_with('/') {
            found.problem(key, format!("{path:?} does not begin with /"), "write it like \"/api/otp\"");
        }
    }
    if api.max_connections_per_address == 0 {
        found.problem("api.max_connections_per_address", "with 0 nobody could connect", "write 256");
    }
    http::Settings {
        listen: api.http_listen.0.clone(),
        https_listen: api.https_listen.0.clone(),
        paths: http::ApiPaths {
            otp: api.otp_path.clone(),
            message: api.message_path.clone(),
            sms: api.sms_path.clone(),
            email: api.email_path.clone(),
            block: api.block_path.clone(),
            unblock: api.unblock_path.clone(),
        },
        render: RenderSettings {
            success_code,
            uniform_failures: file.otp.uniform_failures,
            attempts_left: api.attempts_left,
            code_state: api.wait == "sent",
        },
        max_connections: api.max_connections,
        max_connections_per_address: api.max_connections_per_address,
        realm: file.device.name.clone(),
        ..http::Settings::default()
    }
}

fn check_lifetimes(file: &File, found: &mut Found) {
    const ENOUGH_DIGITS: u8 = 6;
    const LONGEST: Duration = Duration::from_secs(600);
    const LONGEST_WAIT: Duration = Duration::from_secs(30);
    if file.api.wait_limit.0.is_zero() || file.api.wait_limit.0 > LONGEST_WAIT {
        found.problem("api.wait_limit", "it must be more than zero and at most 30s", "write \"30s\" or less");
    }
    let otp = &file.otp;
    if otp.lifetime.0.is_zero() || otp.lifetime.0 > otp.max_lifetime.0 {
        found.problem("otp.lifetime", "it must be more than zero and at most otp.max_lifetime", "write \"3m\"");
    }
    if otp.length < ENOUGH_DIGITS {
        found.warn(
            "otp.length",
            "codes of less than six digits are too easy to guess for NIST SP 800-63B",
            "write 6, or allow fewer attempts",
        );
    }
    if otp.max_lifetime.0 > LONGEST {
        found.warnings.push(Problem::new(
            "otp.max_lifetime",
            "codes that live longer than ten minutes are against NIST SP 800-63B",
            "write \"10m\" or less",
        ));
    }
    if otp.max_attempts == 0 || otp.max_attempts > 100 {
        found.problem("otp.max_attempts", "it must be from 1 to 100", "write 5");
    }
    if file.sms.max_queue == 0 {
        found.problem("sms.max_queue", "nothing could ever wait", "write 100000");
    }
}

//! The rules as they are set, and the refusal that names one of them.

use std::fmt;
use std::time::Duration;

use super::destination::Destinations;
use super::key::SubjectKind;
use super::rate::Rate;

/// What a rule that is reached does.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Mode {
    /// It refuses.
    Enforce,
    /// It tells what it would have refused, and lets it pass.
    Observe,
    /// Nothing is counted.
    Off,
}

impl Mode {
    /// Answers the word of the settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Observe => "observe",
            Self::Off => "off",
        }
    }
}

/// How the share of codes that are entered is judged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConversionRules {
    /// Fewer codes entered than this share is too few; 0 judges nothing.
    ///
    /// # Units
    /// Percent.
    pub alarm_below: u32,
    /// How long an API user's usual share is learned before half of it becomes the threshold, where that is more.
    pub learning: Duration,
}

/// All limits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules {
    /// What a rule that is reached does.
    pub mode: Mode,
    /// Pauses between codes to one receiver: after the first, the second, …; the last goes on.
    pub cool_down: Vec<Duration>,
    /// Codes to one receiver.
    pub codes_per_receiver: Vec<Rate>,
    /// Wrong codes for one receiver.
    pub wrong_per_receiver: Vec<Rate>,
    /// So many wrong codes on end lock a receiver, and each one after that; 0 never does.
    pub lock_after: u32,
    /// The first lock; each one after it is twice as long.
    pub lock: Duration,
    /// The longest lock.
    pub longest_lock: Duration,
    /// Codes to new receivers of one prefix (a number without its last four digits).
    pub codes_per_prefix: Vec<Rate>,
    /// Codes to new receivers of one foreign country.
    pub codes_per_country: Vec<Rate>,
    /// Codes for one end user's address.
    pub codes_per_client: Vec<Rate>,
    /// Where SMS may go.
    pub destinations: Destinations,
    /// The guard against pumping.
    pub conversion: ConversionRules,
}

impl Rules {
    /// The limits of a gateway at home under that country calling code, as they are without a word about them.
    pub fn standard(home: &str) -> Self {
        let minutes = |count: u64| Duration::from_secs(count.saturating_mul(60));
        let rates = |list: &[(u32, u64)]| {
            list.iter().filter_map(|(count, period)| Rate::new(*count, minutes(*period))).collect()
        };
        Self {
            mode: Mode::Enforce,
            cool_down: [30, 60, 120, 300].map(Duration::from_secs).to_vec(),
            codes_per_receiver: rates(&[(3, 10), (5, 60), (10, 1440)]),
            wrong_per_receiver: rates(&[(15, 60)]),
            lock_after: 100,
            lock: minutes(60),
            longest_lock: minutes(1440),
            codes_per_prefix: rates(&[(10, 60), (30, 1440)]),
            codes_per_country: rates(&[(50, 1440)]),
            codes_per_client: rates(&[(10, 60)]),
            destinations: Destinations { home: home.to_owned(), ..Destinations::default() },
            conversion: ConversionRules { alarm_below: 20, learning: minutes(3 * 1440) },
        }
    }
}

/// A rule, by the name under which its setting is found.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Rule {
    /// A pause between two codes.
    CoolDown,
    /// Codes to one receiver.
    CodesPerReceiver(Rate),
    /// Wrong codes for one receiver.
    WrongPerReceiver(Rate),
    /// Too many wrong codes on end.
    Lock,
    /// Codes to new receivers of a prefix.
    CodesPerPrefix(Rate),
    /// Codes to new receivers of a country.
    CodesPerCountry(Rate),
    /// Codes for an end user's address.
    CodesPerClient(Rate),
    /// What an API user may have sent.
    ApiUser(Rate),
    /// Few codes of a range, country, address or API user are entered: new receivers wait.
    Conversion(SubjectKind, Rate),
    /// The country or prefix is not listed.
    Destinations,
    /// The owner refuses the prefix.
    DestinationsDenied,
    /// A number that costs.
    CostlyNumber,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CoolDown => f.write_str("cool_down"),
            Self::CodesPerReceiver(rate) => write!(f, "codes_per_receiver {rate}"),
            Self::WrongPerReceiver(rate) => write!(f, "wrong_per_receiver {rate}"),
            Self::Lock => f.write_str("lock_after"),
            Self::CodesPerPrefix(rate) => write!(f, "codes_per_prefix {rate}"),
            Self::CodesPerCountry(rate) => write!(f, "codes_per_country {rate}"),
            Self::CodesPerClient(rate) => write!(f, "codes_per_client {rate}"),
            Self::ApiUser(rate) => write!(f, "api_user {rate}"),
            Self::Conversion(kind, rate) => write!(f, "conversion of {} {rate}", kind.as_str()),
            Self::Destinations => f.write_str("destinations"),
            Self::DestinationsDenied => f.write_str("destinations_denied"),
            Self::CostlyNumber => f.write_str("costly_number"),
        }
    }
}

/// Why a request is refused.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct LimitRefusal {
    /// The rule that was reached.
    pub rule: Rule,
    /// When to come again; none where coming again does not help.
    pub retry_after: Option<Duration>,
}

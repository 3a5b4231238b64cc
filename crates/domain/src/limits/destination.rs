//! Where SMS may go: countries and prefixes that are allowed, and numbers that cost.

/// Numbers whose call or SMS is charged to who sends it, shared between operator and owner, or that no person answers: satellite and global
/// services, personal numbers, premium services of countries where they have a prefix of their own. No list of them is complete; the owner
/// adds to it, and a listed destination that is as long overrules it.
///
/// # Standard
/// ITU-T E.164.D for 808 to 888 and 979; national numbering plans for the others.
const COSTLY: [&str; 46] = [
    "1900", "1976", "27860", "27862", "27866", "30900", "30901", "30909", "3190", "32900", "32902", "32903", "32904",
    "32905", "32906", "32907", "32909", "3389", "34803", "34806", "34807", "39144", "39166", "39199", "39892", "39895",
    "39899", "41900", "41901", "43900", "43930", "4470", "449", "49137", "49190", "49900", "61190", "62809", "808",
    "870", "878", "881", "882", "883", "888", "979",
];

/// What the owner says about destinations.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Destinations {
    /// The country calling code of home, always allowed.
    pub home: String,
    /// Countries and longer prefixes that are allowed as well; `*` is all.
    pub allowed: Vec<String>,
    /// Prefixes that are refused.
    pub denied: Vec<String>,
}

/// Whether a number may be sent to.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Destination {
    /// It may.
    Allowed,
    /// Its country or prefix is not listed.
    NotListed,
    /// The owner refuses its prefix.
    Denied,
    /// It is a number that costs.
    Costly,
}

impl Destinations {
    /// Judges a canonical number by the longest prefix that fits it; where one is as long as the other, the owner's refusal counts
    /// more than the owner's leave, and that more than our list.
    pub fn judge(&self, digits: &str) -> Destination {
        let longest = |prefixes: &mut dyn Iterator<Item = &str>| {
            prefixes.filter(|prefix| digits.starts_with(prefix)).map(str::len).max()
        };
        let mut allowed = self.allowed.iter().map(String::as_str).map(|prefix| if prefix == "*" { "" } else { prefix });
        let home = std::iter::once(self.home.as_str()).filter(|home| !home.is_empty());
        let Some(allowed) = longest(&mut home.chain(&mut allowed)) else { return Destination::NotListed };
        if longest(&mut self.denied.iter().map(String::as_str)).is_some_and(|denied| denied >= allowed) {
            return Destination::Denied;
        }
        match longest(&mut COSTLY.into_iter()) {
            Some(costly) if costly > allowed => Destination::Costly,
            _ => Destination::Allowed,
        }
    }

    /// Tells whether a number is at home.
    pub fn is_home(&self, digits: &str) -> bool {
        !self.home.is_empty() && digits.starts_with(&self.home)
    }
}

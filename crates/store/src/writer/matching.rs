//! Which part a delivery report is about, of those that have its modem, TP-MR and receiver.
//!
//! TP-MR comes again after 256 parts, networks repeat reports and bring them in any order, hours late. What tells parts of one TP-MR
//! apart is TP-SCTS, the time at which the service centre took the message: every report of a part repeats it
//! (3GPP TS 23.040 §9.2.2.3), and it is a few seconds before the modem's own result, but for the difference of the clocks. That
//! difference is learnt from reports of which there is no doubt. Pure; called by the group.

use domain::message::MessageId;

use crate::change::{Report, ReportState};

/// Two times so far apart are not those of one message: far more than a radio needs, far less than a TP-MR needs to come again on a
/// modem that is worth its report.
const FAR_MILLIS: i64 = 10 * 60 * 1000;

/// A part that a report may be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sighting {
    pub(super) message_id: MessageId,
    /// Which of the message's attempts.
    pub(super) attempt: usize,
    /// The number of the part; None for one that was never seen to be sent: its TP-MR is not known.
    pub(super) part: Option<u8>,
    /// When it was sent: between these, in milliseconds since the Unix epoch.
    pub(super) sent: (i64, i64),
    /// What its last report said, and that one's TP-SCTS.
    pub(super) report: Option<ReportState>,
    pub(super) taken_at_seconds: Option<i64>,
}

/// What a report is about, and by how much the service centre's clock is ahead of ours, where that is beyond doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Match<'a> {
    pub(super) it: &'a Sighting,
    pub(super) ahead_millis: Option<i64>,
}

/// Chooses among parts of one modem, TP-MR and receiver, the likeliest first: parts whose TP-MR is known before those in doubt, and the
/// newest before the older. `ahead_millis` is what was learnt of the clocks.
pub(super) fn choose<'a>(sightings: &'a [Sighting], report: &Report, ahead_millis: Option<i64>) -> Option<Match<'a>> {
    let found = |it| Some(Match { it, ahead_millis: None });
    let Some(taken_at) = report.taken_at_seconds else {
        // Nothing tells them apart; most networks report within seconds.
        return sightings.iter().find(|sighting| sighting.awaits()).and_then(found);
    };
    if let Some(again) = sightings.iter().find(|sighting| sighting.taken_at_seconds == Some(taken_at)) {
        return found(again);
    }
    // What has a report of quite another time is another part.
    let taken_at_millis = taken_at.saturating_mul(1000);
    let is_other = |known: i64| known.saturating_sub(taken_at).saturating_abs() > FAR_MILLIS / 1000;
    let open = |it: &&Sighting| it.awaits() && !it.taken_at_seconds.is_some_and(is_other);
    let ours = taken_at_millis.saturating_sub(ahead_millis.unwrap_or(0));
    // One in doubt has the same TP-MR by chance, if another that is near is known to have it.
    let rank = |it: &&Sighting| (it.distance(ours) > FAR_MILLIS, it.part.is_none(), it.distance(ours));
    let nearest = sightings.iter().filter(open).min_by_key(rank)?;
    // One that is far is another message's: one that was settled and forgotten, or one whose TP-MR was not told yet. Unless it came
    // right after the sending, whatever clock is wrong.
    let came_late = report.at.as_unix_millis().saturating_sub(nearest.sent.1) > FAR_MILLIS;
    if ahead_millis.is_some() && nearest.distance(ours) > FAR_MILLIS && came_late {
        return None;
    }
    let is_beyond_doubt = sightings.len() == 1 && nearest.part.is_some();
    let ahead_millis = is_beyond_doubt.then(|| taken_at_millis.saturating_sub(nearest.sent.1));
    Some(Match { it: nearest, ahead_millis })
}

impl Sighting {
    /// True when no report has said what became of it in the end.
    pub(super) fn awaits(&self) -> bool {
        matches!(self.report, None | Some(ReportState::Pending))
    }

    fn distance(&self, time: i64) -> i64 {
        let (from, to) = self.sent;
        from.saturating_sub(time).max(time.saturating_sub(to)).max(0)
    }
}

#[cfg(test)]
mod tests {
    use domain::clock::WallTime;

    use super::*;

    const NOW: i64 = 1_790_000_000;

    /// A part that was sent so many seconds before NOW; what its report said, and when that was taken.
    fn part(number: u8, ago: i64, report: Option<ReportState>, taken_ago: Option<i64>) -> Sighting {
        let sent = (NOW - ago) * 1000;
        Sighting {
            message_id: MessageId::from_bytes([number; 16]),
            attempt: 0,
            part: Some(1),
            sent: (sent, sent),
            report,
            taken_at_seconds: taken_ago.map(|ago| NOW - ago),
        }
    }

    fn report(taken_at_seconds: Option<i64>) -> Report {
        Report {
            modem: "a".to_owned(),
            present: [].into(),
            message_reference: 17,
            receiver_tail: "6666666".to_owned(),
            state: ReportState::Delivered,
            status: 0,
            taken_at_seconds,
            at: WallTime::from_unix_millis(NOW * 1000),
        }
    }

    #[test]
    fn the_time_at_which_the_network_took_it_tells_parts_of_one_reference_apart() {
        use ReportState::{Delivered, Pending};
        // The newest first: sent 10, 1000 and 5000 s ago.
        let open = |ago| part(1, ago, None, None);
        let in_doubt = |from, to| {
            let (from, to) = (part(2, from, None, None).sent.0, part(2, to, None, None).sent.1);
            Sighting { part: None, sent: (from, to), ..part(2, 0, None, None) }
        };
        let hour = Some(3_600_000);
        for (name, sightings, taken_ago, ahead, chosen) in [
            ("the newest", vec![open(10), open(1000)], Some(12), None, Some(0)),
            ("a late report of the older", vec![open(10), open(1000)], Some(1003), None, Some(1)),
            ("of three", vec![open(10), open(1000), open(5000)], Some(4900), None, Some(2)),
            ("no time: the newest that waits", vec![open(10), open(1000)], None, None, Some(0)),
            ("no time", vec![part(1, 10, Some(Delivered), None), open(1000)], None, None, Some(1)),
            ("no time, nothing waits", vec![part(1, 10, Some(Delivered), None)], None, None, None),
            ("a clock one hour ahead", vec![open(10), open(3610)], Some(10 - 3600), hour, Some(0)),
            ("a clock one hour ahead, the older", vec![open(10), open(3610)], Some(11), hour, Some(1)),
            ("twice", vec![open(10), part(1, 1000, Some(Delivered), Some(1003))], Some(1003), None, Some(1)),
            (
                "final after pending",
                vec![open(10), part(1, 1000, Some(Pending), Some(1003))],
                Some(1003),
                None,
                Some(1),
            ),
            (
                "not the one that is known",
                vec![part(1, 10, Some(Pending), Some(11)), open(1000)],
                Some(1003),
                None,
                Some(1),
            ),
            ("of a message of which nothing is known yet", vec![open(5000)], Some(1), Some(0), None),
            ("right after the sending, by a clock that was set", vec![open(10)], Some(90_000), Some(0), Some(0)),
            (
                "final after pending, of a centre that is not exact",
                vec![part(1, 10, Some(Pending), Some(11))],
                Some(9),
                None,
                Some(0),
            ),
            ("nothing is learnt of the clocks yet", vec![open(5000)], Some(1), None, Some(0)),
            ("known, although one in doubt is nearer", vec![open(10), in_doubt(20, 5)], Some(12), Some(0), Some(0)),
            ("in doubt, since what is known is far", vec![open(1000), in_doubt(20, 5)], Some(12), Some(0), Some(1)),
            ("of quite another time", vec![part(1, 10, Some(Pending), Some(11))], Some(9000), None, None),
        ] {
            let found = choose(&sightings, &report(taken_ago.map(|ago| NOW - ago)), ahead).map(|found| found.it);
            assert_eq!(found, chosen.and_then(|index: usize| sightings.get(index)), "{name}");
        }
    }

    #[test]
    fn the_clocks_are_compared_only_where_there_is_no_doubt() {
        let one = [part(1, 10, None, None)];
        assert_eq!(choose(&one, &report(Some(NOW + 3590)), None).unwrap().ahead_millis, Some(3_600_000));
        let two = [part(1, 10, None, None), part(2, 1000, None, None)];
        assert_eq!(choose(&two, &report(Some(NOW - 10)), None).unwrap().ahead_millis, None);
        let in_doubt = [Sighting { part: None, ..part(1, 10, None, None) }];
        assert_eq!(choose(&in_doubt, &report(Some(NOW - 10)), None).unwrap().ahead_millis, None);
    }
}

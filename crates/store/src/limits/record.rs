//! What is counted under one key, as bytes: written once a second for each key that is busy, so it is kept small.
//!
//! Format 1, all integers big-endian: format, touched at, codes, flag + receiver, flag + judged. Lists have their length first, two bytes.
//! The address of an end user is not written: it is known again with the next request.

use std::collections::VecDeque;

use domain::limits::{
    Conversion, Learned, LimitKey, Person, Pressed, Record, Sample, SampleState, Slots, SubjectKind, Totals, Windows,
};

use crate::octets::{Octets, push_duration, push_optional_time, push_time};

const FORMAT: u8 = 1;
/// More than any list holds: damaged bytes must not make us allocate.
const LIST_AT_MOST: u16 = 4_096;
/// The longest name of what is judged, in bytes.
const LABEL_AT_MOST: usize = 256;

/// The record as the database holds it.
pub(crate) fn encode(record: &Record) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.push(FORMAT);
    push_time(&mut out, record.touched);
    push_windows(&mut out, &record.codes);
    out.push(u8::from(record.person.is_some()));
    if let Some(person) = &record.person {
        push_person(&mut out, person);
    }
    out.push(u8::from(record.conversion.is_some()));
    if let Some(conversion) = &record.conversion {
        push_conversion(&mut out, conversion);
    }
    out
}

fn push_length(out: &mut Vec<u8>, length: usize) -> usize {
    let length = u16::try_from(length).unwrap_or(LIST_AT_MOST).min(LIST_AT_MOST);
    out.extend_from_slice(&length.to_be_bytes());
    length.into()
}

fn push_windows(out: &mut Vec<u8>, windows: &Windows) {
    // The newest are those that count.
    let length = push_length(out, windows.exact.len());
    for at in windows.exact.iter().skip(windows.exact.len().saturating_sub(length)) {
        push_time(out, *at);
    }
    let length = push_length(out, windows.slotted.len());
    for slots in windows.slotted.iter().take(length) {
        push_duration(out, slots.period);
        let length = push_length(out, slots.slots.len());
        for (at, count) in slots.slots.iter().skip(slots.slots.len().saturating_sub(length)) {
            push_time(out, *at);
            out.extend_from_slice(&count.to_be_bytes());
        }
    }
}

fn push_person(out: &mut Vec<u8>, person: &Person) {
    out.push(person.step);
    push_optional_time(out, person.last_code);
    push_windows(out, &person.wrong);
    out.extend_from_slice(&person.streak.to_be_bytes());
    out.push(person.locks);
    push_optional_time(out, person.locked_until);
    push_optional_time(out, person.known_at);
    let length = push_length(out, person.recent.len());
    for message in person.recent.iter().take(length) {
        out.extend_from_slice(&message.to_be_bytes());
    }
    out.push(u8::from(person.client.is_some()));
    if let Some(client) = &person.client {
        out.extend_from_slice(client.as_bytes());
    }
}

fn push_conversion(out: &mut Vec<u8>, conversion: &Conversion) {
    let label = if conversion.label.contains(['.', ':']) { "" } else { conversion.label.as_str() };
    let length = push_length(out, label.floor_char_boundary(LABEL_AT_MOST));
    out.extend_from_slice(label.as_bytes().get(..length).unwrap_or_default());
    let length = push_length(out, conversion.samples.len());
    for sample in conversion.samples.iter().skip(conversion.samples.len().saturating_sub(length)) {
        out.extend_from_slice(&sample.message.to_be_bytes());
        out.extend_from_slice(&sample.range.to_be_bytes());
        push_time(out, sample.at);
        out.push(match sample.state {
            SampleState::Waiting => 0,
            SampleState::Sent => 1,
            SampleState::Delivered => 2,
            SampleState::Entered => 3,
        });
    }
    out.push(u8::from(conversion.pressed.is_some()));
    if let Some(pressed) = conversion.pressed {
        push_time(out, pressed.since);
        push_time(out, pressed.wanted_at);
    }
    push_windows(out, &conversion.quota);
    let Totals { sent, delivered, entered } = conversion.totals;
    for number in [sent, delivered, entered, conversion.learned.sent, conversion.learned.entered] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    push_optional_time(out, conversion.learned.since);
}

/// The record of these bytes; None when they are not one.
pub(crate) fn decode(bytes: &[u8]) -> Option<Record> {
    let mut input = Octets(bytes);
    if input.byte()? != FORMAT {
        return None;
    }
    let touched = input.time()?;
    let codes = windows(&mut input)?;
    let person = if input.flag()? { Some(Box::new(person(&mut input)?)) } else { None };
    let conversion = if input.flag()? { Some(Box::new(conversion(&mut input)?)) } else { None };
    input.is_empty().then_some(Record { codes, person, conversion, touched })
}

fn length(input: &mut Octets<'_>) -> Option<u16> {
    input.take().map(u16::from_be_bytes).filter(|length| *length <= LIST_AT_MOST)
}

fn list<'a, T, L: FromIterator<T>>(
    input: &mut Octets<'a>,
    mut one: impl FnMut(&mut Octets<'a>) -> Option<T>,
) -> Option<L> {
    let length = length(input)?;
    (0..length).map(|_| one(input)).collect()
}

fn windows(input: &mut Octets<'_>) -> Option<Windows> {
    let exact = list(input, Octets::time)?;
    let slotted = list(input, |input| {
        let period = input.duration()?;
        let slots: VecDeque<_> = list(input, |input| Some((input.time()?, input.number()?)))?;
        Some(Slots { period, slots })
    })?;
    Some(Windows { exact, slotted })
}

fn person(input: &mut Octets<'_>) -> Option<Person> {
    Some(Person {
        step: input.byte()?,
        last_code: input.optional_time()?,
        wrong: windows(input)?,
        streak: input.number()?,
        locks: input.byte()?,
        locked_until: input.optional_time()?,
        known_at: input.optional_time()?,
        recent: list(input, Octets::number)?,
        client: if input.flag()? {
            Some(LimitKey::from_bytes(input.take()?).filter(|key| key.kind() == SubjectKind::Client)?)
        } else {
            None
        },
    })
}

fn conversion(input: &mut Octets<'_>) -> Option<Conversion> {
    let label: Vec<u8> = list(input, Octets::byte)?;
    let label = String::from_utf8(label).ok()?;
    let samples = list(input, |input| {
        let (message, range, at) = (input.number()?, input.number()?, input.time()?);
        let state = match input.byte()? {
            0 => SampleState::Waiting,
            1 => SampleState::Sent,
            2 => SampleState::Delivered,
            3 => SampleState::Entered,
            _ => return None,
        };
        Some(Sample { message, range, at, state })
    })?;
    let pressed = if input.flag()? { Some(Pressed { since: input.time()?, wanted_at: input.time()? }) } else { None };
    let quota = windows(input)?;
    let totals = Totals { sent: input.number()?, delivered: input.number()?, entered: input.number()? };
    let (sent, entered) = (input.number()?, input.number()?);
    let learned = Learned { since: input.optional_time()?, sent, entered };
    Some(Conversion { label, samples, pressed, quota, totals, learned })
}

#[cfg(test)]
mod tests {
    use domain::clock::WallTime;
    use proptest::prelude::*;
    use std::time::Duration;

    use super::*;

    fn any_windows() -> impl Strategy<Value = Windows> {
        let slots = (1..1_000_000_u64, proptest::collection::vec((any::<i64>(), any::<u32>()), 0..5)).prop_map(
            |(period, slots)| {
                let slots = slots.into_iter().map(|(at, count)| (WallTime::from_unix_millis(at), count)).collect();
                Slots { period: Duration::from_millis(period), slots }
            },
        );
        let exact = proptest::collection::vec(any::<i64>().prop_map(WallTime::from_unix_millis), 0..20);
        (exact, proptest::collection::vec(slots, 0..3))
            .prop_map(|(exact, slotted)| Windows { exact: exact.into(), slotted })
    }

    fn any_person() -> impl Strategy<Value = Person> {
        let times = (any::<Option<i64>>(), any::<Option<i64>>(), any::<Option<i64>>());
        (any::<(u8, u32, u8)>(), times, any_windows(), proptest::collection::vec(any::<u32>(), 0..4), any::<bool>())
            .prop_map(|((step, streak, locks), times, wrong, recent, has_client)| Person {
                step,
                last_code: times.0.map(WallTime::from_unix_millis),
                wrong,
                streak,
                locks,
                locked_until: times.1.map(WallTime::from_unix_millis),
                known_at: times.2.map(WallTime::from_unix_millis),
                recent,
                client: has_client.then(|| LimitKey::client(&[1], [192, 0, 2, 1].into())),
            })
    }

    fn any_conversion() -> impl Strategy<Value = Conversion> {
        let state = prop_oneof![
            Just(SampleState::Waiting),
            Just(SampleState::Sent),
            Just(SampleState::Delivered),
            Just(SampleState::Entered)
        ];
        let sample = (any::<(u32, u32, i64)>(), state).prop_map(|((message, range, at), state)| Sample {
            message,
            range,
            at: WallTime::from_unix_millis(at),
            state,
        });
        let pressed = any::<Option<(i64, i64)>>().prop_map(|times| {
            let (since, wanted_at) = times?;
            Some(Pressed { since: WallTime::from_unix_millis(since), wanted_at: WallTime::from_unix_millis(wanted_at) })
        });
        let numbers = any::<(u32, u32, u32, u32, u32)>();
        let samples = proptest::collection::vec(sample, 0..60);
        ("[a-z0-9•]{0,20}", samples, pressed, any_windows(), numbers, any::<Option<i64>>()).prop_map(
            |(label, samples, pressed, quota, numbers, since)| Conversion {
                label,
                samples: samples.into(),
                pressed,
                quota,
                totals: Totals { sent: numbers.0, delivered: numbers.1, entered: numbers.2 },
                learned: Learned { since: since.map(WallTime::from_unix_millis), sent: numbers.3, entered: numbers.4 },
            },
        )
    }

    fn any_record() -> impl Strategy<Value = Record> {
        let person = proptest::option::of(any_person().prop_map(Box::new));
        let conversion = proptest::option::of(any_conversion().prop_map(Box::new));
        (any_windows(), person, conversion, any::<i64>()).prop_map(|(codes, person, conversion, touched)| Record {
            codes,
            person,
            conversion,
            touched: WallTime::from_unix_millis(touched),
        })
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_the_same(record in any_record()) {
            prop_assert_eq!(decode(&encode(&record)), Some(record));
        }

        #[test]
        fn a_cut_record_is_refused(record in any_record(), cut in 1..50_usize) {
            let bytes = encode(&record);
            prop_assert_eq!(decode(&bytes[..bytes.len().saturating_sub(cut)]), None);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            drop(decode(&bytes));
        }
    }

    #[test]
    fn a_long_name_is_cut_where_a_letter_ends() {
        let conversion = Conversion { label: format!("x{}", "é".repeat(200)), ..Conversion::default() };
        let record = Record { conversion: Some(Box::new(conversion)), ..Record::default() };
        let label = decode(&encode(&record)).expect("a record").conversion.expect("judged").label;
        assert_eq!(label, format!("x{}", "é".repeat(127)));
    }

    #[test]
    fn the_address_of_an_end_user_is_not_written() {
        let conversion = Conversion { label: "2001:db8::/64".to_owned(), ..Conversion::default() };
        let record = Record { conversion: Some(Box::new(conversion)), ..Record::default() };
        let label = decode(&encode(&record)).expect("a record").conversion.expect("judged").label;
        assert_eq!(label, "");
    }
}

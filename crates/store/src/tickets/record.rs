//! A ticket as bytes: small, because it is written two or three times in its short life.
//!
//! Format 1, all integers big-endian: format, state, fingerprint(32), message id(16), flag + previous message id(16),
//! deadline, flag + expiration, lifetime, max lifetime (ms), max attempts, attempts used, created at, keep until, count of
//! tags, and per tag: message id(16), attempt, key id, tag(64), expires at.

use domain::message::MessageId;
use domain::otp::{AttemptId, CodePolicy, Fingerprint, KeyId, Tag, TagEntry, Ticket, TicketState};

use crate::octets::{Octets, push_duration, push_time};

const FORMAT: u8 = 1;
/// More than a ticket ever holds: damaged bytes must not make us allocate.
const TAGS_AT_MOST: u8 = 8;

/// The ticket as the database holds it.
pub(crate) fn encode(ticket: &Ticket) -> Vec<u8> {
    let mut out = Vec::with_capacity(320);
    out.push(FORMAT);
    out.push(match ticket.state {
        TicketState::Live => 0,
        TicketState::Consumed => 1,
        TicketState::Cancelled => 2,
    });
    out.extend_from_slice(ticket.fingerprint.as_bytes());
    out.extend_from_slice(ticket.message_id.as_bytes());
    match ticket.previous_message_id {
        None => out.push(0),
        Some(id) => {
            out.push(1);
            out.extend_from_slice(id.as_bytes());
        }
    }
    push_time(&mut out, ticket.deadline);
    match ticket.code_policy.expiration {
        None => out.push(0),
        Some(expiration) => {
            out.push(1);
            push_time(&mut out, expiration);
        }
    }
    push_duration(&mut out, ticket.code_policy.lifetime);
    push_duration(&mut out, ticket.code_policy.max_lifetime);
    out.extend_from_slice(&ticket.code_policy.max_attempts.to_be_bytes());
    out.extend_from_slice(&ticket.attempts_used.to_be_bytes());
    push_time(&mut out, ticket.created_at);
    push_time(&mut out, ticket.keep_until);
    out.push(u8::try_from(ticket.tags.len()).unwrap_or(TAGS_AT_MOST).min(TAGS_AT_MOST));
    for entry in ticket.tags.iter().take(usize::from(TAGS_AT_MOST)) {
        out.extend_from_slice(entry.attempt.message_id.as_bytes());
        out.extend_from_slice(&entry.attempt.attempt.to_be_bytes());
        out.extend_from_slice(&entry.key_id.0.to_be_bytes());
        out.extend_from_slice(entry.tag.as_bytes());
        push_time(&mut out, entry.expires_at);
    }
    out
}

/// The ticket of these bytes; None when they are not one.
pub(crate) fn decode(bytes: &[u8]) -> Option<Ticket> {
    let mut input = Octets(bytes);
    if input.byte()? != FORMAT {
        return None;
    }
    let state = match input.byte()? {
        0 => TicketState::Live,
        1 => TicketState::Consumed,
        2 => TicketState::Cancelled,
        _ => return None,
    };
    let fingerprint = Fingerprint::from_bytes(input.take()?);
    let message_id = MessageId::from_bytes(input.take()?);
    let previous_message_id = if input.flag()? { Some(MessageId::from_bytes(input.take()?)) } else { None };
    let deadline = input.time()?;
    let expiration = if input.flag()? { Some(input.time()?) } else { None };
    let lifetime = input.duration()?;
    let max_lifetime = input.duration()?;
    let max_attempts = u32::from_be_bytes(input.take()?);
    let attempts_used = u32::from_be_bytes(input.take()?);
    let created_at = input.time()?;
    let keep_until = input.time()?;
    let count = input.byte()?;
    if count > TAGS_AT_MOST {
        return None;
    }
    let tags = (0..count).map(|_| tag(&mut input)).collect::<Option<Vec<_>>>()?;
    if !input.is_empty() {
        return None;
    }
    let code_policy = CodePolicy { expiration, lifetime, max_lifetime, max_attempts };
    Some(Ticket {
        fingerprint,
        message_id,
        previous_message_id,
        deadline,
        code_policy,
        attempts_used,
        tags,
        state,
        created_at,
        keep_until,
    })
}

fn tag(input: &mut Octets<'_>) -> Option<TagEntry> {
    let message_id = MessageId::from_bytes(input.take()?);
    let attempt = AttemptId { message_id, attempt: u32::from_be_bytes(input.take()?) };
    let key_id = KeyId(u32::from_be_bytes(input.take()?));
    let tag = Tag::from_bytes(input.take()?);
    Some(TagEntry { attempt, key_id, tag, expires_at: input.time()? })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::clock::WallTime;
    use proptest::prelude::*;

    use super::*;

    fn any_ticket() -> impl Strategy<Value = Ticket> {
        let tag = (any::<[u8; 16]>(), any::<u32>(), any::<u32>(), any::<[u8; 32]>(), any::<i64>()).prop_map(
            |(id, attempt, key, half, at)| {
                let mut tag = [0; 64];
                tag[..32].copy_from_slice(&half);
                TagEntry {
                    attempt: AttemptId { message_id: MessageId::from_bytes(id), attempt },
                    key_id: KeyId(key),
                    tag: Tag::from_bytes(tag),
                    expires_at: WallTime::from_unix_millis(at),
                }
            },
        );
        let head = (any::<[u8; 32]>(), any::<[u8; 16]>(), any::<Option<[u8; 16]>>(), 0..3_u8);
        let times = (any::<i64>(), any::<Option<i64>>(), any::<i64>(), any::<i64>());
        let numbers = (any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>());
        (head, times, numbers, proptest::collection::vec(tag, 0..3)).prop_map(|(head, times, numbers, tags)| Ticket {
            fingerprint: Fingerprint::from_bytes(head.0),
            message_id: MessageId::from_bytes(head.1),
            previous_message_id: head.2.map(MessageId::from_bytes),
            deadline: WallTime::from_unix_millis(times.0),
            code_policy: CodePolicy {
                expiration: times.1.map(WallTime::from_unix_millis),
                lifetime: Duration::from_millis(numbers.0.into()),
                max_lifetime: Duration::from_millis(numbers.1.into()),
                max_attempts: numbers.2,
            },
            attempts_used: numbers.3,
            tags,
            state: [TicketState::Live, TicketState::Consumed, TicketState::Cancelled][usize::from(head.3)],
            created_at: WallTime::from_unix_millis(times.2),
            keep_until: WallTime::from_unix_millis(times.3),
        })
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_the_same(ticket in any_ticket()) {
            prop_assert_eq!(decode(&encode(&ticket)), Some(ticket));
        }

        #[test]
        fn a_cut_record_is_refused(ticket in any_ticket(), keep in 0.0..1.0_f64) {
            let bytes = encode(&ticket);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction of a short length")]
            let length = (bytes.len() as f64 * keep) as usize;
            prop_assert_eq!(decode(&bytes[..length]), None);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            drop(decode(&bytes));
        }
    }
}

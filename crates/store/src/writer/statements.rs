//! Every statement of a group: a fixed number per commit, however many jobs ride in it.
//!
//! Each takes one JSON array in `?1`; blobs are hex strings in it. Never a statement per row.

pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";
pub(super) const COMMIT: &str = "COMMIT";
pub(super) const ROLLBACK: &str = "ROLLBACK";

/// Writes a page and means nothing.
pub(super) const PROBE: &str = "INSERT OR REPLACE INTO meta (name, value) VALUES ('probe', randomblob(8))";

pub(super) const SELECT_REPLAYS: &str = "SELECT replay_key, requests FROM replay \
     WHERE replay_key IN (SELECT unhex(value) FROM json_each(?1))";

pub(super) const SELECT_TICKETS: &str =
    "SELECT ticket_key, record FROM ticket WHERE ticket_key IN (SELECT unhex(value) FROM json_each(?1))";

pub(super) const SELECT_MESSAGES: &str = "SELECT message_id, 1, state, attempt, not_before, NULL, attempts, summary, \
     substr(ticket_key, 1, 16), NULL, 1 FROM outbox WHERE message_id IN (SELECT unhex(value) FROM json_each(?1)) \
     UNION ALL SELECT message_id, 0, state, 0, settled_at, reason, attempts, summary, NULL, \
     deadline, content IS NOT NULL \
     FROM journal WHERE message_id IN (SELECT unhex(value) FROM json_each(?1))";

/// Rows as made by `Codec::outbox_row`.
pub(super) const INSERT_OUTBOX: &str = "INSERT INTO outbox (message_id, api_user, class, entrance, is_otp, state, attempt, \
     accepted_at, deadline, not_before, ticket_key, receiver_key, attempts, summary, content) \
     SELECT unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4, 'queued', 0, \
     value ->> 5, value ->> 6, value ->> 7, unhex(value ->> 8), unhex(value ->> 9), '[]', \
     unhex(value ->> 10), unhex(value ->> 11) FROM json_each(?1)";

/// Rows: message id, state, attempt, not before, attempts.
pub(super) const UPDATE_OUTBOX: &str = "UPDATE outbox SET state = c.state, attempt = c.attempt, \
     not_before = c.not_before, attempts = c.attempts \
     FROM (SELECT unhex(value ->> 0) AS id, value ->> 1 AS state, value ->> 2 AS attempt, \
     value ->> 3 AS not_before, value ->> 4 AS attempts FROM json_each(?1)) AS c WHERE outbox.message_id = c.id";

/// Rows: message id, state, reason, settled at, attempts. Sealed columns move unopened; the content only with a message that
/// may be sent again.
pub(super) const INSERT_JOURNAL: &str = "INSERT INTO journal (message_id, api_user, class, entrance, is_otp, state, reason, \
     accepted_at, deadline, settled_at, receiver_key, attempts, summary, content, ticket_key) \
     SELECT o.message_id, o.api_user, o.class, o.entrance, o.is_otp, c.value ->> 1, c.value ->> 2, \
     o.accepted_at, o.deadline, c.value ->> 3, o.receiver_key, c.value ->> 4, o.summary, \
     CASE WHEN c.value ->> 1 = 'unknown' AND c.value ->> 3 < o.deadline THEN o.content END, \
     CASE WHEN c.value ->> 1 = 'unknown' AND c.value ->> 3 < o.deadline THEN o.ticket_key END \
     FROM json_each(?1) AS c CROSS JOIN outbox AS o ON o.message_id = unhex(c.value ->> 0)";

/// Rows as for [`INSERT_JOURNAL`].
pub(super) const DELETE_OUTBOX: &str =
    "DELETE FROM outbox WHERE message_id IN (SELECT unhex(value ->> 0) FROM json_each(?1))";

/// Rows as for [`INSERT_JOURNAL`].
pub(super) const UPDATE_JOURNAL: &str = "UPDATE journal SET state = c.state, reason = c.reason, \
     settled_at = c.settled_at, attempts = c.attempts, \
     content = CASE c.state WHEN 'unknown' THEN content END, ticket_key = CASE c.state WHEN 'unknown' THEN ticket_key END \
     FROM (SELECT unhex(value ->> 0) AS id, value ->> 1 AS state, value ->> 2 AS reason, \
     value ->> 3 AS settled_at, value ->> 4 AS attempts FROM json_each(?1)) AS c WHERE journal.message_id = c.id";

/// Rows: message id, attempt, not before, attempts. Of messages in the journal whose content is still there.
pub(super) const INSERT_REQUEUED: &str = "INSERT INTO outbox (message_id, api_user, class, entrance, is_otp, state, attempt, \
     accepted_at, deadline, not_before, ticket_key, receiver_key, attempts, summary, content) \
     SELECT j.message_id, j.api_user, j.class, j.entrance, j.is_otp, 'queued', c.value ->> 1, \
     j.accepted_at, j.deadline, c.value ->> 2, j.ticket_key, j.receiver_key, c.value ->> 3, j.summary, j.content \
     FROM json_each(?1) AS c CROSS JOIN journal AS j ON j.message_id = unhex(c.value ->> 0)";

/// Rows as for [`INSERT_REQUEUED`].
pub(super) const DELETE_REQUEUED: &str =
    "DELETE FROM journal WHERE message_id IN (SELECT unhex(value ->> 0) FROM json_each(?1))";

/// Values: ids of messages whose code a user has just typed. Only doubt is settled by it.
pub(super) const SETTLE_VERIFIED: &str = "UPDATE journal SET state = 'delivered', reason = 'the code was entered', \
     settled_at = ?2, content = NULL, ticket_key = NULL WHERE state = 'unknown' AND message_id IN (SELECT unhex(value) FROM json_each(?1))";

/// Rows: ticket key, keep until, record.
pub(super) const UPSERT_TICKETS: &str = "INSERT INTO ticket (ticket_key, keep_until, record) \
     SELECT unhex(value ->> 0), value ->> 1, unhex(value ->> 2) FROM json_each(?1) WHERE true \
     ON CONFLICT (ticket_key) DO UPDATE SET keep_until = excluded.keep_until, record = excluded.record";

/// Rows: replay key, expires at, requests.
pub(super) const UPSERT_REPLAYS: &str = "INSERT INTO replay (replay_key, expires_at, requests) \
     SELECT unhex(value ->> 0), value ->> 1, unhex(value ->> 2) FROM json_each(?1) WHERE true \
     ON CONFLICT (replay_key) DO UPDATE SET expires_at = excluded.expires_at, requests = excluded.requests";

/// Of messages whose content was in memory only and is lost: an operator cannot have them sent again.
pub(super) const WIPE_LOST: &str = "UPDATE journal SET content = NULL, ticket_key = NULL WHERE id IN \
     (SELECT id FROM journal INDEXED BY journal_content WHERE content IS NOT NULL AND content = x'')";

/// The youngest journal rows that a report may still change.
pub(super) const SELECT_REPORTABLE: &str = "SELECT message_id, attempts, summary FROM \
     (SELECT message_id, attempts, summary, state FROM journal ORDER BY message_id DESC LIMIT ?1) \
     WHERE state IN ('sent', 'delivered', 'undelivered', 'failed', 'unknown')";

/// Rows: key, record.
pub(super) const PUT_LIMITS: &str = "INSERT OR REPLACE INTO limit_counter (key, record) \
     SELECT unhex(value ->> 0), unhex(value ->> 1) FROM json_each(?1)";

pub(super) const DELETE_LIMITS: &str =
    "DELETE FROM limit_counter WHERE key IN (SELECT unhex(value) FROM json_each(?1))";

-- SMS that came in, part by part as they came. `content` (the PDU and its SIM) is sealed; senders, and the parts of one text, are
-- found by keyed hashes. `fingerprint` is the keyed hash of SIM and PDU: the same part again changes nothing. Of what was
-- deleted it stays behind alone, until its time is over, so that a copy that still lies on the SIM does not come back.
CREATE TABLE inbox (
    id INTEGER PRIMARY KEY,
    fingerprint BLOB NOT NULL UNIQUE,
    message_id BLOB NOT NULL,
    modem TEXT NOT NULL,
    sender_key BLOB NOT NULL,
    join_key BLOB,
    number INTEGER NOT NULL,
    total INTEGER NOT NULL,
    sent_at INTEGER,
    received_at INTEGER NOT NULL,
    is_read INTEGER NOT NULL,
    content BLOB NOT NULL
) STRICT;

CREATE INDEX inbox_message ON inbox (message_id);
CREATE INDEX inbox_sender ON inbox (sender_key, message_id);
CREATE INDEX inbox_join ON inbox (join_key) WHERE join_key IS NOT NULL;
CREATE INDEX inbox_long ON inbox (received_at) WHERE total > 1;

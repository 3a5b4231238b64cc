-- Names follow docs/glossary.md. Times are milliseconds since the Unix epoch. Message ids are RFC 9562 version 7:
-- their order is the order of acceptance, so their indexes grow at the end. Tables keep their rowid, because only those
-- append without touching their neighbours' pages.

-- What proves that the keys at hand belong to this database.
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;

-- Messages that still need sending work. `summary` (receiver, own id) and `content` are sealed; the row goes when the
-- message needs no more sending, and with it the content.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY,
    message_id BLOB NOT NULL UNIQUE,
    api_user TEXT NOT NULL,
    class TEXT NOT NULL,
    entrance TEXT NOT NULL,
    is_otp INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    ticket_key BLOB,
    receiver_key BLOB NOT NULL,
    attempts TEXT NOT NULL,
    summary BLOB NOT NULL,
    content BLOB NOT NULL
) STRICT;

-- What happened to messages that need no more sending; never a text.
CREATE TABLE journal (
    id INTEGER PRIMARY KEY,
    message_id BLOB NOT NULL UNIQUE,
    api_user TEXT NOT NULL,
    class TEXT NOT NULL,
    entrance TEXT NOT NULL,
    is_otp INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    accepted_at INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    settled_at INTEGER NOT NULL,
    receiver_key BLOB NOT NULL,
    attempts TEXT NOT NULL,
    summary BLOB NOT NULL
) STRICT;

-- Tickets. The row grows and changes at the table's young end; only the narrow index on the keyed hash is random.
CREATE TABLE ticket (
    id INTEGER PRIMARY KEY,
    ticket_key BLOB NOT NULL UNIQUE,
    keep_until INTEGER NOT NULL,
    record BLOB NOT NULL
) STRICT;

-- Requests that carry their caller's own id: which messages stand for them (module `replay`).
CREATE TABLE replay (
    id INTEGER PRIMARY KEY,
    replay_key BLOB NOT NULL UNIQUE,
    expires_at INTEGER NOT NULL,
    requests BLOB NOT NULL
) STRICT;

-- The block list. Entries that were unblocked stay listed until deleted.
CREATE TABLE blocked (
    receiver_key BLOB PRIMARY KEY,
    receiver BLOB NOT NULL,
    active INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE api_user (
    username TEXT PRIMARY KEY,
    password_hash TEXT NOT NULL,
    scopes TEXT NOT NULL,
    class TEXT NOT NULL,
    active INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Settings edited at run time; secrets are sealed.
CREATE TABLE setting (
    key TEXT PRIMARY KEY,
    is_sealed INTEGER NOT NULL,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

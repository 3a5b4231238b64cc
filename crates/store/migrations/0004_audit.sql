-- What was done to the gateway, by whom and from where (module `audit`). Nothing secret stands in it. `details` is a JSON array of
-- changes; `hash` chains each row to the one before, under a key that is not in the database. Where the chain begins and ends
-- stands in `meta`.
CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    event TEXT NOT NULL,
    actor TEXT NOT NULL,
    origin TEXT NOT NULL,
    subject TEXT NOT NULL,
    details TEXT NOT NULL,
    hash BLOB NOT NULL
) STRICT;

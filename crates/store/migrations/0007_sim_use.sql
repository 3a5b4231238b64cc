-- What each SIM has sent. The key is a keyed hash of its ICCID, or of the name of its modem where it has none that can be read.
CREATE TABLE sim_use (sim_key BLOB PRIMARY KEY, record BLOB NOT NULL) STRICT, WITHOUT ROWID;

-- To whom a SIM has sent this month, by keyed hash; only of a SIM with a quota of receivers.
CREATE TABLE sim_receiver (
    sim_key BLOB NOT NULL,
    receiver BLOB NOT NULL,
    PRIMARY KEY (sim_key, receiver)
) STRICT, WITHOUT ROWID;

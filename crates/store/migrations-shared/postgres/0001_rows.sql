-- What several nodes share. Keys are keyed hashes, records hold no code, no text and no number in clear.
-- keep_until: milliseconds since the Unix epoch by the server's own clock.
CREATE TABLE otp_pi_ticket (
    row_key BYTEA PRIMARY KEY,
    stamp BYTEA NOT NULL,
    record BYTEA NOT NULL,
    keep_until BIGINT NOT NULL
);

CREATE INDEX otp_pi_ticket_keep_until ON otp_pi_ticket (keep_until);

CREATE TABLE otp_pi_limit (
    row_key BYTEA PRIMARY KEY,
    stamp BYTEA NOT NULL,
    record BYTEA NOT NULL,
    keep_until BIGINT NOT NULL
);

CREATE INDEX otp_pi_limit_keep_until ON otp_pi_limit (keep_until);

-- What several nodes share. Keys are keyed hashes, records hold no code, no text and no number in clear.
-- keep_until: milliseconds since the Unix epoch by the server's own clock.
CREATE TABLE otp_pi_ticket (
    row_key VARBINARY(32) NOT NULL PRIMARY KEY,
    stamp BINARY(16) NOT NULL,
    record MEDIUMBLOB NOT NULL,
    keep_until BIGINT NOT NULL,
    INDEX otp_pi_ticket_keep_until (keep_until)
) ENGINE = InnoDB;

CREATE TABLE otp_pi_limit (
    row_key VARBINARY(32) NOT NULL PRIMARY KEY,
    stamp BINARY(16) NOT NULL,
    record MEDIUMBLOB NOT NULL,
    keep_until BIGINT NOT NULL,
    INDEX otp_pi_limit_keep_until (keep_until)
) ENGINE = InnoDB;

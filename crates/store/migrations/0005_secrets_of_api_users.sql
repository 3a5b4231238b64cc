-- A secret of an API user that is being rotated out has its hash beside that of the current one.
ALTER TABLE api_user ADD COLUMN previous_hash TEXT;

-- When each secret of an API user was used last, and from where. A secret is known by its hash, so that this follows it when it
-- becomes the previous one; '' stands for requests that act in the user's name without a login.
CREATE TABLE api_user_use (
    username TEXT NOT NULL,
    secret_hash TEXT NOT NULL,
    used_at INTEGER NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (username, secret_hash)
) STRICT, WITHOUT ROWID;

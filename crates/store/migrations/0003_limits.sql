-- What limits have counted, written behind from memory. The key is a keyed hash; whatever belongs to one range of numbers has
-- its first bytes in common, so that a code changes one page and not five.
CREATE TABLE limit_counter (key BLOB PRIMARY KEY, record BLOB NOT NULL) STRICT, WITHOUT ROWID;

-- A message of unknown outcome may be sent again by an operator as long as it is wanted: until its deadline the journal keeps
-- its content, sealed, and its ticket. Any other state, and the deadline, wipes both.
ALTER TABLE journal ADD COLUMN content BLOB;
ALTER TABLE journal ADD COLUMN ticket_key BLOB;

-- Few rows at any time, so that finding those whose deadline has passed costs nothing.
CREATE INDEX journal_content ON journal (deadline) WHERE content IS NOT NULL;

//! What must survive: SQLite behind one group-committing writer, tickets, seal.

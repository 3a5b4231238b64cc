//! The one task that writes: jobs in, one commit, answers out.

use std::sync::Arc;

use sqlx::SqliteConnection;
use tokio_util::sync::CancellationToken;

use crate::blocklist::SharedBlocklist;
use crate::codec::Codec;
use crate::db::DataDir;
use crate::error::{OpenError, StoreError, WriterError};

pub(crate) mod job;

use job::Inbox;

/// The writer. Run it, or nothing is ever written.
#[derive(Debug)]
pub struct Writer {
    connection: SqliteConnection,
    inbox: Inbox,
    _codec: Arc<Codec>,
    _blocklist: Arc<SharedBlocklist>,
    _data_dir: Arc<DataDir>,
}

impl Writer {
    pub(crate) async fn new(
        connection: SqliteConnection,
        inbox: Inbox,
        codec: Arc<Codec>,
        blocklist: Arc<SharedBlocklist>,
        data_dir: Arc<DataDir>,
    ) -> Result<Self, OpenError> {
        Ok(Self { connection, inbox, _codec: codec, _blocklist: blocklist, _data_dir: data_dir })
    }

    /// Writes until `stop`, then drains the mailbox, commits, and closes the database.
    ///
    /// # Errors
    /// [`WriterError`] when recorded changes could not be committed at the end.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), WriterError> {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                job = self.inbox.jobs.recv() => match job {
                    Some(job) => job.finish(&Err(StoreError::Closed)),
                    None => break,
                },
            }
        }
        drop(crate::db::close(self.connection).await);
        Ok(())
    }
}

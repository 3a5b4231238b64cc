//! One atomic step: read, let somebody decide, write if nobody else was faster.

use std::time::Duration;

use super::{Row, RowKey, RowStamp, Rows, Swap, Swapped};
use crate::error::StoreError;

/// How often a step is decided anew because somebody else was faster: each time, somebody got on.
const TRIES: u32 = 200;
/// The first tries follow at once; then callers spread out.
const AT_ONCE: u32 = 4;

/// What becomes of one row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Write {
    /// It stays, and must be as it was read.
    Nothing,
    /// It is replaced.
    Put {
        /// The new content.
        record: Vec<u8>,
        /// How long it is kept, from now and by the server's clock.
        keep: Duration,
    },
    /// It goes.
    Delete,
}

/// What a decision answers, and what becomes of each row.
pub(crate) type Written<T> = Result<(T, Vec<Write>), StoreError>;

/// What is known before the first look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Assumed {
    /// Nothing: the rows are read.
    Nothing,
    /// Most likely there are none, and the write finds out. Saves a round trip.
    NoRows,
}

/// Lets `decide` say what becomes of the rows under these keys, with nobody in between. It may be called again, so it must answer by
/// what it is given alone.
///
/// # Errors
/// [`StoreError::TicketStoreAway`], and then nobody knows whether it was written; what `decide` says.
pub(crate) async fn decide<T>(
    rows: &dyn Rows,
    keys: &[RowKey],
    assumed: Assumed,
    mut decide: impl FnMut(&[Option<Row>]) -> Written<T> + Send,
) -> Result<T, StoreError> {
    let stamp = RowStamp::fresh()?;
    let mut found = match assumed {
        Assumed::Nothing => load(rows, keys).await?,
        Assumed::NoRows => keys.iter().map(|_| None).collect(),
    };
    let mut is_in_doubt = false;
    for tries in 0..TRIES {
        let (answer, writes) = decide(&found)?;
        let is_read_only = writes.iter().all(|write| *write == Write::Nothing);
        if is_read_only && (tries > 0 || assumed == Assumed::Nothing) {
            return Ok(answer);
        }
        let seen = found.iter().map(|row| row.as_ref().map(|row| row.stamp));
        let swaps: Vec<_> =
            keys.iter().zip(seen).zip(&writes).map(|((key, seen), write)| Swap { key, seen, write }).collect();
        let swapped = match rows.swap(&swaps, stamp).await {
            // The answer was lost, perhaps on the way back. The stamp tells, and one that still comes finds the row as this step does.
            Err(StoreError::TicketStoreAway) if !is_in_doubt => {
                is_in_doubt = true;
                Swapped::Beaten(rows.load(keys).await?)
            }
            other => other?,
        };
        match swapped {
            Swapped::Done => return Ok(answer),
            Swapped::Beaten(now) => {
                if is_in_doubt && now.iter().flatten().any(|row| row.stamp == stamp) {
                    return Ok(answer);
                }
                found = now;
            }
        }
        if tries >= AT_ONCE {
            tokio::time::sleep(pause()?).await;
        }
    }
    tracing::warn!("so many ask for the same ticket or limit at once that one was turned away");
    Err(StoreError::TicketStoreAway)
}

/// Reads, and once more where a connection turns out to be dead.
pub(crate) async fn load(rows: &dyn Rows, keys: &[RowKey]) -> Result<Vec<Option<Row>>, StoreError> {
    match rows.load(keys).await {
        Err(StoreError::TicketStoreAway) => rows.load(keys).await,
        other => other,
    }
}

/// Up to eight milliseconds.
fn pause() -> Result<Duration, StoreError> {
    let RowStamp([chance, ..]) = RowStamp::fresh()?;
    Ok(Duration::from_micros(u64::from(chance) * 32))
}

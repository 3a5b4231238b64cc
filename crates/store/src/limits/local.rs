//! Limits in this process's memory, the fastest place; what has changed is handed out to be written behind.

use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::clock::WallTime;
use domain::limits::{Book, LimitKey, Record, Rules};

use super::{LimitFuture, LimitStep, LimitStore};

/// One book behind one lock that is never held across a wait.
#[derive(Debug, Default)]
pub struct LocalLimits {
    book: Mutex<Book>,
    /// Held by who takes what has changed until it is written: what was taken first must not be written last.
    pub(crate) writing: tokio::sync::Mutex<()>,
}

impl LocalLimits {
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts stored records in.
    pub(crate) fn restore(&self, records: impl IntoIterator<Item = (LimitKey, Record)>) {
        let mut book = self.lock();
        for (key, record) in records {
            book.restore(key, record);
        }
    }

    /// Takes some of what has changed since it was last taken; without a record it is gone.
    pub(crate) fn take_changed(&self, most: usize) -> Vec<(LimitKey, Option<Record>)> {
        self.lock().take_changed(most)
    }

    /// Notes that these could not be written.
    pub(crate) fn keep_changed(&self, keys: impl IntoIterator<Item = LimitKey>) {
        self.lock().keep_changed(keys);
    }

    /// Forgets what is over.
    pub(crate) fn sweep(&self, rules: &Rules, now: WallTime) {
        self.lock().sweep(rules, now);
    }
}

impl LimitStore for LocalLimits {
    fn update<'a>(&'a self, _keys: &'a [LimitKey], step: LimitStep<'a>) -> LimitFuture<'a, ()> {
        step(&mut self.lock());
        Box::pin(std::future::ready(Ok(())))
    }

    fn select<'a>(
        &'a self,
        wanted: &'a (dyn Fn(&LimitKey, &Record) -> bool + Send + Sync),
    ) -> LimitFuture<'a, Vec<(LimitKey, Record)>> {
        let found = self
            .lock()
            .all()
            .filter(|(key, record)| wanted(key, record))
            .map(|(key, record)| (*key, record.clone()))
            .collect();
        Box::pin(std::future::ready(Ok(found)))
    }

    fn clear(&self) -> LimitFuture<'_, ()> {
        self.lock().clear();
        Box::pin(std::future::ready(Ok(())))
    }
}

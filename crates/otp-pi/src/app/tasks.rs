//! The tasks of a running gateway: started here, stopped by one token, and never lost when they fail.
//!
//! The only place that starts tasks. A task that ends with an error stops the whole program in order, because every task
//! here is one that the gateway cannot do without; tasks that can be restarted restart themselves.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, error, info_span};

/// Starts, stops and awaits tasks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    failed: CancellationToken,
    failure: Arc<Mutex<Option<anyhow::Error>>>,
}

impl Tasks {
    /// A group of tasks that stops together; `failed` is told when one of them fails.
    #[must_use]
    pub fn new(failed: CancellationToken) -> Self {
        Self { tracker: TaskTracker::new(), stop: CancellationToken::new(), failed, failure: Arc::default() }
    }

    /// The token that tells this group to end. Its tasks watch it.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Asks every task to end.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Starts a task. When it ends with an error, the error is kept and the whole program is asked to end.
    pub fn spawn<F, E>(&self, name: &'static str, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<anyhow::Error> + Send + 'static,
    {
        self.spawn_until(self.stop.clone(), name, task);
    }

    /// Starts a task that may also end alone, once `stop` is cancelled: a child of [`Tasks::stop_token`].
    pub fn spawn_until<F, E>(&self, stop: CancellationToken, name: &'static str, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<anyhow::Error> + Send + 'static,
    {
        let mut watch =
            Watch { name, stop, failed: self.failed.clone(), failure: Arc::clone(&self.failure), outcome: None };
        let watched = async move {
            let outcome = task.await.map_err(Into::into);
            watch.see(outcome);
        };
        drop(self.tracker.spawn(watched.instrument(info_span!("task", task.name = name))));
    }

    /// Waits until every task has ended, at most `limit`. Answers the first failure, if any.
    ///
    /// # Errors
    /// The first error that a task ended with, or that some did not end in time.
    pub async fn finish(&self, limit: Duration) -> anyhow::Result<()> {
        self.tracker.close();
        let in_time = tokio::time::timeout(limit, self.tracker.wait()).await.is_ok();
        if let Some(error) = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        anyhow::ensure!(in_time, "tasks were still running {} s after they were asked to end", limit.as_secs());
        Ok(())
    }
}

/// Sees a task end, however it ends: by a panic it is dropped too.
struct Watch {
    name: &'static str,
    stop: CancellationToken,
    failed: CancellationToken,
    failure: Arc<Mutex<Option<anyhow::Error>>>,
    outcome: Option<anyhow::Result<()>>,
}

impl Watch {
    fn see(&mut self, outcome: anyhow::Result<()>) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let error = match self.outcome.take() {
            Some(Ok(())) if self.stop.is_cancelled() => return,
            Some(Ok(())) => anyhow::anyhow!("task {} ended by itself", self.name),
            Some(Err(error)) => error.context(format!("task {} failed", self.name)),
            None if std::thread::panicking() => anyhow::anyhow!("task {} panicked", self.name),
            // The runtime ends before the task has.
            None => return,
        };
        error!(task.name = self.name, error = format!("{error:#}"), "a task failed: stopping");
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.failed.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn failure_of<F>(task: F) -> Option<String>
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let failed = CancellationToken::new();
        let tasks = Tasks::new(failed.clone());
        tasks.spawn("it", task);
        failed.cancelled().await;
        tasks.finish(Duration::from_secs(9)).await.err().map(|error| format!("{error:#}"))
    }

    #[tokio::test]
    async fn a_task_that_fails_panics_or_ends_too_soon_stops_the_program() {
        assert_eq!(failure_of(async { anyhow::bail!("no disk") }).await.unwrap(), "task it failed: no disk");
        assert_eq!(failure_of(async { panic!("no reason") }).await.unwrap(), "task it panicked");
        assert_eq!(failure_of(async { Ok(()) }).await.unwrap(), "task it ended by itself");
    }

    #[test]
    fn a_task_that_is_dropped_with_its_runtime_has_not_failed() {
        let failed = CancellationToken::new();
        let tasks = Tasks::new(failed.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            tasks.spawn("it", std::future::pending::<anyhow::Result<()>>());
            tokio::task::yield_now().await;
        });
        drop(runtime);
        assert!(!failed.is_cancelled());
    }

    #[tokio::test]
    async fn a_task_that_ends_when_it_is_asked_to_is_no_failure() {
        let failed = CancellationToken::new();
        let tasks = Tasks::new(failed.clone());
        let (all, one) = (tasks.stop_token(), tasks.stop_token().child_token());
        for stop in [all, one.clone()] {
            let until = stop.clone();
            tasks.spawn_until(until, "it", async move {
                stop.cancelled().await;
                anyhow::Ok(())
            });
        }
        one.cancel();
        tasks.stop();
        tasks.finish(Duration::from_secs(9)).await.unwrap();
        assert!(!failed.is_cancelled());
    }
}

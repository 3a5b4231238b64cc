//! Argon2id on one thread with one buffer behind a bounded queue.
//!
//! For [`super::Auth`]. Nothing else in the listeners hashes passwords, so that a flood of logins costs one core and a few
//! MiB, never the workers. The same login asked for many times at once is hashed once. All hashes of a job are computed, whatever
//! the first says, so that the time of an answer tells nothing.

use std::collections::HashMap;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use domain::secret::SecretText;
use store::PasswordHasher;
use tokio::sync::oneshot;
use tracing::error;

use super::Digest;

/// Which of a job's hashes the password fits.
pub(super) type Verdict = Option<usize>;

/// The password hash of nobody: no password has it, and checking against it costs what checking against a real one costs.
pub(super) const NOBODY: &str =
    "$argon2id$v=19$m=9216,t=4,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Logins that may wait for the thread.
pub(super) const QUEUE: usize = 64;

type Waiters = Arc<Mutex<HashMap<Digest, Vec<oneshot::Sender<Verdict>>>>>;

/// The handle of the hashing thread, which ends when its handle is dropped.
pub(super) struct PasswordThread {
    jobs: SyncSender<Job>,
    waiters: Waiters,
}

struct Job {
    id: Digest,
    password: SecretText,
    hashes: Vec<String>,
}

/// Whether somebody already asks the same.
pub(super) enum Enlisted {
    /// Nobody: call [`PasswordThread::submit`] or [`PasswordThread::abandon`].
    Leader(oneshot::Receiver<Verdict>),
    /// Somebody: only wait.
    Follower(oneshot::Receiver<Verdict>),
}

impl PasswordThread {
    /// Starts the thread.
    pub(super) fn start() -> io::Result<Self> {
        let (jobs, inbox) = sync_channel(QUEUE);
        let waiters = Waiters::default();
        let answered = Arc::clone(&waiters);
        thread::Builder::new().name("passwords".to_owned()).spawn(move || run(&inbox, &answered))?;
        Ok(Self { jobs, waiters })
    }

    /// Asks for the verdict on the job `id`. The receiver fails if the job is abandoned or finds no room.
    pub(super) fn enlist(&self, id: Digest) -> Enlisted {
        let (sender, receiver) = oneshot::channel();
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        let list = waiters.entry(id).or_default();
        list.push(sender);
        if list.len() == 1 { Enlisted::Leader(receiver) } else { Enlisted::Follower(receiver) }
    }

    /// Hands the job to the thread; without room everybody who waits for it is told so.
    pub(super) fn submit(&self, id: Digest, password: SecretText, hashes: Vec<String>) {
        let job = Job { id, password, hashes };
        if self.jobs.try_send(job).is_err() {
            self.abandon(&id);
        }
    }

    /// Gives the job up: everybody who waits for it is told so.
    pub(super) fn abandon(&self, id: &Digest) {
        drop(take(&self.waiters, id));
    }
}

fn take(waiters: &Waiters, id: &Digest) -> Vec<oneshot::Sender<Verdict>> {
    let mut waiters = waiters.lock().unwrap_or_else(PoisonError::into_inner);
    waiters.remove(id).unwrap_or_default()
}

fn run(jobs: &Receiver<Job>, waiters: &Waiters) {
    let mut hasher = PasswordHasher::default();
    for job in jobs {
        let mut fits = |hash: &String| {
            hasher.verify(&job.password, hash).unwrap_or_else(|error| {
                error!(error = %error, "an API user's password cannot be checked: set it anew");
                false
            })
        };
        let mut verdict = None;
        for (index, hash) in job.hashes.iter().enumerate() {
            if fits(hash) {
                verdict = verdict.or(Some(index));
            }
        }
        for waiter in take(waiters, &job.id) {
            // Whoever asked may have hung up.
            waiter.send(verdict).ok();
        }
    }
}

#[cfg(test)]
mod tests;

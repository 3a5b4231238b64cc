//! A consistent copy of the database while it is in use.
//!
//! Made by SQLite from one read transaction, so that everything accepted before it began is in it; the writer goes on
//! meanwhile, and its WAL grows. Written aside under a name of its own: what bears the asked name is whole and durable.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};
use sqlx::Connection;

use crate::db::{self, DataDir};
use crate::error::StoreError;
use crate::operator::BackupError;

/// A file that goes when it is not kept.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After a success it bears another name.
        drop(std::fs::remove_file(&self.0));
    }
}

/// Copies the database to `path`; answers the size.
pub(crate) async fn run(data_dir: &DataDir, path: &Path) -> Result<u64, BackupError> {
    let io = |source| BackupError::Io { path: path.to_owned(), source };
    if path.exists() {
        return Err(BackupError::Exists { path: path.to_owned() });
    }
    let unfinished = create_aside(path)?;
    let name = unfinished.0.to_str().ok_or_else(|| BackupError::BadName { path: path.to_owned() })?;
    let mut connection = db::open_for_copying(data_dir).await.map_err(StoreError::from)?;
    let copied = sqlx::query("VACUUM INTO ?1").bind(name).execute(&mut connection).await;
    let closed = connection.close().await;
    copied.and(closed).map_err(StoreError::from)?;
    let (aside, path) = (unfinished.0.clone(), path.to_owned());
    // Syncing a large file takes its time.
    let finished = tokio::task::spawn_blocking(move || finish(&aside, &path));
    finished.await.map_err(|error| io(std::io::Error::other(error)))?
}

/// Makes an empty file for the owner alone, which SQLite fills.
fn create_aside(path: &Path) -> Result<Unfinished, BackupError> {
    let io = |source| BackupError::Io { path: path.to_owned(), source };
    let absolute = std::path::absolute(path).map_err(io)?;
    let mut random = [0; 8];
    crate::keys::fill_random(&mut random).map_err(|_| StoreError::Randomness)?;
    let mut name = absolute.into_os_string();
    // Two at once must not write into one file.
    name.push(format!(".unfinished-{:016x}", u64::from_be_bytes(random)));
    let aside = PathBuf::from(name);
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside).map_err(io)?;
    Ok(Unfinished(aside))
}

/// Makes the copy durable and gives it its name, unless somebody was quicker.
fn finish(aside: &Path, path: &Path) -> Result<u64, BackupError> {
    let io = |source| BackupError::Io { path: path.to_owned(), source };
    let copy = File::open(aside).map_err(io)?;
    copy.sync_all().map_err(io)?;
    match rustix::fs::renameat_with(CWD, aside, CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        // A file system that cannot promise it: looked at once more, and renamed.
        Err(rustix::io::Errno::INVAL) if !path.exists() => std::fs::rename(aside, path).map_err(io)?,
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::EXIST) => {
            return Err(BackupError::Exists { path: path.to_owned() });
        }
        Err(errno) => return Err(io(errno.into())),
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(io)?;
    Ok(copy.metadata().map_err(io)?.len())
}

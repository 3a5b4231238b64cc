use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_client_that_takes_no_bytes_fails_the_write() {
    let (ours, _theirs) = duplex(16);
    let mut guarded = Guarded::new(ours, Limits { head: LONG, write: SHORT }, Arc::default());
    let error = guarded.write_all(&[0; 100]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

/// Takes bytes and never lets go of them, as an encrypted stream does whose client reads nothing.
struct KeepsBytes;

impl AsyncWrite for KeepsBytes {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn a_client_that_takes_no_kept_bytes_fails_the_flush_and_the_end() {
    let mut guarded = Guarded::new(KeepsBytes, Limits { head: LONG, write: SHORT }, Arc::default());
    guarded.write_all(&[0; 100]).await.unwrap();
    assert_eq!(guarded.flush().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    let mut guarded = Guarded::new(KeepsBytes, Limits { head: LONG, write: SHORT }, Arc::default());
    assert_eq!(guarded.shutdown().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_head_that_has_begun_fails_the_read_but_waiting_for_one_does_not() {
    let (ours, mut theirs) = duplex(16);
    let progress = Arc::new(Progress::default());
    let mut guarded = Guarded::new(ours, Limits { head: SHORT, write: LONG }, Arc::clone(&progress));
    assert!(tokio::time::timeout(SHORT * 4, guarded.read_u8()).await.is_err(), "nothing has begun");
    theirs.write_all(b"P").await.unwrap();
    assert_eq!(guarded.read_u8().await.unwrap(), b'P');
    assert_eq!(guarded.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn each_head_has_its_own_time() {
    let (ours, mut theirs) = duplex(16);
    let progress = Arc::new(Progress::default());
    let mut guarded = Guarded::new(ours, Limits { head: SHORT, write: LONG }, Arc::clone(&progress));
    for _ in 0..2 {
        theirs.write_all(b"P").await.unwrap();
        guarded.read_u8().await.unwrap();
        progress.head_is_complete();
        assert!(progress.is_answering());
        assert!(tokio::time::timeout(SHORT * 4, guarded.read_u8()).await.is_err(), "a request is being answered");
        progress.answer_is_ready();
        assert!(!progress.is_answering());
        assert!(tokio::time::timeout(SHORT * 4, guarded.read_u8()).await.is_err(), "no next head has begun");
    }
}

#[tokio::test]
async fn a_client_that_asks_before_it_was_answered_is_ahead() {
    let (ours, mut theirs) = duplex(1024);
    let progress = Arc::new(Progress::default());
    let mut guarded = Guarded::new(ours, Limits { head: LONG, write: LONG }, Arc::clone(&progress));
    let request = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    for (requests, is_ahead) in [(1, [false].as_slice()), (3, &[true, true, false]), (1, &[false])] {
        theirs.write_all(&request.repeat(requests)).await.unwrap();
        guarded.read_exact(&mut vec![0; requests * request.len()]).await.unwrap();
        for is_ahead in is_ahead {
            progress.head_is_complete();
            assert_eq!(progress.is_ahead(), *is_ahead, "of {requests}");
            progress.answer_is_ready();
        }
    }
}

//! Reading our own binary records: bytes that may be damaged, and must not make us panic or allocate.

use std::time::Duration;

use domain::clock::WallTime;

/// Bytes not read yet.
pub(crate) struct Octets<'a>(pub(crate) &'a [u8]);

impl Octets<'_> {
    pub(crate) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    pub(crate) fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(crate) fn number(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    pub(crate) fn time(&mut self) -> Option<WallTime> {
        self.take().map(i64::from_be_bytes).map(WallTime::from_unix_millis)
    }

    /// A time after a flag that says whether there is one.
    pub(crate) fn optional_time(&mut self) -> Option<Option<WallTime>> {
        if self.flag()? { self.time().map(Some) } else { Some(None) }
    }

    pub(crate) fn duration(&mut self) -> Option<Duration> {
        self.take().map(u64::from_be_bytes).map(Duration::from_millis)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

pub(crate) fn push_time(out: &mut Vec<u8>, time: WallTime) {
    out.extend_from_slice(&time.as_unix_millis().to_be_bytes());
}

pub(crate) fn push_optional_time(out: &mut Vec<u8>, time: Option<WallTime>) {
    out.push(u8::from(time.is_some()));
    if let Some(time) = time {
        push_time(out, time);
    }
}

pub(crate) fn push_duration(out: &mut Vec<u8>, duration: Duration) {
    out.extend_from_slice(&u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).to_be_bytes());
}

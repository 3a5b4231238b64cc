//! Packets cut out of what comes from the socket, and messages that are too long without keeping them.

use bytes::{Buf as _, Bytes, BytesMut};

use super::packet::Message;

/// Longer packets are not kept. A payload of 64 KiB with the longest topic and properties of that size is shorter.
const LONGEST_KEPT: usize = 256 * 1024;

/// What comes, until it is whole.
#[derive(Default)]
pub(super) struct Frames {
    pub(super) buffer: BytesMut,
    /// How much of a message that was too long is still to come.
    to_skip: usize,
}

/// The next packet.
#[derive(Debug)]
pub(super) enum Frame {
    /// All of it.
    Whole(BytesMut),
    /// The beginning of a message that is too long, whose rest is passed over.
    TooLong(Message),
}

impl Frames {
    /// The next packet, if it is there.
    ///
    /// # Errors
    /// What comes is not MQTT.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, String> {
        let skipped = self.to_skip.min(self.buffer.len());
        self.buffer.advance(skipped);
        self.to_skip -= skipped;
        if self.to_skip > 0 {
            return Ok(None);
        }
        let Some((head, rest)) = length(&self.buffer)? else { return Ok(None) };
        let whole = head.saturating_add(rest);
        if whole <= LONGEST_KEPT {
            if self.buffer.len() < whole {
                self.buffer.reserve(whole - self.buffer.len());
                return Ok(None);
            }
            return Ok(Some(Frame::Whole(self.buffer.split_to(whole))));
        }
        if self.buffer.first().is_none_or(|first| first >> 4 != 3) {
            return Err(format!("a packet of {whole} octets that is no message"));
        }
        if self.buffer.len() < LONGEST_KEPT {
            self.buffer.reserve(LONGEST_KEPT - self.buffer.len());
            return Ok(None);
        }
        let beginning = self.buffer.split_to(LONGEST_KEPT);
        self.to_skip = whole - LONGEST_KEPT;
        let (mut message, start) = envelope(&beginning)?;
        message.payload = beginning.freeze().slice(start..);
        Ok(Some(Frame::TooLong(message)))
    }
}

/// What must be known of a message to put it aside, whatever else is in it, and where the octets after its topic and number begin.
///
/// # Errors
/// Not even that can be read.
pub(super) fn envelope(frame: &[u8]) -> Result<(Message, usize), String> {
    let malformed = || "a message that cannot be read".to_owned();
    let first = *frame.first().ok_or_else(malformed)?;
    let qos = (first >> 1) & 3;
    let (head, _) = length(frame)?.ok_or_else(malformed)?;
    let after = |octets: usize, from: usize| frame.get(from..from.saturating_add(octets)).ok_or_else(malformed);
    let number =
        |from: usize| after(2, from).map(|octets| octets.iter().fold(0, |sum, octet| sum << 8 | u16::from(*octet)));
    let after_topic = head + 2 + usize::from(number(head)?);
    let (id, start) = if qos == 0 { (0, after_topic) } else { (number(after_topic)?, after_topic + 2) };
    if qos == 3 || (qos > 0 && id == 0) || start > frame.len() {
        return Err(malformed());
    }
    let (is_again, is_retained) = (first & 8 != 0, first & 1 != 0);
    Ok((Message { qos, id, is_again, is_retained, payload: Bytes::new(), back: None, correlation: None }, start))
}

/// How long the fixed header is and how much follows it, if it is there.
///
/// # Standard
/// MQTT 5.0 section 1.5.5, MQTT 3.1.1 section 2.2.3.
fn length(octets: &[u8]) -> Result<Option<(usize, usize)>, String> {
    let mut rest = 0;
    for (index, octet) in octets.iter().skip(1).take(4).enumerate() {
        rest |= usize::from(octet & 0x7f) << (7 * index);
        if octet & 0x80 == 0 {
            return Ok(Some((index + 2, rest)));
        }
    }
    if octets.len() > 4 { Err("a packet without an end to its length".to_owned()) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(payload: usize) -> Vec<u8> {
        let mut rest = payload + 2 + 3 + 2;
        let mut octets = vec![0x32];
        loop {
            let more = rest >> 7;
            octets.push(u8::try_from(rest & 0x7f).unwrap() | if more > 0 { 0x80 } else { 0 });
            rest = more;
            if rest == 0 {
                break;
            }
        }
        octets.extend(b"\0\x03sms\x12\x34");
        octets.resize(octets.len() + payload, b'x');
        octets
    }

    /// The payloads' lengths of messages that come in pieces of this size.
    fn lengths(octets: &[u8], piece: usize) -> Vec<(u16, usize)> {
        let mut frames = Frames::default();
        let mut all = Vec::new();
        for piece in octets.chunks(piece) {
            frames.buffer.extend_from_slice(piece);
            while let Some(frame) = frames.next().unwrap() {
                all.push(match frame {
                    Frame::Whole(frame) => {
                        envelope(&frame).map(|(message, start)| (message.id, frame.len() - start)).unwrap()
                    }
                    Frame::TooLong(message) => (message.id, message.payload.len()),
                });
            }
        }
        assert!(frames.buffer.is_empty());
        all
    }

    #[test]
    fn a_message_that_is_too_long_is_passed_over_and_the_next_one_is_read() {
        let octets = [publish(3), publish(2_000_000), publish(200_000), publish(0)].concat();
        for piece in [1, 7, 1000, 70_000, octets.len()] {
            let read = lengths(&octets, piece);
            assert_eq!(read.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [0x1234; 4]);
            let lengths: Vec<_> = read.iter().map(|(_, length)| *length).collect();
            assert!(lengths[1] > 64 * 1024 && lengths[1] <= LONGEST_KEPT, "{lengths:?}");
            assert_eq!([lengths[0], lengths[2], lengths[3]], [3, 200_000, 0]);
        }
    }

    #[test]
    fn what_is_not_mqtt_is_refused_without_a_panic() {
        for octets in [&b"\x30\xff\xff\xff\xff\x7f"[..], b"\x20\xff\xff\xff\x7f"] {
            let mut frames = Frames { buffer: BytesMut::from(octets), to_skip: 0 };
            frames.next().unwrap_err();
        }
        for octets in
            [&b""[..], b"\x32", b"\x32\x00", b"\x32\x04\0\x09ab", b"\x36\x05\0\x01a\0\x01", b"\x32\x05\0\x01a\0\0"]
        {
            envelope(octets).unwrap_err();
        }
    }
}

//! Where a request of HTTP/1 ends, to the letter.
//!
//! For [`super::guard`], which asks before the HTTP library sees the end of a line. Two programs in a row that find different
//! ends of one request let a stranger put a request of his own between them. So whatever a proxy and the library could read in
//! two ways is refused here: a length told twice, codings other than one `chunked`, lines that end or begin in another way, names
//! with spaces, a host told twice or not at all. It must never keep more than one line, and never mend what it reads.
//!
//! # Standard
//! RFC 9112 sections 2.2, 3, 5, 6 and 7.1; RFC 9110 section 5.6.2.

use std::mem::take;

/// The longest line, in bytes; the library's limit of a whole head is as long.
const LINE_BYTES: usize = 16 * 1024;

/// What the extensions of chunks and the trailers of one body may take, in bytes. No known client sends any.
const EXTRA_BYTES: usize = 1024;

/// The most digits of the size of a chunk, which is hexadecimal, and of a length.
const CHUNK_DIGITS: usize = 8;
const LENGTH_DIGITS: usize = 19;

/// Why bytes are not handed on.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    /// A head that is none, or that could be read in two ways.
    Head,
    /// A line that no head has room for.
    HeadTooLong,
    /// The framing of a body, whose request is answered where it is read.
    Body,
}

/// The framing of what one connection brings.
#[derive(Debug, Default)]
pub(super) struct Framing {
    expected: Expected,
    /// What came of a line whose end is awaited.
    line: Vec<u8>,
    head: Head,
    heads: u64,
    extra: usize,
}

#[derive(Copy, Clone, Debug, Default)]
enum Expected {
    #[default]
    RequestLine,
    Field,
    Body(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailer,
}

/// What of a head bears on the framing.
#[derive(Debug, Default)]
struct Head {
    is_http_11: bool,
    /// The authority that the target names, if it is a whole URI.
    authority: Option<Vec<u8>>,
    host: Option<Vec<u8>>,
    length: Option<u64>,
    is_chunked: bool,
}

impl Framing {
    /// Judges the bytes that follow on those before.
    ///
    /// # Errors
    /// How many of them may be handed on all the same, as no line ends in them, and why the next may not.
    pub(super) fn judge(&mut self, bytes: &[u8]) -> Result<(), (usize, Refusal)> {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = match self.expected {
                Expected::Body(left) => {
                    let (left, rest) = skip(left, rest);
                    self.expected = if left == 0 { Expected::RequestLine } else { Expected::Body(left) };
                    rest
                }
                Expected::Chunk(left) => {
                    let (left, rest) = skip(left, rest);
                    self.expected = if left == 0 { Expected::ChunkEnd } else { Expected::Chunk(left) };
                    rest
                }
                _ => self.judge_line(rest).map_err(|(at, refusal)| (bytes.len() - rest.len() + at, refusal))?,
            };
        }
        Ok(())
    }

    /// How many heads have come whole.
    pub(super) fn heads(&self) -> u64 {
        self.heads
    }

    /// Judges one line, if it ends here, and returns what is behind it.
    fn judge_line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], (usize, Refusal)> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        if self.line.len() + part.len() > LINE_BYTES {
            return Err((0, self.refusal(Refusal::HeadTooLong)));
        }
        let Some((_, rest)) = rest.split_first() else {
            self.line.extend_from_slice(part);
            return Ok(rest);
        };
        let mut line = take(&mut self.line);
        let whole = if line.is_empty() {
            part
        } else {
            line.extend_from_slice(part);
            &line
        };
        let next = whole.strip_suffix(b"\r").and_then(|line| self.next(line));
        self.expected = next.ok_or((part.len(), self.refusal(Refusal::Head)))?;
        Ok(rest)
    }

    fn refusal(&self, of_head: Refusal) -> Refusal {
        match self.expected {
            Expected::RequestLine | Expected::Field => of_head,
            Expected::Body(_) | Expected::ChunkSize | Expected::Chunk(_) | Expected::ChunkEnd | Expected::Trailer => {
                Refusal::Body
            }
        }
    }

    /// Returns what follows on a line, if it may stand where it stands.
    fn next(&mut self, line: &[u8]) -> Option<Expected> {
        match self.expected {
            // The end of the trailers; or some clients end a body with an empty line that they do not count.
            Expected::RequestLine | Expected::Trailer if line.is_empty() => Some(Expected::RequestLine),
            Expected::RequestLine => {
                self.head = Head::parse_request_line(line)?;
                Some(Expected::Field)
            }
            Expected::Field if line.is_empty() => {
                self.extra = 0;
                self.heads += 1;
                take(&mut self.head).body()
            }
            Expected::Field => {
                self.head.take_field(line)?;
                Some(Expected::Field)
            }
            Expected::ChunkSize => {
                let (size, extension) = parse_chunk_size(line)?;
                self.spend(extension)?;
                Some(if size == 0 { Expected::Trailer } else { Expected::Chunk(size) })
            }
            Expected::ChunkEnd => line.is_empty().then_some(Expected::ChunkSize),
            Expected::Trailer => {
                self.spend(line)?;
                // What bears on the framing comes before the body or not at all.
                let mut head = Head::default();
                head.take_field(line)?;
                (head.length.is_none() && !head.is_chunked && head.host.is_none()).then_some(Expected::Trailer)
            }
            Expected::Body(_) | Expected::Chunk(_) => None,
        }
    }

    fn spend(&mut self, extra: &[u8]) -> Option<()> {
        self.extra += extra.len();
        (self.extra <= EXTRA_BYTES).then_some(())
    }
}

impl Head {
    fn parse_request_line(line: &[u8]) -> Option<Self> {
        let mut words = line.split(|byte| *byte == b' ');
        let (method, target, version) = (words.next()?, words.next()?, words.next()?);
        let is_http_11 = version == b"HTTP/1.1";
        let is_known = is_http_11 || version == b"HTTP/1.0";
        let authority = match target {
            b"*" | [b'/', ..] => None,
            _ if method == b"CONNECT" => Some(target),
            _ => Some(authority(target)?),
        };
        let is_whole = words.next().is_none() && is_token(method) && is_printable(target) && is_known;
        is_whole.then(|| Self { is_http_11, authority: authority.map(<[u8]>::to_vec), ..Self::default() })
    }

    fn take_field(&mut self, line: &[u8]) -> Option<()> {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        if !is_token(name) || !is_printable(value) {
            return None;
        }
        let value = value.get(1..)?.trim_ascii();
        if name.eq_ignore_ascii_case(b"host") {
            let is_one = self.host.replace(value.to_vec()).is_none();
            (is_one && value.iter().all(|byte| is_of_host(*byte))).then_some(())
        } else if name.eq_ignore_ascii_case(b"content-length") {
            self.length.replace(parse_length(value)?).is_none().then_some(())
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let was_chunked = std::mem::replace(&mut self.is_chunked, true);
            (!was_chunked && value.eq_ignore_ascii_case(b"chunked")).then_some(())
        } else {
            Some(())
        }
    }

    /// Returns what follows on a whole head, if nothing in it contradicts another.
    fn body(self) -> Option<Expected> {
        let is_host_told = self.host.is_some() || !self.is_http_11;
        let is_same_host = match (&self.authority, &self.host) {
            (Some(authority), Some(host)) => authority.eq_ignore_ascii_case(host),
            _ => true,
        };
        if !is_host_told || !is_same_host {
            return None;
        }
        match (self.is_chunked, self.length) {
            (false, None | Some(0)) => Some(Expected::RequestLine),
            (false, Some(length)) => Some(Expected::Body(length)),
            (true, None) if self.is_http_11 => Some(Expected::ChunkSize),
            (true, _) => None,
        }
    }
}

/// Leaves out what is left of a body.
fn skip(left: u64, bytes: &[u8]) -> (u64, &[u8]) {
    let here = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
    let (skipped, rest) = bytes.split_at(here);
    (left.saturating_sub(u64::try_from(skipped.len()).unwrap_or(u64::MAX)), rest)
}

/// Returns the authority of a whole URI.
fn authority(target: &[u8]) -> Option<&[u8]> {
    let start = target.windows(3).position(|three| three == b"://")? + 3;
    target.get(start..)?.split(|byte| matches!(byte, b'/' | b'?' | b'#')).next()
}

fn is_token(name: &[u8]) -> bool {
    let is_of_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !name.is_empty() && name.iter().all(is_of_token)
}

fn is_printable(text: &[u8]) -> bool {
    !text.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t')
}

/// Without the comma, which joins two fields of one name, and without the at sign.
fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=[]:".contains(&byte)
}

fn parse_length(value: &[u8]) -> Option<u64> {
    let is_number = (1..=LENGTH_DIGITS).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| is_number)?.parse().ok()
}

/// Returns the size of a chunk, and what stands behind it.
fn parse_chunk_size(line: &[u8]) -> Option<(u64, &[u8])> {
    let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let (size, extension) = line.split_at(digits);
    let is_extension = extension.is_empty() || extension.starts_with(b";");
    let is_size = (1..=CHUNK_DIGITS).contains(&digits) && is_extension && is_printable(extension);
    let size = std::str::from_utf8(size).ok().filter(|_| is_size)?;
    Some((u64::from_str_radix(size, 16).ok()?, extension))
}

#[cfg(test)]
mod tests;

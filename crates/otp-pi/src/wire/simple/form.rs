//! Forms: `a=1&b=2`, and the parts of `multipart/form-data`.
//!
//! For [`super`] alone. Whatever is no field of the dialects is skipped without a look at its value. It must never panic on
//! any bytes; time and memory are linear in the body, which the listener bounds.

use super::Known;

/// The longest boundary, in bytes (RFC 2046 section 5.1.1).
const LONGEST_BOUNDARY: usize = 70;

/// Reads a form of either kind.
///
/// # Errors
/// What is wrong, in words that repeat no value.
pub(super) fn read(content_type: Option<&[u8]>, body: &[u8]) -> Result<Known, String> {
    let mut known = Known::default();
    match content_type.and_then(boundary_of) {
        Some(boundary) => multipart(&boundary, body, &mut known)?,
        None => urlencoded(body, &mut known)?,
    }
    Ok(known)
}

fn put(known: &mut Known, name: &[u8], value: &[u8]) -> Result<(), String> {
    let Some((name, place)) = std::str::from_utf8(name).ok().and_then(|name| Some((name, known.place(name)?))) else {
        return Ok(());
    };
    let value = std::str::from_utf8(value).map_err(|_| format!("{name} is not UTF-8"))?;
    if place.replace(value.to_owned()).is_some() {
        return Err(format!("{name} is given twice"));
    }
    Ok(())
}

/// Reads `a=1&b=2`.
///
/// # Standard
/// WHATWG URL section 5.1, `application/x-www-form-urlencoded` parsing: a percent sign that begins no octet stands for itself.
fn urlencoded(body: &[u8], known: &mut Known) -> Result<(), String> {
    for pair in body.trim_ascii_end().split(|byte| *byte == b'&') {
        let mut sides = pair.splitn(2, |byte| *byte == b'=');
        let (name, value) = (sides.next().unwrap_or_default(), sides.next().unwrap_or_default());
        put(known, &decoded(name), &decoded(value))?;
    }
    Ok(())
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, behind @ ..]) => match (nibble(*high), nibble(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = behind;
                }
                _ => bytes.push(b'%'),
            },
            (byte, _) => bytes.push(*byte),
        }
    }
    bytes
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// The boundary of a multipart form; `None` for any other content type.
fn boundary_of(content_type: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(content_type).ok()?;
    let (media, parameters) = text.split_once(';')?;
    if !media.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(parameters, "boundary")?;
    (1..=LONGEST_BOUNDARY).contains(&boundary.len()).then(|| boundary.into_bytes())
}

/// The value of a parameter, without its quotes.
fn parameter(parameters: &str, wanted: &str) -> Option<String> {
    let mut rest = parameters;
    loop {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim().trim_start_matches(';').trim();
        let (value, behind) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => {
                let end = after.find(';').unwrap_or(after.len());
                let (value, behind) = after.split_at_checked(end)?;
                (value.trim(), behind)
            }
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value.to_owned());
        }
        rest = behind;
    }
}

/// Reads the parts of a multipart form; files are skipped.
///
/// # Standard
/// RFC 7578 section 4, RFC 2046 section 5.1.1.
fn multipart(boundary: &[u8], body: &[u8], known: &mut Known) -> Result<(), String> {
    const INCOMPLETE: &str = "the form is incomplete";
    let delimiter = [b"\r\n--", boundary].concat();
    // The first delimiter may stand at the very beginning, without a line before it.
    let mut rest = match body.strip_prefix(delimiter.get(2..).unwrap_or_default()) {
        Some(rest) => rest,
        None => split_at(body, &delimiter).ok_or(INCOMPLETE)?.1,
    };
    loop {
        if rest.starts_with(b"--") {
            return Ok(());
        }
        let (_, part) = split_at(rest, b"\r\n").ok_or(INCOMPLETE)?;
        let (part, behind) = split_at(part, &delimiter).ok_or(INCOMPLETE)?;
        if let Some((head, value)) = split_at(part, b"\r\n\r\n")
            && let Some(name) = name_of(head)
        {
            put(known, name.as_bytes(), value)?;
        }
        rest = behind;
    }
}

/// The name of a part that is a field; `None` for a file.
fn name_of(head: &[u8]) -> Option<String> {
    let head = std::str::from_utf8(head).ok()?;
    let is_disposition = |line: &&str| {
        line.split_once(':').is_some_and(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"))
    };
    let (_, parameters) = head.lines().find(is_disposition)?.split_once(';')?;
    if parameter(parameters, "filename").is_some() {
        return None;
    }
    parameter(parameters, "name")
}

/// What stands before and behind the first `mark`.
fn split_at<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(mark.len()).position(|window| window == mark)?;
    let (before, rest) = bytes.split_at_checked(at)?;
    Some((before, rest.strip_prefix(mark)?))
}

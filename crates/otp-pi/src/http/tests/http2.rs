//! HTTP/2, frame by frame: what a well-meant client gets, and what one that floods, stalls or takes back cannot do.
//!
//! The frames are written here, so that no library keeps the client from being broken.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use super::https::Https;
use super::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// Kinds and flags of frames (RFC 9113 section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

// Errors (RFC 9113 section 7).
const PROTOCOL_ERROR: u32 = 1;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

#[derive(Debug)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    fn number(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Header fields without compression (RFC 7541 section 6.2.2).
fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

fn head(more: &[(&str, &str)]) -> Vec<u8> {
    let login = LOGIN.trim_end().split_once(": ").unwrap().1;
    let first = [(":method", "POST"), (":scheme", "https"), (":path", "/api/otp"), (":authority", "h")];
    fields(&[&first, [("authorization", login)].as_slice(), more].concat())
}

/// How a stream ended.
#[derive(Debug, Eq, PartialEq)]
enum End {
    Body(String),
    Reset(u32),
    GoAway(u32),
    Closed,
}

struct Http2 {
    client: Client<TlsStream<TcpStream>>,
}

impl Http2 {
    /// A connection that has said nothing.
    async fn silent(https: &Https) -> Self {
        let mut config = https.authority.client();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self { client: https.connect(&Arc::new(config)).await.unwrap() }
    }

    async fn open(https: &Https) -> Self {
        let mut http2 = Self::silent(https).await;
        http2.client.send([PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await;
        http2
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.client.send(frame(kind, flags, stream, payload)).await;
    }

    async fn ask(&mut self, stream: u32, body: &str) {
        self.send(HEADERS, END_HEADERS, stream, &head(&[])).await;
        self.send(DATA, END_STREAM, stream, body.as_bytes()).await;
    }

    /// The next frame; none at the end.
    async fn next(&mut self) -> Option<Frame> {
        loop {
            let unread = &self.client.unread;
            if unread.len() >= 9 {
                let length = usize::from(unread[0]) << 16 | usize::from(unread[1]) << 8 | usize::from(unread[2]);
                if unread.len() >= 9 + length {
                    let bytes: Vec<u8> = self.client.unread.drain(..9 + length).collect();
                    let stream = u32::from_be_bytes(bytes[5..9].try_into().unwrap());
                    return Some(Frame { kind: bytes[3], flags: bytes[4], stream, payload: bytes[9..].to_vec() });
                }
            }
            if !self.client.read_more().await {
                return None;
            }
        }
    }

    async fn end_of(&mut self, stream: u32) -> End {
        let mut body = Vec::new();
        while let Some(frame) = self.next().await {
            match frame.kind {
                DATA if frame.stream == stream => body.extend_from_slice(&frame.payload),
                RST_STREAM if frame.stream == stream => return End::Reset(frame.number(0)),
                // A farewell without a fault still answers what is under way.
                GOAWAY if frame.number(4) != 0 => return End::GoAway(frame.number(4)),
                _ => {}
            }
            if frame.stream == stream && matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0 {
                return End::Body(String::from_utf8(body).unwrap());
            }
        }
        End::Closed
    }

    /// Sends until the gateway takes no more or closes; what it says meanwhile is not read.
    async fn pour(&mut self, bytes: &[u8], times: usize) {
        for _ in 0..times {
            match timeout(SOON * 4, self.client.stream.write_all(bytes)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return,
            }
        }
    }

    /// Reads to the end; the error that the gateway took leave with, if it did.
    async fn farewell(mut self) -> Option<u32> {
        let mut error = None;
        while let Some(frame) = self.next().await {
            if frame.kind == GOAWAY {
                error = Some(frame.number(4));
            }
        }
        error
    }
}

fn echoed() -> End {
    End::Body(ECHOED.to_owned())
}

#[tokio::test]
async fn many_requests_are_answered_over_one_connection() {
    let https = Https::start(Settings::default()).await;
    let mut http2 = Http2::open(&https).await;
    for number in 0..20 {
        http2.ask(2 * number + 1, ECHO).await;
    }
    let mut answered = 0;
    while answered < 20 {
        let frame = http2.next().await.expect("closed");
        if frame.kind == DATA && !frame.payload.is_empty() {
            assert_eq!(String::from_utf8(frame.payload).unwrap(), ECHOED);
            answered += 1;
        }
    }
    http2.ask(101, &padded(60_000).replace("echo", "dance")).await;
    assert!(matches!(http2.end_of(101).await, End::Reset(_) | End::GoAway(_)), "a frame longer than was agreed on");
}

#[tokio::test]
async fn the_bounds_are_told_and_kept() {
    let https = Https::start(Settings::default()).await;
    let mut http2 = Http2::open(&https).await;
    let settings = http2.next().await.unwrap();
    assert_eq!(settings.kind, SETTINGS);
    let told: Vec<(u8, u32)> =
        settings.payload.chunks(6).map(|one| (one[1], u32::from_be_bytes(one[2..6].try_into().unwrap()))).collect();
    // Streams, window, longest header list (RFC 9113 section 6.5.2); a frame of 16 KiB is the default.
    for (setting, value) in [(3, 32), (4, 65_536), (6, 16_384)] {
        assert!(told.contains(&(setting, value)), "{setting} in {told:?}");
    }
    assert!(told.iter().all(|(setting, value)| *setting != 5 || *value == 16_384), "{told:?}");
    // Once these were acknowledged they bind the client.
    http2.send(SETTINGS, 1, 0, &[]).await;
    for number in 0..33 {
        http2.send(HEADERS, END_HEADERS, 2 * number + 1, &head(&[])).await;
    }
    assert_eq!(http2.end_of(65).await, End::Reset(REFUSED_STREAM));
    http2.send(DATA, END_STREAM, 1, ECHO.as_bytes()).await;
    assert_eq!(http2.end_of(1).await, echoed(), "the others go on");
    let long = head(&[("x-a", "a".repeat(100).as_str()); 125]);
    http2.send(HEADERS, END_HEADERS | END_STREAM, 101, &long).await;
    assert_ne!(http2.end_of(101).await, echoed(), "more header fields than was agreed on");
}

#[tokio::test]
async fn requests_that_could_be_two_are_refused() {
    let https = Https::start(Settings::default()).await;
    let malformed = || End::Body(r#"{"error":"the request is malformed"}"#.to_owned());
    for (more, expected) in [
        ([("host", "h"), ("content-length", "33")].as_slice(), echoed()),
        (&[("host", "other")], malformed()),
        (&[("host", "h"), ("host", "h")], malformed()),
        (&[("content-length", "33"), ("content-length", "33")], malformed()),
        (&[("content-length", "33"), ("content-length", "34")], End::Reset(PROTOCOL_ERROR)),
        (&[("content-length", "5")], End::Reset(PROTOCOL_ERROR)),
        (&[("content-length", "+33")], End::Reset(PROTOCOL_ERROR)),
        (&[("transfer-encoding", "chunked")], End::Reset(PROTOCOL_ERROR)),
        (&[("connection", "keep-alive")], End::Reset(PROTOCOL_ERROR)),
        (&[("x-a", "b\r\nx: y")], End::Reset(PROTOCOL_ERROR)),
        (&[("X-A", "b")], End::Reset(PROTOCOL_ERROR)),
        (&[(":path", "/healthz")], End::Reset(PROTOCOL_ERROR)),
    ] {
        let mut http2 = Http2::open(&https).await;
        http2.send(HEADERS, END_HEADERS, 1, &head(more)).await;
        drop(http2.client.stream.write_all(&frame(DATA, END_STREAM, 1, ECHO.as_bytes())).await);
        let end = http2.end_of(1).await;
        let is_broken = |end: &End| matches!(end, End::Reset(_) | End::GoAway(_));
        assert!(end == expected || (is_broken(&end) && is_broken(&expected)), "{more:?}: {end:?}");
    }
}

#[tokio::test]
async fn a_client_that_takes_its_requests_back_is_sent_away() {
    let https = Https::start(Settings::default()).await;
    let mut http2 = Http2::open(&https).await;
    let mut all = Vec::new();
    for number in 0..2000_u32 {
        all.extend(frame(HEADERS, END_HEADERS, 2 * number + 1, &head(&[])));
        all.extend(frame(RST_STREAM, 0, 2 * number + 1, &8_u32.to_be_bytes()));
    }
    http2.pour(&all, 1).await;
    assert_eq!(http2.farewell().await, Some(ENHANCE_YOUR_CALM));
    assert_eq!(Http2::ask_once(&https).await, echoed());
}

impl Http2 {
    async fn ask_once(https: &Https) -> End {
        let mut http2 = Self::open(https).await;
        http2.ask(1, ECHO).await;
        http2.end_of(1).await
    }
}

#[tokio::test]
async fn floods_of_frames_end_and_hold_up_nobody() {
    let settings = Settings { idle_timeout: SOON * 10, header_timeout: SOON * 10, ..Settings::default() };
    let https = Https::start(settings).await;
    let continuation = frame(CONTINUATION, 0, 1, &fields(&[("x-a", "a".repeat(100).as_str())]));
    let floods = [
        ("continuations", [frame(HEADERS, 0, 1, &head(&[])), continuation.repeat(2000)].concat()),
        (
            "empty continuations",
            [frame(HEADERS, 0, 1, &head(&[])), frame(CONTINUATION, 0, 1, &[]).repeat(100_000)].concat(),
        ),
        ("pings", frame(PING, 0, 0, &[0; 8]).repeat(100_000)),
        ("settings", frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 1]).repeat(100_000)),
        ("window updates", frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()).repeat(100_000)),
        ("empty data", [frame(HEADERS, END_HEADERS, 1, &head(&[])), frame(DATA, 0, 1, &[]).repeat(100_000)].concat()),
    ];
    for (name, flood) in floods {
        let mut http2 = Http2::open(&https).await;
        http2.pour(&flood, 3).await;
        assert_eq!(Http2::ask_once(&https).await, echoed(), "beside {name}");
        // The flood ends, with or without a word: nothing was asked.
        http2.farewell().await;
    }
}

#[tokio::test]
async fn a_client_that_lets_no_answer_through_is_closed() {
    let https = Https::start(Settings { idle_timeout: SOON * 4, ..Settings::default() }).await;
    let mut http2 = Http2::silent(&https).await;
    // A window of nothing.
    http2.client.send([PREFACE, &frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])].concat()).await;
    http2.ask(1, ECHO).await;
    assert_eq!(http2.end_of(1).await, End::Closed);
}

#[tokio::test]
async fn clients_that_ask_nothing_are_closed() {
    let https = Https::start(Settings { idle_timeout: SOON * 4, ..Settings::default() }).await;
    for said in [&b""[..], b"PRI * HT", PREFACE, &[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()] {
        let mut http2 = Http2::silent(&https).await;
        http2.client.send(said).await;
        http2.farewell().await;
    }
    let mut http2 = Http2::open(&https).await;
    http2.ask(1, ECHO).await;
    assert_eq!(http2.end_of(1).await, echoed());
    assert_eq!(http2.farewell().await, Some(0));
}

#[tokio::test]
async fn a_body_that_does_not_come_costs_its_own_request_alone() {
    let https = Https::start(Settings { body_timeout: SOON, ..Settings::default() }).await;
    let mut http2 = Http2::open(&https).await;
    http2.send(HEADERS, END_HEADERS, 1, &head(&[])).await;
    http2.ask(3, ECHO).await;
    let mut bodies = Vec::new();
    while bodies.len() < 2 {
        let frame = http2.next().await.expect("closed");
        if frame.kind == DATA && !frame.payload.is_empty() {
            bodies.push((frame.stream, String::from_utf8(frame.payload).unwrap()));
        }
    }
    bodies.sort();
    let timed_out = r#"{"error":"the body did not come in time"}"#.to_owned();
    assert_eq!(bodies, [(1, timed_out), (3, ECHOED.to_owned())]);
    http2.ask(5, ECHO).await;
    assert_eq!(http2.end_of(5).await, echoed());
}

#[tokio::test]
async fn the_stop_lets_a_request_of_http2_end_and_takes_no_more() {
    let https = Https::start(Settings::default()).await;
    let (mut busy, idle) = (Http2::open(&https).await, Http2::open(&https).await);
    busy.send(HEADERS, END_HEADERS, 1, &head(&[])).await;
    busy.send(PING, 0, 0, &[0; 8]).await;
    while busy.next().await.expect("closed").kind != PING {}
    https.server.stop.cancel();
    let begin = Instant::now();
    while busy.next().await.expect("closed").kind != GOAWAY {}
    busy.send(DATA, END_STREAM, 1, ECHO.as_bytes()).await;
    assert_eq!(busy.end_of(1).await, echoed());
    idle.farewell().await;
    https.server.ended().await;
    assert!(begin.elapsed() < DEADLINE);
}

#[tokio::test]
async fn the_preface_of_http2_is_refused_where_there_is_no_tls() {
    let server = Server::start(Settings::default()).await;
    let mut client = server.connect().await;
    client.send([PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await;
    assert!(client.end().await.starts_with("HTTP/1.1 400 "));
}

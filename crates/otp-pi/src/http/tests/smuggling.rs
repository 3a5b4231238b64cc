//! Requests whose end two programs could see in two places: none is answered but by a refusal, and what follows is not read.

use super::*;

/// A second request, whose answer would show that the first was taken to end before it.
const SECOND: &str = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n";

/// A request with these header lines, in place of a length of its own.
fn with(fields: &str, body: &str) -> String {
    format!("POST /api/otp HTTP/1.1\r\nHost: h\r\n{LOGIN}{fields}\r\n{body}")
}

fn chunks(body: &str) -> String {
    with("Transfer-Encoding: chunked\r\n", body)
}

/// Sends what is malformed, with a request behind it; returns the one answer.
async fn refused(server: &Server, malformed: &str) -> String {
    let mut client = server.connect().await;
    // A gateway that has closed already does not take the second any more.
    drop(client.stream.write_all(format!("{malformed}{SECOND}").as_bytes()).await);
    let all = client.end().await;
    assert!(all.is_empty() || all.starts_with("HTTP/1.1 4"), "{malformed:?} got {all}");
    assert!(all.matches("HTTP/1.1 ").count() <= 1, "{malformed:?} got two answers: {all}");
    all
}

/// The request is refused with 400, and nothing else is answered.
async fn check(server: &Server, malformed: &str) {
    let answer = refused(server, malformed).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{malformed:?} got {answer:?}");
}

#[tokio::test]
async fn lengths_that_contradict_or_repeat_are_refused() {
    let server = Server::start(Settings::default()).await;
    let length = ECHO.len();
    let fine = with(&format!("Content-Length: {length}\r\n"), ECHO);
    assert_eq!(server.ask(&fine).await.body, ECHOED, "what is refused below is refused for its length");
    let chunked = format!("{length:x}\r\n{ECHO}\r\n0\r\n\r\n");
    for fields in [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n".to_owned(),
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n".to_owned(),
    ] {
        check(&server, &with(&fields, &chunked)).await;
        check(&server, &with(&fields, ECHO)).await;
    }
    for fields in [
        format!("Content-Length: {length}\r\nContent-Length: {length}\r\n"),
        format!("Content-Length: {length}\r\nContent-Length: 0\r\n"),
        format!("Content-Length: 0\r\ncontent-length: {length}\r\n"),
    ] {
        check(&server, &with(&fields, ECHO)).await;
    }
    for value in [
        format!("+{length}"),
        format!("-{length}"),
        format!("{length},{length}"),
        format!("{length}, {length}"),
        format!("{length} {length}"),
        format!("{length};"),
        format!("0x{length:x}"),
        format!("{length}.0"),
        format!("\"{length}\""),
        String::new(),
        "18446744073709551649".to_owned(),
        "99999999999999999999".to_owned(),
        "\u{ff13}\u{ff13}".to_owned(),
    ] {
        check(&server, &with(&format!("Content-Length: {value}\r\n"), ECHO)).await;
    }
}

#[tokio::test]
async fn codings_other_than_one_chunked_are_refused() {
    let server = Server::start(Settings::default()).await;
    let body = format!("{:x}\r\n{ECHO}\r\n0\r\n\r\n", ECHO.len());
    assert_eq!(server.ask(&with("Transfer-Encoding: \tchunked \r\n", &body)).await.body, ECHOED);
    for value in [
        "gzip",
        "identity",
        "",
        "chunked, gzip",
        "gzip, chunked",
        "chunked, chunked",
        "chunked,",
        ", chunked",
        "xchunked",
        "chunkedx",
        "chunked;q=1",
        "\"chunked\"",
        "chun\u{212a}ed",
        "chunked\r\nTransfer-Encoding: chunked",
        "chunked\r\nTransfer-Encoding: identity",
        "gzip\r\nTransfer-Encoding: chunked",
        "\u{b}chunked",
    ] {
        check(&server, &with(&format!("Transfer-Encoding: {value}\r\n"), &body)).await;
        check(&server, &with(&format!("Transfer-Encoding: {value}\r\n"), ECHO)).await;
    }
    let old = chunks(&body).replace("HTTP/1.1", "HTTP/1.0");
    check(&server, &old).await;
}

#[tokio::test]
async fn lines_that_begin_or_end_in_another_way_are_refused() {
    let server = Server::start(Settings::default()).await;
    let length = format!("Content-Length: {}\r\n", ECHO.len());
    for fields in [
        format!("X-A: a\r\n b\r\n{length}"),
        format!("X-A: a\r\n\tb\r\n{length}"),
        format!(" {length}"),
        length.replace(':', " :"),
        length.replace(':', "\t:"),
        length.replace('\r', ""),
        format!("X-A: b\n{length}"),
        format!("X-A: b\rContent-Length: 0\r\n{length}"),
        format!("X-A: b\r\r\n{length}"),
        format!("X-A: b\0\r\n{length}"),
        format!("X\0A: b\r\n{length}"),
        format!("X-A: b\u{7f}\r\n{length}"),
        format!("X-A: b\u{8}\r\n{length}"),
        format!("X A: b\r\n{length}"),
        format!("X-A\r\n{length}"),
        format!(": b\r\n{length}"),
        format!("X-\u{fc}: b\r\n{length}"),
        format!("{length}\n"),
        format!("X-A: \n\r\n{length}"),
    ] {
        check(&server, &with(&fields, ECHO)).await;
    }
    let bare = with(&length, ECHO).replace("\r\n", "\n");
    check(&server, &bare).await;
}

#[tokio::test]
async fn hosts_are_told_once_and_alike() {
    let server = Server::start(Settings::default()).await;
    let head =
        |start: &str, fields: &str| format!("{start}\r\n{LOGIN}{fields}Content-Length: {}\r\n\r\n{ECHO}", ECHO.len());
    for (start, fields) in [
        ("POST /api/otp HTTP/1.0", ""),
        ("POST http://h/api/otp HTTP/1.1", "Host: h\r\n"),
        ("POST http://H:8899/api/otp HTTP/1.1", "Host: h:8899\r\n"),
        ("POST /api/otp HTTP/1.1", "Host: [::1]:8899\r\n"),
        ("POST /api/otp HTTP/1.1", "Host:\r\n"),
    ] {
        assert_eq!(server.ask(&head(start, fields)).await.status, 200, "{start:?} {fields:?}");
    }
    for (start, fields) in [
        ("POST /api/otp HTTP/1.1", ""),
        ("POST /api/otp HTTP/1.1", "Host: h\r\nHost: h\r\n"),
        ("POST /api/otp HTTP/1.1", "Host: h\r\nHost: other\r\n"),
        ("POST /api/otp HTTP/1.0", "Host: h\r\nHost: h\r\n"),
        ("POST /api/otp HTTP/1.1", "Host: h, other\r\n"),
        ("POST /api/otp HTTP/1.1", "Host: h other\r\n"),
        ("POST /api/otp HTTP/1.1", "Host: h/api\r\n"),
        ("POST /api/otp HTTP/1.1", "Host: user@h\r\n"),
        ("POST http://other/api/otp HTTP/1.1", "Host: h\r\n"),
        ("POST http://h:80/api/otp HTTP/1.1", "Host: h:81\r\n"),
        ("POST http://h@other/api/otp HTTP/1.1", "Host: h\r\n"),
        ("POST http://h/api/otp HTTP/1.1", ""),
    ] {
        check(&server, &head(start, fields)).await;
    }
}

#[tokio::test]
async fn request_lines_have_three_words_and_a_known_version() {
    let server = Server::start(Settings::default()).await;
    for line in [
        "POST /api/otp",
        "GET /healthz\r\nHost: h",
        "POST  /api/otp HTTP/1.1",
        "POST /api/otp  HTTP/1.1",
        "POST /api/otp HTTP/1.1 ",
        " POST /api/otp HTTP/1.1",
        "POST\t/api/otp\tHTTP/1.1",
        "POST /api /otp HTTP/1.1",
        "POST /api/otp http/1.1",
        "POST /api/otp HTTP/1.2",
        "POST /api/otp HTTP/2.0",
        "POST /api/otp HTTP/0.9",
        "POST /api/otp HTTP/1.10",
        "POST /api/otp HTTP/11",
        "POST api/otp HTTP/1.1",
        "POST HTTP/1.1",
        "P\0ST /api/otp HTTP/1.1",
        "P:ST /api/otp HTTP/1.1",
        "POST /api\0/otp HTTP/1.1",
        "POST /api\u{7f}/otp HTTP/1.1",
        "PRI * HTTP/2.0",
    ] {
        let whole = format!("{line}\r\nHost: h\r\n{LOGIN}Content-Length: {}\r\n\r\n{ECHO}", ECHO.len());
        check(&server, &whole).await;
    }
}

#[tokio::test]
async fn chunks_are_counted_to_the_letter() {
    let server = Server::start(Settings::default()).await;
    let size = format!("{:x}", ECHO.len());
    for body in [
        format!("{size}\r\n{ECHO}\r\n0\r\n\r\n"),
        format!("0{}\r\n{ECHO}\r\n000\r\n\r\n", size.to_uppercase()),
        format!("{size};name=\"a value\"\r\n{ECHO}\r\n0\r\n\r\n"),
        format!("{size}\r\n{ECHO}\r\n0\r\nX-Checksum: 1\r\n\r\n"),
    ] {
        assert_eq!(server.ask(&chunks(&body)).await.body, ECHOED, "{body:?}");
    }
    for body in [
        format!("{size} \r\n{ECHO}\r\n0\r\n\r\n"),
        format!(" {size}\r\n{ECHO}\r\n0\r\n\r\n"),
        format!("\t{size}\r\n{ECHO}\r\n0\r\n\r\n"),
        format!("+{size}\r\n{ECHO}\r\n0\r\n\r\n"),
        format!("-{size}\r\n{ECHO}\r\n0\r\n\r\n"),
        format!("0x{size}\r\n{ECHO}\r\n0\r\n\r\n"),
        format!("{size}\n{ECHO}\r\n0\r\n\r\n"),
        format!("{size}\r{ECHO}\r\n0\r\n\r\n"),
        format!("{size}\r\n{ECHO}0\r\n\r\n"),
        format!("{size}\r\n{ECHO}\n0\r\n\r\n"),
        format!("{size}\r\n{ECHO}x\r\n0\r\n\r\n"),
        format!("\r\n{size}\r\n{ECHO}\r\n0\r\n\r\n"),
        format!("g\r\n{ECHO}\r\n0\r\n\r\n"),
        format!("{size}\r\n{ECHO}\r\n-0\r\n\r\n"),
        format!("{size}\r\n{ECHO}\r\n0\n\n"),
        format!("{size}\r\n{ECHO}\r\n0\r\n\n"),
        format!("0000000000{size}\r\n{ECHO}\r\n0\r\n\r\n"),
        format!("1000000000000000{size}\r\n{ECHO}\r\n0\r\n\r\n"),
        format!("{size};a\nb\r\n{ECHO}\r\n0\r\n\r\n"),
        format!("{size};a\0\r\n{ECHO}\r\n0\r\n\r\n"),
        format!("{size};{}\r\n{ECHO}\r\n0\r\n\r\n", "x".repeat(2000)),
        format!("{size}\r\n{ECHO}\r\n0;{}\r\n\r\n", "x".repeat(2000)),
        format!("{}0\r\n\r\n", ECHO.chars().map(|c| format!("1;{}\r\n{c}\r\n", "x".repeat(60))).collect::<String>()),
        format!("{size}\r\n{ECHO}\r\n0\r\nX-A: {}\r\n\r\n", "x".repeat(2000)),
        format!("{size}\r\n{ECHO}\r\n0\r\n{}\r\n", "X-A: a\r\n".repeat(500)),
        format!("{size}\r\n{ECHO}\r\n0\r\nContent-Length: 1\r\n\r\n"),
        format!("{size}\r\n{ECHO}\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        format!("{size}\r\n{ECHO}\r\n0\r\nHost: h\r\n\r\n"),
        format!("{size}\r\n{ECHO}\r\n0\r\nX-A : a\r\n\r\n"),
        format!("{size}\r\n{ECHO}\r\n0\r\nX-A: a\r\n b\r\n\r\n"),
    ] {
        check(&server, &chunks(&body)).await;
    }
}

#[tokio::test]
async fn what_came_before_a_malformed_request_is_answered() {
    let server = Server::start(Settings::default()).await;
    let mut client = server.connect().await;
    client.send(format!("{}{}{}", post(ECHO), chunked(&[ECHO]), with("Content-Length: +5\r\n", ECHO))).await;
    for _ in 0..2 {
        assert_eq!(client.answer().await.body, ECHOED);
    }
    let refusal = client.answer().await;
    assert_eq!((refusal.status, refusal.header("connection")), (400, Some("close")));
    assert_eq!(refusal.json()["error"], "the request is malformed");
    assert_eq!(client.end().await, "");
}

#[tokio::test]
async fn a_malformed_request_that_comes_byte_by_byte_is_refused_alike() {
    let server = Server::start(Settings::default()).await;
    let mut client = server.connect().await;
    for byte in with("Content-Length: 5\r\nContent-Length: 5\r\n", "").bytes() {
        if client.stream.write_all(&[byte]).await.is_err() {
            break;
        }
    }
    assert_eq!(client.answer().await.status, 400);
    assert_eq!(client.end().await, "");
}

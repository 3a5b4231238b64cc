use proptest::prelude::*;

use super::*;

const HEAD: &str = "POST / HTTP/1.1\r\nHost: h\r\n";

fn judged(bytes: &str) -> Result<(), Refusal> {
    Framing::default().judge(bytes.as_bytes()).map_err(|(_, refusal)| refusal)
}

#[test]
fn what_clients_send_is_handed_on() {
    for request in [
        "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "\r\nGET /x?y=%20 HTTP/1.1\r\nhOST:h:8899\r\nX-Empty:\r\nX-Folded: a\t b \r\nX-Latin: \u{fc}\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [::1]:8899\r\n\r\n",
        "GET http://H:8899/x HTTP/1.1\r\nHost: h:8899\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
        "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n",
        &format!("{HEAD}Content-Length: 4\r\n\r\n\n\n\n\n{HEAD}\r\n"),
        &format!("{HEAD}Content-Length: 0\r\n\r\n{HEAD}\r\n"),
        &format!("{HEAD}Transfer-Encoding: Chunked\r\n\r\nA;x=\"y\"\r\n0123456789\r\n000\r\nX-T: v\r\n\r\n{HEAD}\r\n"),
    ] {
        assert_eq!(judged(request), Ok(()), "{request:?}");
    }
}

#[test]
fn the_end_of_a_refused_line_is_never_handed_on() {
    for (handed_on, held_back) in [
        ("GET / HTTP/1.1", "\n"),
        ("GET / HTTP/1.1\r\nHost : h\r", "\nX-A: a\r\n\r\n"),
        ("GET / HTTP/1.1\r\n\r", "\n"),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r", "\n\r\n"),
    ] {
        let judged = Framing::default().judge(format!("{handed_on}{held_back}").as_bytes());
        assert_eq!(judged, Err((handed_on.len(), Refusal::Head)), "{handed_on:?}");
    }
}

#[test]
fn a_line_is_not_kept_beyond_what_a_head_may_be_long() {
    let mut framing = Framing::default();
    let long = [b'a'; 1000];
    let refusal = (0..100).find_map(|_| framing.judge(&long).err()).expect("refused");
    assert_eq!(refusal, (0, Refusal::HeadTooLong));
    assert!(framing.line.len() <= LINE_BYTES);
}

#[test]
fn between_two_requests_nothing_is_kept() {
    let mut framing = Framing::default();
    for piece in [HEAD, "X-A: 1", "\r", "\n\r\n"] {
        framing.judge(piece.as_bytes()).unwrap();
    }
    assert_eq!(framing.line.capacity(), 0);
}

/// The bytes that decide, more often than by chance.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        HEAD,
        "\r\n",
        "\n",
        "\r",
        " ",
        "\0",
        "5",
        "0\r\n",
        "5\r\nabcde\r\n",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "X: y\r\n",
        "abcde",
        ";x",
    ]);
    prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn bytes_in_pieces_are_judged_as_the_whole(bytes in bytes(), pieces in 1_usize..9) {
        let whole = Framing::default().judge(&bytes);
        let mut framing = Framing::default();
        let mut before = 0;
        let mut in_pieces = Ok(());
        for piece in bytes.chunks(pieces) {
            if let Err((at, refusal)) = framing.judge(piece) {
                in_pieces = Err((before + at, refusal));
                break;
            }
            before += piece.len();
        }
        prop_assert_eq!(in_pieces, whole);
    }
}

//! The `Authorization` header.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use otp_pi::http::auth::Login;

/// What is taken has a user and a password, and is taken alike however it is written; and every login can be written.
pub fn basic_header(bytes: &[u8]) {
    if let Some(login) = Login::parse(bytes) {
        assert!(!login.username().is_empty() && !login.password().is_empty());
        assert!(!login.username().contains(':'), "the first colon ends the name");
        assert!(bytes.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic ")));
        check(login.username(), login.password());
    }
    // The same bytes as what a person typed.
    if let Some((username, password)) = std::str::from_utf8(bytes).ok().and_then(|text| text.split_once(':')) {
        if username.is_empty() || password.is_empty() {
            assert!(Login::parse(&written(username, password)).is_none(), "an empty name or password");
        } else {
            check(username, password);
        }
    }
}

fn written(username: &str, password: &str) -> Vec<u8> {
    format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))).into_bytes()
}

fn check(username: &str, password: &str) {
    let header = written(username, password);
    let bare = header.strip_suffix(b"==").or(header.strip_suffix(b"=")).unwrap_or(&header);
    let shouted = [b"BASIC ".as_slice(), &header[6..]].concat();
    let spaced = [b"basic  ".as_slice(), &header[6..], b" "].concat();
    for header in [&header[..], bare, &shouted, &spaced] {
        let login = Login::parse(header).expect("a login that was written down");
        assert_eq!((login.username(), login.password()), (username, password));
    }
    assert!(Login::parse(&[b"Bearer ".as_slice(), &header[6..]].concat()).is_none());
}

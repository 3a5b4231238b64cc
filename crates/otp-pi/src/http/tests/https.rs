//! HTTPS over real sockets: what a client gets, what a broken one cannot do, and the change of the certificate.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::authority::{Authority, Files, client_of, machine, reload};
use super::{Client, DEADLINE, ECHO, ECHOED, LOGIN, Readiness, SOON, Server, Settings, Transport, post, request};
use crate::http::tls::{Certificates, TlsError};

/// A TLS record that promises 512 bytes of a handshake and brings one.
const HALF_A_HELLO: [u8; 6] = [22, 3, 1, 2, 0, 1];

/// An HTTPS listener with a certificate of an authority of its own.
pub(super) struct Https {
    pub(super) server: Server,
    files: Files,
    certificates: Certificates,
    pub(super) authority: Authority,
}

impl Https {
    pub(super) async fn start(settings: Settings) -> Self {
        let authority = Authority::new();
        let issued = authority.issue("gateway", 2030);
        let files = Files::with(&issued.certificate, &issued.key);
        let certificates = files.load(&files.settings());
        let server = serve(&certificates, settings).await;
        Self { server, files, certificates, authority }
    }

    pub(super) async fn connect(&self, client: &Arc<ClientConfig>) -> std::io::Result<Client<TlsStream<TcpStream>>> {
        connect(&self.server, client, "gateway").await
    }

    /// A connection of a client that never came before.
    pub(super) async fn fresh(&self) -> Client<TlsStream<TcpStream>> {
        self.connect(&Arc::new(self.authority.client())).await.unwrap()
    }
}

async fn serve(certificates: &Certificates, settings: Settings) -> Server {
    let ready = Readiness { ready: true, degraded: Vec::new() };
    Server::start_over(Transport::Tls(certificates.clone()), settings, ready).await
}

async fn connect(
    server: &Server,
    client: &Arc<ClientConfig>,
    name: &'static str,
) -> std::io::Result<Client<TlsStream<TcpStream>>> {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let agreed = TlsConnector::from(Arc::clone(client)).connect(ServerName::try_from(name).unwrap(), stream);
    Ok(Client { stream: timeout(DEADLINE, agreed).await.unwrap()?, unread: Vec::new() })
}

fn certificate_of(client: &Client<TlsStream<TcpStream>>) -> CertificateDer<'static> {
    client.stream.get_ref().1.peer_certificates().unwrap().first().unwrap().clone()
}

async fn echo(client: &mut Client<TlsStream<TcpStream>>) {
    client.send(post(ECHO)).await;
    assert_eq!(client.answer().await.body, ECHOED);
}

#[tokio::test]
async fn both_versions_of_tls_carry_requests() {
    let https = Https::start(Settings::default()).await;
    for version in [&TLS12, &TLS13] {
        let mut config = https.authority.client_of_version(version);
        config.alpn_protocols = vec![b"http/1.1".to_vec(), b"http/1.0".to_vec()];
        let mut client = https.connect(&Arc::new(config)).await.unwrap();
        assert_eq!(client.stream.get_ref().1.protocol_version(), Some(version.version));
        assert_eq!(client.stream.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
        echo(&mut client).await;
        echo(&mut client).await;
    }
}

#[tokio::test]
async fn a_client_that_wants_another_protocol_is_refused_in_the_handshake() {
    let https = Https::start(Settings::default()).await;
    let mut config = https.authority.client();
    config.alpn_protocols = vec![b"spdy/3".to_vec()];
    assert!(https.connect(&Arc::new(config)).await.is_err());
    echo(&mut https.fresh().await).await;
}

#[tokio::test]
async fn clients_that_trust_the_self_signed_certificate_reach_it_by_any_of_its_names() {
    let files = Files::empty();
    let server = serve(&files.load(&files.self_signed()), Settings::default()).await;
    let client = Arc::new(client_of(files.made()));
    for name in ["localhost", "127.0.0.1", "::1", "gateway", "gateway.local", "198.51.100.4", "192.0.2.7"] {
        echo(&mut connect(&server, &client, name).await.unwrap()).await;
    }
    assert!(connect(&server, &client, "example.org").await.is_err());
}

#[tokio::test]
async fn the_chain_is_served_in_order_so_that_the_root_is_enough() {
    let root = Authority::new();
    let intermediate = root.intermediate();
    let issued = intermediate.issue("gateway", 2030);
    let files = Files::with(&format!("{}{}", issued.certificate, intermediate.pem()), &issued.key);
    let server = serve(&files.load(&files.settings()), Settings::default()).await;
    let mut client = connect(&server, &Arc::new(root.client()), "gateway").await.unwrap();
    echo(&mut client).await;
    assert_eq!(client.stream.get_ref().1.peer_certificates().map(<[_]>::len), Some(2));
}

#[tokio::test]
async fn an_expired_certificate_is_served_all_the_same() {
    let issued = Authority::new().issue("gateway", 2020);
    let files = Files::with(&issued.certificate, &issued.key);
    let server = serve(&files.load(&files.settings()), Settings::default()).await;
    let client = Arc::new(client_of(issued.der));
    let error = connect(&server, &client, "gateway").await.err().unwrap();
    assert!(error.to_string().contains("expired"), "it is the client who refuses it: {error}");
}

#[tokio::test]
async fn after_a_reload_new_connections_get_the_new_certificate_and_old_ones_go_on() {
    let https = Https::start(Settings::default()).await;
    let known = Arc::new(https.authority.client());
    let mut old = https.connect(&known).await.unwrap();
    echo(&mut old).await;
    let before = certificate_of(&old);

    let issued = https.authority.issue("gateway", 2031);
    https.files.write(&issued.certificate, &issued.key);
    let replacement = https.certificates.read(&https.files.settings()).unwrap();
    assert_eq!(certificate_of(&https.fresh().await), before, "what was read is not in service yet");
    drop(replacement);
    let summary = reload(&https.certificates, &https.files.settings()).unwrap();
    assert_eq!(https.certificates.summary(), summary);

    let mut new = https.connect(&known).await.unwrap();
    assert_eq!(certificate_of(&new), issued.der);
    assert_eq!(
        new.stream.get_ref().1.handshake_kind(),
        Some(HandshakeKind::Full),
        "no session outlives its certificate"
    );
    echo(&mut new).await;
    echo(&mut old).await;
    assert_eq!(certificate_of(&old), before);
}

#[tokio::test]
async fn a_bad_new_pair_leaves_the_old_one_in_service() {
    let https = Https::start(Settings::default()).await;
    let before = https.certificates.summary();
    let issued = https.authority.issue("gateway", 2031);
    let other = https.authority.issue("gateway", 2031);
    https.files.write(&issued.certificate, &other.key);
    let error = reload(&https.certificates, &https.files.settings()).unwrap_err();
    assert!(matches!(error, TlsError::Mismatch { .. }), "{error}");
    https.files.write("", "");
    assert!(reload(&https.certificates, &https.files.settings()).is_err());
    assert_eq!(https.certificates.summary(), before);
    echo(&mut https.fresh().await).await;

    https.files.write(&issued.certificate, &issued.key);
    reload(&https.certificates, &https.files.settings()).unwrap();
    assert_eq!(certificate_of(&https.fresh().await), issued.der);
}

#[tokio::test]
async fn a_reload_may_change_from_files_to_self_signed_and_back() {
    let https = Https::start(Settings::default()).await;
    let own = https.certificates.summary();
    assert!(reload(&https.certificates, &https.files.self_signed()).unwrap().is_self_signed);
    let client = Arc::new(client_of(https.files.made()));
    echo(&mut https.connect(&client).await.unwrap()).await;
    assert_eq!(reload(&https.certificates, &https.files.settings()).unwrap(), own);
}

#[tokio::test]
async fn a_client_that_comes_again_resumes_its_session() {
    let https = Https::start(Settings::default()).await;
    for version in [&TLS12, &TLS13] {
        let client = Arc::new(https.authority.client_of_version(version));
        let mut kinds = Vec::new();
        for _ in 0..3 {
            let mut connection = https.connect(&client).await.unwrap();
            echo(&mut connection).await;
            kinds.push(connection.stream.get_ref().1.handshake_kind().unwrap());
        }
        assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed], "{version:?}");
    }
}

#[tokio::test]
async fn a_stalled_handshake_is_dropped_and_others_are_served_meanwhile() {
    let https = Https::start(Settings { handshake_timeout: Duration::from_millis(400), ..Settings::default() }).await;
    let silent = https.server.connect().await;
    let mut halting = https.server.connect().await;
    halting.send(HALF_A_HELLO).await;
    let mut alive = https.fresh().await;
    echo(&mut alive).await;
    assert_eq!((silent.end().await, halting.end().await), (String::new(), String::new()));
    echo(&mut alive).await;
}

#[tokio::test]
async fn what_does_not_speak_tls_is_told_so_and_closed() {
    let https = Https::start(Settings::default()).await;
    let answer = https.server.ask(&post(ECHO)).await;
    assert_eq!((answer.status, answer.header("connection")), (400, Some("close")));
    assert!(answer.json()["error"].as_str().unwrap().contains("https://"));
    for bytes in ["GET / HTTP/1.0\r\n\r\n", "SSH-2.0-x\r\n", "\0", "x"] {
        let mut client = https.server.connect().await;
        client.send(bytes).await;
        client.stream.shutdown().await.unwrap();
        assert!(client.end().await.starts_with("HTTP/1.1 400 "), "{bytes:?}");
    }
    for bytes in [&[22, 3, 1, 0, 4, 1, 0, 0, 0][..], &[22, 255, 255, 0, 1, 0], &[22; 600]] {
        let mut client = https.server.connect().await;
        client.send(bytes).await;
        client.stream.shutdown().await.unwrap();
        while client.read_more().await {}
        assert!(client.unread.first().is_none_or(|kind| *kind == 21), "an alert or nothing: {:?}", client.unread);
    }
    https.server.connect().await.stream.shutdown().await.unwrap();
    echo(&mut https.fresh().await).await;
}

#[tokio::test]
async fn over_the_cap_an_encrypted_connection_is_told_when_to_come_again() {
    let https = Https::start(Settings { max_connections: 2, ..Settings::default() }).await;
    let mut first = https.fresh().await;
    echo(&mut first).await;
    // A handshake that has not ended holds a place too.
    let stalled = https.server.connect().await;
    let refused = async {
        loop {
            let mut client = https.fresh().await;
            let answer = timeout(SOON, client.answer()).await;
            if let Ok(answer) = answer {
                break answer;
            }
        }
    };
    let refused = timeout(DEADLINE, refused).await.unwrap();
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    echo(&mut first).await;
    drop(stalled);
    let room = async {
        loop {
            let mut client = https.fresh().await;
            client.send(post(ECHO)).await;
            if client.answer().await.status == 200 {
                break;
            }
        }
    };
    timeout(DEADLINE, room).await.unwrap();
}

#[tokio::test]
async fn stalled_heads_and_bodies_end_over_tls_as_they_do_without() {
    let settings = Settings { header_timeout: SOON, body_timeout: SOON, ..Settings::default() };
    let https = Https::start(settings).await;
    let mut head = https.fresh().await;
    head.send("POST /api/otp HTTP/1.1\r\nHost: h\r\nX-A: ").await;
    let mut body = https.fresh().await;
    body.send(format!("POST /api/otp HTTP/1.1\r\nHost: h\r\n{LOGIN}Content-Length: 100\r\n\r\n{{")).await;
    assert_eq!(body.answer().await.status, 408);
    let last = head.end().await;
    assert!(last.is_empty() || last.starts_with("HTTP/1.1 408"), "{last}");
    let mut idle = https.fresh().await;
    echo(&mut idle).await;
    assert!(timeout(SOON * 6, idle.read_more()).await.is_err(), "closed while idle");
    echo(&mut idle).await;
}

#[tokio::test]
async fn a_client_may_say_goodbye_and_still_gets_its_answer() {
    let https = Https::start(Settings::default()).await;
    let mut client = https.fresh().await;
    client.send(post(ECHO)).await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.answer().await.body, ECHOED);
}

#[tokio::test]
async fn the_stop_ends_idle_connections_and_handshakes_and_lets_a_request_end() {
    let https = Https::start(Settings::default()).await;
    let (silent, mut halting) = (https.server.connect().await, https.server.connect().await);
    halting.send(HALF_A_HELLO).await;
    let mut idle = https.fresh().await;
    echo(&mut idle).await;
    let mut under_way = https.fresh().await;
    let (first, second) = ECHO.split_at(5);
    let head = request("POST", "/api/otp", &format!("{LOGIN}Expect: 100-continue\r\n"), ECHO).replace(ECHO, first);
    under_way.send(head).await;
    assert_eq!(under_way.answer().await.status, 100);
    https.server.stop.cancel();
    assert_eq!((silent.end().await, halting.end().await, idle.end().await), Default::default());
    under_way.send(second).await;
    assert_eq!(under_way.answer().await.body, ECHOED);
    https.server.ended().await;
}

#[test]
fn what_is_printed_of_a_certificate_is_no_secret() {
    let issued = Authority::new().issue("gateway", 2030);
    let files = Files::with(&issued.certificate, &issued.key);
    let certificates = Certificates::load(&files.settings(), machine(), super::authority::clock()).unwrap();
    let printed = format!("{certificates:?} {:?}", Transport::Tls(certificates.clone()));
    assert!(printed.contains("fingerprint"));
    assert!(!printed.contains(issued.key.lines().nth(1).unwrap()));
}

//! Thousands of clients that stall in every way there is: each costs a socket for its time, and others are served meanwhile.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrV4, SocketType, bind, connect, socket};
use serde_json::json;

use crate::harness::{Emulator, Gateway, PASSWORD, PATIENCE, Setup, USER, authorization, code_in, pause, wait_for};

/// Of each kind.
const STALLED: usize = 1000;

/// What a stalled client may cost in memory, in KiB: its buffers, and what the kernel is not asked for.
const MOST_KIB: usize = 64;

/// Of each kind from an address of its own, so that none of them is that of the others.
fn connect_from(source: Ipv4Addr, address: SocketAddr) -> TcpStream {
    let SocketAddr::V4(address) = address else { panic!("{address} is not IPv4") };
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddrV4::new(source, 0)).unwrap();
    connect(&socket, &SocketAddrV4::new(*address.ip(), address.port())).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn stall(source: [u8; 4], address: SocketAddr, said: &str) -> Vec<TcpStream> {
    (0..STALLED)
        .map(|_| {
            let mut stream = connect_from(source.into(), address);
            stream.write_all(said.as_bytes()).unwrap();
            stream
        })
        .collect()
}

/// What a stalled client was told before its connection was closed.
fn last_words(mut stream: TcpStream) -> String {
    let mut all = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => all.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("still open: {error}"),
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// The most memory that the gateway ever had, in KiB.
fn most_memory(gateway: &Gateway) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn thousands_of_stalled_clients_cost_a_socket_each_and_hold_up_nobody() {
    let emulator = Emulator::start(1, &[]);
    let mut setup = Setup::with(&emulator);
    setup.api = "https_listen = \"127.0.0.1:0\"\nmax_connections = 3000\nmax_connections_per_address = 1000".to_owned();
    let gateway = setup.start();
    let secure = wait_for("the address with TLS", || {
        let log = gateway.log();
        log.split("api.https_address=").nth(1)?.split_whitespace().next()?.trim_matches('"').parse().ok()
    });
    let ask = |command: &str, data| gateway.ask(command, data)["response_code"].as_str().unwrap().to_owned();
    assert_eq!(ask("echo", json!({})), "000");
    let before = most_memory(&gateway);

    let login = authorization(USER, PASSWORD);
    let head = format!("POST /api/otp HTTP/1.1\r\nHost: g\r\nAuthorization: {login}\r\nContent-Length: 500\r\n\r\n");
    let mut heads = stall([127, 0, 0, 2], gateway.address, "POST /api/otp HTTP/1.1\r\nX-A: ");
    let bodies = stall([127, 0, 0, 3], gateway.address, &format!("{head}{{\"command\":"));
    let handshakes = stall([127, 0, 0, 4], secure, "\u{16}\u{3}\u{1}");
    // The slow ones of Loris: a byte now and then, each of which looks like life.
    let trickle = std::thread::spawn(move || {
        for _ in 0..4 {
            for stream in &mut heads {
                let _gone = stream.write_all(b"a");
            }
            pause(Duration::from_millis(500));
        }
        heads
    });

    for number in 0..20 {
        let reference = format!("flood-{number}");
        let message = format!("{reference}: %s");
        let create = json!({"reference": reference, "receiver": "08126666666", "message": message});
        assert_eq!(ask("create-otp", create), "000");
        let code = code_in(&emulator.text_with(&format!("{reference}: ")), 6);
        let guess = json!({"reference": reference, "receiver": "08126666666", "otp": code});
        assert_eq!(ask("validate-otp", guess), "000");
    }

    for stream in trickle.join().unwrap() {
        assert_eq!(last_words(stream), "", "a head that does not end");
    }
    for stream in bodies {
        let words = last_words(stream);
        assert!(words.starts_with("HTTP/1.1 408 "), "a body that does not come: {words:?}");
    }
    for stream in handshakes {
        assert_eq!(last_words(stream), "", "a handshake that does not end");
    }
    assert_eq!(ask("echo", json!({})), "000");
    let each = (most_memory(&gateway) - before) / (3 * STALLED);
    assert!(each <= MOST_KIB, "each stalled client cost {each} KiB");
}

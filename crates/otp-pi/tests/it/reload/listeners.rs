//! Listeners that come, go and move, certificates that change, and changes that cannot be had.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};

use serde_json::json;

use super::{ECHO, api_user, status_of};
use crate::harness::{Client, Emulator, Gateway, HeldDatabase, Setup, authorization, operate, skip, wait_for};
use crate::https::{Owner, addresses, connect};

/// An address that is free now, on this host.
fn free(host: &str) -> SocketAddr {
    TcpListener::bind((host, 0)).unwrap().local_addr().unwrap()
}

fn answers(address: SocketAddr) -> bool {
    let Ok(mut client) = Client::try_connect(address) else { return false };
    client.try_ask("echo", &json!({})).is_ok_and(|answer| answer["response_code"] == "000")
}

fn is_refused(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

fn listening_on(addresses: &[SocketAddr]) -> Setup {
    let list: Vec<String> = addresses.iter().map(|address| format!("\"{address}\"")).collect();
    let mut setup = Setup::without_modems();
    setup.listen = format!("[{}]", list.join(", "));
    setup
}

#[test]
fn listeners_come_and_go_and_those_that_stay_keep_their_connections() {
    let (stays, goes, comes) = (free("127.0.0.1"), free("127.0.0.1"), free("127.0.0.1"));
    let gateway = listening_on(&[stays, goes]).start();
    wait_for("both", || (answers(stays) && answers(goes)).then_some(()));
    let (mut kept, mut ended) = (Client::connect(stays), Client::connect(goes));
    assert!(kept.try_ask("echo", &json!({})).is_ok() && ended.try_ask("echo", &json!({})).is_ok());
    let log = gateway.reload_as(&listening_on(&[comes, stays]));
    assert!(log.contains("not listening there any more"), "{log}");
    assert!(answers(comes) && answers(stays));
    wait_for("the end of the old listener", || is_refused(goes).then_some(()));
    assert_eq!(kept.ask("echo", json!({}))["response_code"], "000", "on its old connection");
    // The other one is closed in order when it is idle.
    assert!(ended.try_ask("echo", &json!({})).is_err());
    let mut gateway = gateway;
    assert!(gateway.is_alive());
}

#[test]
fn what_is_asked_of_a_listener_that_goes_is_answered() {
    let emulator = Emulator::start(1, &["--air-time", "1s"]);
    let (stays, goes) = (free("127.0.0.1"), free("127.0.0.1"));
    let mut setup = listening_on(&[stays, goes]);
    setup.modems.clone_from(&emulator.modems);
    setup.api = "wait = \"sent\"".to_owned();
    let gateway = setup.start();
    gateway.wait_for_modems(1);
    let asked = std::thread::spawn(move || {
        Client::connect(goes).ask("send-sms", json!({"receiver": "08126666666", "message": "in flight"}))
    });
    emulator.text_with("in flight");
    setup.listen = format!("\"{stays}\"");
    gateway.reload_as(&setup);
    assert_eq!(asked.join().unwrap()["data"]["state"], "sent");
}

#[test]
fn the_same_port_moves_to_another_address_and_back() {
    let narrow = free("127.0.0.1");
    let wide = SocketAddr::from(([0, 0, 0, 0], narrow.port()));
    let other = SocketAddr::from(([127, 0, 0, 2], narrow.port()));
    let gateway = listening_on(&[narrow]).start();
    assert!(answers(narrow) && is_refused(other));
    gateway.reload_as(&listening_on(&[wide]));
    assert!(answers(narrow) && answers(other));
    gateway.reload_as(&listening_on(&[other]));
    assert!(answers(other));
    wait_for("the end of the wide one", || is_refused(narrow).then_some(()));
    gateway.reload_as(&listening_on(&[other, narrow]));
    assert!(answers(other) && answers(narrow));
}

#[test]
fn the_same_address_changes_from_http_to_https_and_back() {
    let (always, changes) = (free("127.0.0.1"), free("127.0.0.1"));
    let gateway = listening_on(&[always, changes]).start();
    let mut setup = listening_on(&[always]);
    setup.api = format!("https_listen = \"{changes}\"");
    gateway.reload_as(&setup);
    let certificate = gateway.dir().join("data/tls/certificate.pem");
    assert_eq!(connect(changes, &certificate).ask("echo", json!({}))["response_code"], "000");
    gateway.reload_as(&listening_on(&[always, changes]));
    assert!(answers(changes));
}

#[test]
fn a_new_certificate_comes_with_a_reload_and_old_connections_go_on() {
    let (first, second) = (Owner::until(2034), Owner::until(2035));
    let gateway = first.setup().start();
    let address = wait_for("the HTTPS address", || addresses(&gateway.log(), 1))[0];
    let old = fs::read(first.path("a.pem")).unwrap();
    let old_file = gateway.dir().join("old.pem");
    fs::write(&old_file, &old).unwrap();
    let mut kept = connect(address, &old_file);
    assert_eq!(kept.ask("echo", json!({}))["response_code"], "000");
    for name in ["a.pem", "a.key"] {
        fs::copy(second.path(name), first.path(name)).unwrap();
    }
    assert!(gateway.reload().contains("valid until 2035-01-01"));
    assert_eq!(connect(address, &first.path("a.pem")).ask("echo", json!({}))["response_code"], "000");
    assert!(connect(address, &old_file).try_ask("echo", &json!({})).is_err(), "the old one is not served any more");
    assert_eq!(kept.ask("echo", json!({}))["response_code"], "000");

    // A pair that does not fit leaves the one that is in service.
    fs::write(first.path("a.pem"), &old).unwrap();
    let log = gateway.reload();
    assert!(log.contains("the settings stay as they were") && log.contains("tls."), "{log}");
    assert_eq!(connect(address, &second.path("a.pem")).ask("echo", json!({}))["response_code"], "000");
}

/// A gateway with everything that a reload can change, and what it is to be changed to but for the listeners.
struct Everything {
    emulator: Emulator,
    owner: Owner,
    gateway: Gateway,
    setup: Setup,
    https: SocketAddr,
    certificate: std::path::PathBuf,
}

impl Everything {
    fn start(listen: SocketAddr) -> Self {
        let (emulator, owner) = (Emulator::start(1, &[]), Owner::until(2034));
        let mut setup = owner.setup();
        setup.listen = format!("\"{listen}\"");
        setup.modems.clone_from(&emulator.modems);
        let gateway = setup.start();
        gateway.wait_for_modems(1);
        let https = wait_for("the HTTPS address", || addresses(&gateway.log(), 1))[0];
        let certificate = gateway.dir().join("first.pem");
        fs::copy(owner.path("a.pem"), &certificate).unwrap();
        let next = Owner::until(2035);
        for name in ["a.pem", "a.key"] {
            fs::copy(next.path(name), owner.path(name)).unwrap();
        }
        setup.api += "\nsuccess_code = \"0000\"";
        setup.log = "debug";
        setup.modem = "active = false".to_owned();
        setup.more += &api_user("app", "other");
        Self { emulator, owner, gateway, setup, https, certificate }
    }

    #[track_caller]
    fn nothing_has_changed(&self) {
        assert_eq!(self.gateway.ask("echo", json!({}))["response_code"], "000");
        assert_eq!(status_of(&self.gateway, "app", "other"), 401);
        assert_eq!(connect(self.https, &self.certificate).ask("echo", json!({}))["response_code"], "000");
        self.gateway.send_sentinel(&self.emulator, "08126666666", "sent as before");
        assert!(!self.gateway.log().contains("DEBUG"));
        let users = self.gateway.operate(&["api-user", "list"]);
        assert!(!users.told().contains("app"), "{users:?}");
    }

    #[track_caller]
    fn everything_has_changed(&self) {
        assert_eq!(self.gateway.ask("echo", json!({}))["response_code"], "0000");
        assert_eq!(status_of(&self.gateway, "app", "other"), 200);
        assert_eq!(connect(self.https, &self.owner.path("a.pem")).ask("echo", json!({}))["response_code"], "0000");
        wait_for("the end of the modem", || {
            let list = self.gateway.ask("get-modem-list", json!({}));
            (list["data"]["modem_list"]["m0"]["connected"] == false).then_some(())
        });
    }
}

#[test]
fn a_change_of_which_one_listener_cannot_be_had_changes_nothing_at_all() {
    let (listen, taken) = (free("127.0.0.1"), TcpListener::bind("127.0.0.1:0").unwrap());
    let mut all = Everything::start(listen);
    all.setup.listen = format!("[\"{listen}\", \"{}\"]", taken.local_addr().unwrap());
    all.gateway.rewrite(&all.setup);
    let log = all.gateway.reload();
    assert!(
        log.contains("the settings stay as they were") && log.contains("api.http_listen: cannot listen on"),
        "{log}"
    );
    all.nothing_has_changed();
    drop(taken);
    all.gateway.reload_as(&all.setup);
    all.everything_has_changed();
}

#[test]
fn a_listener_that_gave_way_for_one_that_cannot_be_had_comes_back() {
    let listen = free("127.0.0.1");
    let mut all = Everything::start(listen);
    // Our own listener is in the way of the wide one, and so is this one.
    let foreign = TcpListener::bind(("127.0.0.2", listen.port())).unwrap();
    all.setup.listen = format!("\"0.0.0.0:{}\"", listen.port());
    all.gateway.rewrite(&all.setup);
    let log = all.gateway.reload();
    assert!(log.contains("the settings stay as they were"), "{log}");
    all.nothing_has_changed();
    drop(foreign);
    all.gateway.reload_as(&all.setup);
    all.everything_has_changed();
    assert!(answers(listen) || status_of(&all.gateway, "app", "other") == 200);
}

#[test]
fn a_change_that_cannot_be_kept_is_not_put_into_force_and_who_gave_way_comes_back() {
    let listen = free("127.0.0.1");
    let mut all = Everything::start(listen);
    let Some(held) = HeldDatabase::hold(&all.gateway.dir().join("data")) else {
        return skip("a_change_that_cannot_be_kept…: needs python3");
    };
    all.setup.listen = format!("\"0.0.0.0:{}\"", listen.port());
    all.gateway.rewrite(&all.setup);
    let refused = all.gateway.operate(&["settings", "set", "otp.max_attempts", "4"]);
    assert!(refused.refused().contains("locked"), "{refused:?}");
    drop(held);
    assert!(is_refused(SocketAddr::from(([127, 0, 0, 2], listen.port()))));
    all.nothing_has_changed();
    all.gateway.operate(&["settings", "set", "otp.max_attempts", "4"]).told();
    all.everything_has_changed();
}

#[test]
fn an_address_of_another_machine_is_refused_and_nobody_gives_way() {
    let listen = free("127.0.0.1");
    let all = Everything::start(listen);
    let mut kept = Client::connect(listen);
    assert!(kept.try_ask("echo", &json!({})).is_ok());
    let mut setup = Setup::without_modems();
    // Of a network for documentation (RFC 5737).
    setup.listen = format!("\"192.0.2.1:{}\"", listen.port());
    all.gateway.rewrite(&setup);
    assert!(all.gateway.reload().contains("cannot listen on 192.0.2.1"));
    assert_eq!(kept.ask("echo", json!({}))["response_code"], "000", "its connection was not touched");
    all.nothing_has_changed();
}

#[test]
fn a_change_by_an_operator_that_cannot_be_had_is_not_kept_either() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = Setup::without_modems().start();
    let refused = gateway.operate(&["settings", "set", "api.https_listen", &taken.local_addr().unwrap().to_string()]);
    assert!(refused.refused().contains("api.https_listen: cannot listen on"), "{refused:?}");
    let list = gateway.operate(&["settings", "list", "api.https_listen"]);
    assert!(list.told().contains("(default)"), "{list:?}");
    // The next start would fail if it had been kept.
    let gateway = gateway.stop().restart();
    assert_eq!(gateway.ask("echo", json!({}))["response_code"], "000");
    let stopped = gateway.stop();
    let list = operate(stopped.dir(), &["settings", "list", "api.https_listen"]);
    assert!(list.told().contains("(default)"), "{list:?}");
}

#[test]
fn a_login_on_a_connection_that_is_not_read_any_more_is_no_reason_to_keep_the_old_listener() {
    let (stays, goes) = (free("127.0.0.1"), free("127.0.0.1"));
    let gateway = listening_on(&[stays, goes]).start();
    let mut stalled = Client::connect(goes);
    let login = authorization("user", "password");
    let head = format!("POST /api/otp HTTP/1.1\r\nHost: g\r\nAuthorization: {login}\r\nContent-Length: 28\r\n\r\n");
    stalled.raw(head.as_bytes()).unwrap();
    gateway.reload_as(&listening_on(&[stays]));
    wait_for("the end of the old listener", || is_refused(goes).then_some(()));
    // What was begun before is still answered.
    stalled.raw(ECHO).unwrap();
    assert_eq!(stalled.read().unwrap().status, 200);
}

//! `/metrics`: who may read it, that it is what Prometheus reads, and that it tells no secret.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};

use serde_json::json;

use super::{PHONE, daily, send, sim_use, with_lines};
use crate::harness::{Client, Emulator, authorization, skip};

/// Reads text format 0.0.4 strictly: every sample has the head of its family before it, every name and label is well formed, and no sample
/// comes twice. Answers the samples, written `name{label="value"}`.
fn read(text: &str) -> BTreeMap<String, f64> {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    assert!(text.ends_with('\n'), "the last line ends");
    let (mut family, mut has_type, mut families) = (String::new(), false, Vec::new());
    let mut samples = BTreeMap::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(is_name(name) && words.ends_with('.'), "{line}");
            assert!(!families.contains(&name.to_owned()), "{name} comes twice");
            (family, has_type) = (name.to_owned(), false);
            families.push(family.clone());
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(name == family && !has_type, "{line}");
            assert!(matches!(kind, "counter" | "gauge"), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            has_type = true;
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
            let (name, labels) = sample.split_once('{').map_or((sample, None), |(name, rest)| (name, Some(rest)));
            assert!(name == family && has_type, "{line} has no head");
            if let Some(labels) = labels {
                for label in labels.strip_suffix('}').unwrap().split("\",") {
                    let (label, text) = label.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
                    assert!(is_name(label) && !text.trim_end_matches('"').contains('"'), "{line}");
                }
            }
            let value = value.parse().unwrap_or_else(|error| panic!("{error} in {line}"));
            assert!(samples.insert(sample.to_owned(), value).is_none(), "{sample} comes twice");
        }
    }
    samples
}

fn scrape(address: SocketAddr, login: Option<&str>) -> (u16, String, String) {
    let response = Client::connect(address).request("GET", "/metrics", login, b"").unwrap();
    (response.status, response.head, String::from_utf8(response.body).unwrap())
}

#[test]
fn the_numbers_are_those_of_the_gateway_and_tell_no_secret() {
    let emulator = Emulator::start(2, &[]);
    let own = format!("recipient_prefixes = [\"62812\"]\nmonthly_limit = 20\ncost = 50\n{}", daily(10));
    let gateway = with_lines(&emulator, &[&own, "active = false"]).start();
    gateway.wait_for_modems(1);
    for number in 1..=3 {
        let id = send(&gateway, PHONE, &format!("very private {number}"));
        gateway.wait_for_state(&id, "sent");
    }
    let (status, head, text) = scrape(gateway.address, None);
    assert_eq!(status, 200);
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    let samples = read(&text);
    for (sample, value) in [
        ("otp_pi_modem_ready{modem=\"op1\"}", 1.0),
        ("otp_pi_modem_ready{modem=\"op2\"}", 0.0),
        ("otp_pi_modem_registered{modem=\"op1\"}", 1.0),
        ("otp_pi_modem_phase{modem=\"op1\",phase=\"ready\"}", 1.0),
        ("otp_pi_modem_quota_used{modem=\"op1\",quota=\"day\"}", 3.0),
        ("otp_pi_modem_quota_left{modem=\"op1\",quota=\"day\"}", 7.0),
        ("otp_pi_modem_quota_left{modem=\"op1\",quota=\"month\"}", 17.0),
        ("otp_pi_modem_month_cost{modem=\"op1\"}", 150.0),
        ("otp_pi_modem_messages_total{modem=\"op1\",state=\"sent\"}", 3.0),
        ("otp_pi_messages_total{state=\"sent\"}", 3.0),
        ("otp_pi_queue_messages", 0.0),
        ("otp_pi_queue_places", 100_000.0),
        ("otp_pi_store_writable", 1.0),
    ] {
        assert_eq!(samples.get(sample), Some(&value), "{sample} in\n{text}");
    }
    assert!(samples["otp_pi_store_commits_total"] >= 3.0);
    assert!(samples.contains_key("otp_pi_modem_signal_dbm{modem=\"op1\"}"), "{text}");
    assert!(!samples.contains_key("otp_pi_modem_quota_left{modem=\"op2\",quota=\"day\"}"), "it has none");
    let iccid = gateway.operate(&["modem", "check", "op1", "--json"]).json()["modems"][0]["iccid"].clone();
    let iccid = iccid.as_str().unwrap_or("no such field").to_owned();
    for secret in ["6666666", "very private", "password", iccid.as_str()] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert_eq!(sim_use(&gateway, "op1")["day"]["left"], json!(7));
    let posted = gateway.connect().request("POST", "/metrics", None, b"").unwrap();
    assert_eq!(posted.status, 405);
}

/// An address of this machine that is not a loopback address; nothing is sent to find it.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|address| !address.is_loopback())
}

#[test]
fn from_elsewhere_the_numbers_need_a_login_with_their_scope() {
    let Some(own) = own_address() else { return skip("an address beside the loopback") };
    let emulator = Emulator::start(1, &[]);
    let mut setup = with_lines(&emulator, &["default = true"]);
    setup.listen = "\"0.0.0.0:0\"".to_owned();
    setup.more += "[[api_user]]\nusername = \"prometheus\"\npassword = \"scrape\"\nscopes = [\"metrics\"]\n";
    let gateway = setup.start();
    let address = SocketAddr::new(own, gateway.address.port());
    let watcher = authorization("prometheus", "scrape");
    let shop = authorization("user", "password");
    let status = |login: Option<&str>| scrape(address, login).0;
    assert_eq!(status(None), 401);
    assert_eq!(status(Some(&authorization("prometheus", "wrong"))), 401);
    assert_eq!(status(Some(&shop)), 403, "its scopes are the usual ones");
    let (status, _, text) = scrape(address, Some(&watcher));
    assert_eq!(status, 200);
    assert!(read(&text).contains_key("otp_pi_queue_messages"));
    let loopback = SocketAddr::new("127.0.0.1".parse().unwrap(), address.port());
    assert_eq!(scrape(loopback, None).0, 200);
    let refused = gateway.ask_as("prometheus", "scrape", "get-modem-list", json!({}));
    assert_eq!(refused["response_code"], "1404", "it may do nothing else");
}

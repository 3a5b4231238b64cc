use super::*;
use std::net::{Ipv4Addr, Ipv6Addr};

fn v4(last: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, last).into()
}

fn v6(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn exhaust(throttle: &Throttle, peer: IpAddr, now: Instant) {
    for _ in 0..BURST {
        throttle.charge(peer, now).unwrap();
    }
}

#[test]
fn a_burst_is_allowed_and_then_one_per_interval() {
    let (throttle, now) = (Throttle::default(), Instant::now());
    exhaust(&throttle, v4(1), now);
    assert_eq!(throttle.charge(v4(1), now), Err(INTERVAL));
    assert_eq!(throttle.charge(v4(1), now + INTERVAL / 3), Err(INTERVAL - INTERVAL / 3));
    assert_eq!(throttle.charge(v4(1), now + INTERVAL), Ok(()));
    assert!(throttle.charge(v4(1), now + INTERVAL).is_err());
    exhaust(&throttle, v4(1), now + INTERVAL * (BURST + 1));
}

#[test]
fn a_refund_makes_room() {
    let (throttle, now) = (Throttle::default(), Instant::now());
    exhaust(&throttle, v4(1), now);
    throttle.refund(v4(1));
    assert_eq!(throttle.charge(v4(1), now), Ok(()));
    assert!(throttle.charge(v4(1), now).is_err());
}

#[test]
fn an_address_counts_by_household() {
    let (throttle, now) = (Throttle::default(), Instant::now());
    exhaust(&throttle, v6("2001:db8::1"), now);
    exhaust(&throttle, v4(1), now);
    for (peer, is_throttled) in [
        (v6("2001:db8::ffff:1"), true),
        (v6("2001:db8:0:1::1"), false),
        (v6("::ffff:192.0.2.1"), true),
        (v6("::ffff:192.0.2.2"), false),
    ] {
        assert_eq!(throttle.charge(peer, now).is_err(), is_throttled, "{peer}");
    }
}

#[test]
fn the_bound_holds() {
    let (throttle, now) = (Throttle::default(), Instant::now());
    for number in 0..5000_u128 {
        let peer = Ipv6Addr::from_bits(number << 64).into();
        throttle.charge(peer, now).unwrap();
        assert!(throttle.lock().len() <= MOST_ADDRESSES);
    }
}

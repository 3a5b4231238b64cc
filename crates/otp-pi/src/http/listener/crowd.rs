//! How many connections each address has.
//!
//! For [`super::serve`] and the WebSocket broker. It must never hold more addresses than there are connections, and never ask who is behind one: loopback
//! is an address like others, since a program on this machine that never lets go would else keep everybody out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::network::household;

/// The addresses that have connections.
#[derive(Debug, Default)]
pub struct Crowd {
    connections: Mutex<HashMap<IpAddr, usize>>,
}

/// The place of one connection, given back when dropped.
#[derive(Debug)]
pub struct Place {
    crowd: Arc<Crowd>,
    address: IpAddr,
}

impl Crowd {
    /// Takes a place, unless the address has `most` already.
    #[must_use]
    pub fn enter(self: &Arc<Self>, peer: IpAddr, most: usize) -> Option<Place> {
        let address = household(peer);
        let mut connections = self.lock();
        let count = connections.get(&address).copied().unwrap_or_default();
        if count >= most {
            return None;
        }
        connections.insert(address, count + 1);
        Some(Place { crowd: Arc::clone(self), address })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut connections = self.crowd.lock();
        match connections.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(connections.remove(&self.address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_so_many_places_and_gets_each_back() {
        let crowd = Arc::new(Crowd::default());
        let mut places: Vec<_> = (0..3).map(|_| crowd.enter(address("192.0.2.1"), 3).unwrap()).collect();
        assert!(crowd.enter(address("192.0.2.1"), 3).is_none());
        assert!(crowd.enter(address("192.0.2.2"), 3).is_some(), "another address is not meant");
        places.pop();
        assert!(crowd.enter(address("192.0.2.1"), 3).is_some());
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_address_and_so_is_ipv4_in_its_clothes() {
        let crowd = Arc::new(Crowd::default());
        let _places = [crowd.enter(address("2001:db8::1"), 1), crowd.enter(address("192.0.2.1"), 1)];
        for (peer, has_room) in
            [("2001:db8::2", false), ("2001:db8:0:1::1", true), ("::ffff:192.0.2.1", false), ("192.0.2.2", true)]
        {
            assert_eq!(crowd.enter(address(peer), 1).is_some(), has_room, "{peer}");
        }
    }

    #[test]
    fn addresses_without_connections_are_forgotten() {
        let crowd = Arc::new(Crowd::default());
        for last in 0..=255 {
            drop(crowd.enter(IpAddr::from([192, 0, 2, last]), 2));
        }
        assert!(crowd.lock().is_empty());
    }
}

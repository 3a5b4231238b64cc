//! MQTT 5.0 as octets.
//!
//! # Standard
//! OASIS MQTT Version 5.0 (2019), section 3.

use bytes::{Bytes, BytesMut};
use rumqttc_v5::{
    ConnAck, Connect, ConnectAuth, ConnectProperties, ConnectReturnCode, Disconnect, DisconnectReasonCode, Packet,
    PubAck, PubAckReason, PubComp, PubRec, Publish, PublishProperties, QoS, RetainForwardRule, SubAck, Subscribe,
    SubscribeFilter, SubscribeReasonCode,
};

use super::packet::{Incoming, Letter, Login, Message, Outgoing, Welcome};

/// How many seconds the broker keeps our session while we are away: a day.
const SESSION_KEPT: u32 = 24 * 60 * 60;

/// Writes a packet, none that is larger than the broker takes.
pub(super) fn encode(packet: &Outgoing<'_>, largest: Option<u32>, into: &mut BytesMut) -> Result<(), String> {
    let packet = match packet {
        Outgoing::Connect(login) => connect(login),
        Outgoing::Subscribe { id, filter, qos } => {
            let mut filter = SubscribeFilter::new(*filter, quality(*qos));
            filter.retain_forward_rule = RetainForwardRule::Never;
            let mut subscribe = Subscribe::new(filter, None);
            subscribe.pkid = *id;
            Packet::Subscribe(subscribe)
        }
        Outgoing::Publish { qos, id, letter } => publish(*qos, *id, letter),
        Outgoing::PubAck { id } => Packet::PubAck(PubAck::new(*id, None)),
        Outgoing::PubRec { id } => Packet::PubRec(PubRec::new(*id, None)),
        Outgoing::PubComp { id } => Packet::PubComp(PubComp::new(*id, None)),
        Outgoing::PingReq => Packet::PingReq,
        Outgoing::Disconnect => Packet::Disconnect(Disconnect::new(DisconnectReasonCode::NormalDisconnection)),
    };
    packet.write(into, largest).map(drop).map_err(|error| error.to_string())
}

fn connect(login: &Login<'_>) -> Packet {
    let mut properties = ConnectProperties::new();
    properties.session_expiry_interval = login.is_kept.then_some(SESSION_KEPT);
    properties.receive_maximum = Some(login.receive_maximum);
    let connect = Connect {
        keep_alive: login.keep_alive,
        client_id: login.client_id.to_owned(),
        clean_start: !login.is_kept,
        properties: Some(properties),
    };
    let username = login.username.to_owned();
    let password = Bytes::copy_from_slice(login.password.as_bytes());
    let auth = match (username.is_empty(), password.is_empty()) {
        (true, true) => ConnectAuth::None,
        (true, false) => ConnectAuth::Password { password },
        (false, true) => ConnectAuth::Username { username },
        (false, false) => ConnectAuth::UsernamePassword { username, password },
    };
    Packet::Connect(connect, None, auth)
}

fn publish(qos: u8, id: u16, letter: &Letter) -> Packet {
    let properties = letter
        .correlation
        .clone()
        .map(|correlation| PublishProperties { correlation_data: Some(correlation), ..PublishProperties::default() });
    let mut publish = Publish::new(letter.topic.as_str(), quality(qos), letter.body.clone(), properties);
    publish.pkid = id;
    Packet::Publish(publish)
}

/// Reads a packet that is there as a whole.
pub(super) fn decode(mut frame: BytesMut) -> Result<Incoming, String> {
    let packet = Packet::read(&mut frame, None).map_err(|error| error.to_string())?;
    Ok(match packet {
        Packet::ConnAck(answer) => Incoming::ConnAck(welcome(answer)),
        Packet::Publish(publish) => {
            let properties = publish.properties.unwrap_or_default();
            Incoming::Publish(Message {
                qos: number(publish.qos),
                id: publish.pkid,
                is_again: publish.dup,
                is_retained: publish.retain,
                payload: publish.payload,
                back: properties.response_topic,
                correlation: properties.correlation_data,
            })
        }
        Packet::PubAck(answer) => Incoming::PubAck {
            id: answer.pkid,
            refusal: match answer.reason {
                PubAckReason::Success | PubAckReason::NoMatchingSubscribers => None,
                reason => Some(words(&reason, answer.properties.and_then(|all| all.reason_string))),
            },
        },
        Packet::PubRel(release) => Incoming::PubRel { id: release.pkid },
        Packet::SubAck(answer) => Incoming::SubAck(granted(answer)),
        Packet::Disconnect(end) => Incoming::Disconnect(farewell(end)),
        Packet::PubRec(_)
        | Packet::PubComp(_)
        | Packet::UnsubAck(_)
        | Packet::PingResp
        | Packet::Connect(..)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::PingReq
        | Packet::Auth(_) => Incoming::Other,
    })
}

fn welcome(answer: ConnAck) -> Welcome {
    let is_in = answer.code == ConnectReturnCode::Success;
    let told = answer.properties;
    let told = told.as_ref();
    Welcome {
        refusal: (!is_in).then(|| words(&answer.code, told.and_then(|all| all.reason_string.clone()))),
        has_session: answer.session_present,
        receive_maximum: told.and_then(|all| all.receive_max).unwrap_or(u16::MAX),
        highest_qos: told.and_then(|all| all.max_qos).unwrap_or(2),
        largest: told.and_then(|all| all.max_packet_size),
        keep_alive: told.and_then(|all| all.server_keep_alive),
        has_shares: told.and_then(|all| all.shared_subscription_available) != Some(0),
    }
}

fn granted(answer: SubAck) -> Result<u8, String> {
    match answer.return_codes.first() {
        Some(SubscribeReasonCode::Success(qos)) => Ok(number(*qos)),
        Some(reason) => Err(words(reason, answer.properties.and_then(|all| all.reason_string))),
        None => Err("the broker says nothing of it".to_owned()),
    }
}

fn farewell(end: Disconnect) -> String {
    let mut text = words(&end.reason_code, end.properties.and_then(|all| all.reason_string));
    if end.reason_code == DisconnectReasonCode::SessionTakenOver {
        text += ": another connection has the same client_id; each node needs its own";
    }
    text
}

/// The name of a reason code, and what the broker says beside it.
fn words(reason: &impl std::fmt::Debug, told: Option<String>) -> String {
    told.map_or_else(|| format!("{reason:?}"), |told| format!("{reason:?}, {told:?}"))
}

const fn quality(qos: u8) -> QoS {
    match qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

const fn number(qos: QoS) -> u8 {
    match qos {
        QoS::AtMostOnce => 0,
        QoS::AtLeastOnce => 1,
        QoS::ExactlyOnce => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &[u8]) -> Incoming {
        decode(BytesMut::from(octets)).unwrap()
    }

    #[test]
    fn reasons_are_told_in_words_with_what_the_broker_says() {
        let Incoming::Disconnect(reason) = read(b"\xe0\x02\x8e\0") else { panic!() };
        assert_eq!(reason, "SessionTakenOver: another connection has the same client_id; each node needs its own");
        let Incoming::SubAck(granted) = read(b"\x90\x08\0\x01\x04\x1f\0\x01!\x87") else { panic!() };
        assert_eq!(granted.unwrap_err(), "NotAuthorized, \"!\"");
        let Incoming::PubAck { id: 7, refusal } = read(b"\x40\x04\0\x07\x97\0") else { panic!() };
        assert_eq!(refusal.as_deref(), Some("QuotaExceeded"));
        let Incoming::PubAck { refusal, .. } = read(b"\x40\x04\0\x07\x10\0") else { panic!() };
        assert_eq!(refusal, None);
    }

    #[test]
    fn what_a_broker_can_do_is_read_from_its_welcome() {
        let octets = b"\x20\x12\x01\0\x0f\x21\0\x14\x24\x01\x27\0\0\x10\0\x2a\0\x13\0\x0a";
        let Incoming::ConnAck(welcome) = read(octets) else { panic!() };
        assert!(welcome.refusal.is_none() && welcome.has_session && !welcome.has_shares);
        let numbers = (welcome.receive_maximum, welcome.highest_qos, welcome.largest, welcome.keep_alive);
        assert_eq!(numbers, (20, 1, Some(4096), Some(10)));
        let Incoming::ConnAck(welcome) = read(b"\x20\x03\0\x86\0") else { panic!() };
        assert_eq!(welcome.refusal.as_deref(), Some("BadUserNamePassword"));
    }
}

//! MQTT 3.1.1 as octets.
//!
//! # Standard
//! OASIS MQTT Version 3.1.1 (2014), section 3.

use bytes::{Bytes, BytesMut};
use rumqttc_v4::{
    Connect, ConnectReturnCode, Packet, PubAck, PubComp, PubRec, Publish, QoS, Subscribe, SubscribeReasonCode,
};

use super::packet::{Incoming, Message, Outgoing, Welcome};

/// Writes a packet.
pub(super) fn encode(packet: &Outgoing<'_>, into: &mut BytesMut) -> Result<(), String> {
    let packet = match packet {
        Outgoing::Connect(login) => {
            let mut connect = Connect::new(login.client_id);
            connect.keep_alive = login.keep_alive;
            connect.clean_session = !login.is_kept;
            if !login.password.is_empty() {
                connect.set_credentials(login.username, Bytes::copy_from_slice(login.password.as_bytes()));
            } else if !login.username.is_empty() {
                connect.set_username(login.username);
            }
            Packet::Connect(connect)
        }
        Outgoing::Subscribe { id, filter, qos } => {
            let mut subscribe = Subscribe::new(*filter, quality(*qos));
            subscribe.pkid = *id;
            Packet::Subscribe(subscribe)
        }
        Outgoing::Publish { qos, id, letter } => {
            let mut publish = Publish::from_bytes(letter.topic.as_str(), quality(*qos), letter.body.clone());
            publish.pkid = *id;
            Packet::Publish(publish)
        }
        Outgoing::PubAck { id } => Packet::PubAck(PubAck::new(*id)),
        Outgoing::PubRec { id } => Packet::PubRec(PubRec::new(*id)),
        Outgoing::PubComp { id } => Packet::PubComp(PubComp::new(*id)),
        Outgoing::PingReq => Packet::PingReq,
        Outgoing::Disconnect => Packet::Disconnect,
    };
    packet.write(into, usize::MAX).map(drop).map_err(|error| error.to_string())
}

/// Reads a packet that is there as a whole.
pub(super) fn decode(mut frame: BytesMut) -> Result<Incoming, String> {
    let packet = Packet::read(&mut frame, usize::MAX).map_err(|error| error.to_string())?;
    Ok(match packet {
        Packet::ConnAck(answer) => Incoming::ConnAck(Welcome {
            refusal: (answer.code != ConnectReturnCode::Success).then(|| format!("{:?}", answer.code)),
            has_session: answer.session_present,
            receive_maximum: u16::MAX,
            highest_qos: 2,
            largest: None,
            keep_alive: None,
            has_shares: true,
        }),
        Packet::Publish(publish) => Incoming::Publish(Message {
            qos: number(publish.qos),
            id: publish.pkid,
            is_again: publish.dup,
            is_retained: publish.retain,
            payload: publish.payload,
            back: None,
            correlation: None,
        }),
        Packet::PubAck(answer) => Incoming::PubAck { id: answer.pkid, refusal: None },
        Packet::PubRel(release) => Incoming::PubRel { id: release.pkid },
        Packet::SubAck(answer) => Incoming::SubAck(match answer.return_codes.first() {
            Some(SubscribeReasonCode::Success(qos)) => Ok(number(*qos)),
            Some(SubscribeReasonCode::Failure) => Err("the broker does not allow it".to_owned()),
            None => Err("the broker says nothing of it".to_owned()),
        }),
        Packet::PubRec(_)
        | Packet::PubComp(_)
        | Packet::UnsubAck(_)
        | Packet::PingResp
        | Packet::Connect(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::PingReq
        | Packet::Disconnect => Incoming::Other,
    })
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

//! RabbitMQ: a queue is consumed, each message is acknowledged when what it asks for is durable, and answers go to queues by their name.
//!
//! Two connections: one takes and acknowledges, the other answers. A broker that is short of memory stops reading from those who publish, and
//! acknowledgements must reach it just then.
//!
//! A message is acknowledged before it is answered: an answer that nobody gets must not bring the message again.
//!
//! # Standard
//! AMQP 0-9-1, <https://www.rabbitmq.com/amqp-0-9-1-reference>.

mod line;

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join;
use futures_util::stream::FuturesUnordered;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, BasicRejectOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Consumer, ErrorKind};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::IntakeError;
use super::door::{Answer, Destination, Door, Taken};
use super::settings::{RabbitMq, Settings};
use line::{Line, refused, short};

/// How long a message that was put aside is kept, in milliseconds: it may hold a text.
const PUT_ASIDE_FOR: u32 = 24 * 60 * 60 * 1000;

/// Answers that wait for their pause or for the broker; beyond that no more is taken.
const MOST_ANSWERS: usize = 1024;

/// The publishers of the original appliance make the queue for their answer after they have asked: it is looked for again after these.
const PATIENCE: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(150), Duration::from_millis(300)];

/// How long what is under way may take when the connection for answers has gone, and the other has not.
const LAST_THINGS: Duration = Duration::from_secs(5);

/// AMQP 0-9-1: the message survives a restart of the broker, in a queue that does.
const PERSISTENT: u8 = 2;

/// Where messages that are no commands are put, on a channel of its own: the library may take the return of one message of a channel for
/// another's.
type DeadLetters = Option<(Channel, ShortString)>;

/// What is to be answered, and how its sender is found.
struct Pending {
    answer: Answer,
    reply_to: Option<ShortString>,
    correlation_id: Option<ShortString>,
}

/// Serves until `life` ends or the connection does.
pub(super) async fn serve(
    settings: &Settings,
    broker: &RabbitMq,
    door: &Door,
    life: &CancellationToken,
) -> Result<(), IntakeError> {
    let reader = Line::open(settings, broker, "commands").await?;
    let writer = Line::open(settings, broker, "answers").await?;
    let ended = consume(settings, broker, (&reader, &writer), door, life).await;
    join(reader.close(), writer.close()).await;
    ended
}

/// Logs in and looks for the queue, which need not be there yet.
pub(super) async fn check(settings: &Settings, broker: &RabbitMq) -> Result<(), IntakeError> {
    let line = Line::open(settings, broker, "check").await?;
    let looked = line.look_for(&settings.topic).await;
    line.close().await;
    looked
}

async fn consume(
    settings: &Settings,
    broker: &RabbitMq,
    (reader, writer): (&Line, &Line),
    door: &Door,
    life: &CancellationToken,
) -> Result<(), IntakeError> {
    let mut troubles = writer.troubles();
    let mut answers = writer.confirming_channel().await?;
    let dead_letters = dead_letters(broker, writer).await?;
    let (channel, mut consumer) = subscribe(settings, broker, reader).await?;
    door.connected(settings);
    let mut work = FuturesUnordered::new();
    let mut answering = FuturesUnordered::new();
    let mut is_told = false;
    let ended = loop {
        let has_room = work.len() < usize::from(settings.unacknowledged) && answering.len() < MOST_ANSWERS;
        // Cancel-safe: the consumer keeps what has come, and work and answers go on in their sets.
        tokio::select! {
            () = life.cancelled() => break Ok(()),
            Some(done) = work.next() => match done {
                Ok(pending) => answering.extend(begin(settings, door, &answers, pending)),
                Err(error) => break Err(error),
            },
            Some(done) = answering.next() => if let Err(error) = done { break Err(error) },
            Some(error) = troubles.next() => {
                if !is_of_a_channel(&error) {
                    break Err(refused("answering")(error));
                }
                if !answers.status().connected() {
                    let error = refused("answering")(error);
                    // Told once: it is the same for every answer.
                    if !std::mem::replace(&mut is_told, true) {
                        warn!(intake.name = settings.name, error = %error, "the broker takes no answer of ours");
                    }
                    match writer.confirming_channel().await {
                        Ok(channel) => answers = channel,
                        Err(error) => break Err(error),
                    }
                }
            }
            delivery = consumer.next(), if has_room => match delivery {
                Some(Ok(delivery)) => work.push(take(settings, door, &dead_letters, delivery)),
                Some(Err(error)) => break Err(refused("consuming")(error)),
                None => break Err(IntakeError::Lost(format!("the queue {} was deleted", settings.topic))),
            },
        }
    };
    match ended {
        Ok(()) => {
            while let Some(done) = work.next().await {
                answering.extend(begin(settings, door, &answers, done?));
            }
            while let Some(done) = answering.next().await {
                done?;
            }
            Ok(())
        }
        Err(error) => {
            let finish = async { while let Some(Ok(_)) = work.next().await {} };
            if channel.status().connected() {
                // What is still not acknowledged then comes again.
                drop(timeout(LAST_THINGS, finish).await);
            }
            Err(error)
        }
    }
}

async fn dead_letters(broker: &RabbitMq, writer: &Line) -> Result<DeadLetters, IntakeError> {
    if broker.dead_letter.is_empty() {
        return Ok(None);
    }
    let mut arguments = FieldTable::default();
    arguments.insert(short("x-message-ttl")?, AMQPValue::LongUInt(PUT_ASIDE_FOR));
    writer.declare(&broker.dead_letter, true, arguments).await?;
    Ok(Some((writer.confirming_channel().await?, short(&broker.dead_letter)?)))
}

/// Declares the queue, which publishers expect to be there, and lets the broker send what lies in it.
async fn subscribe(settings: &Settings, broker: &RabbitMq, reader: &Line) -> Result<(Channel, Consumer), IntakeError> {
    let channel = reader.declare(&settings.topic, broker.is_durable, FieldTable::default()).await?;
    let qos = channel.basic_qos(settings.unacknowledged, BasicQosOptions::default());
    reader.ask("setting how much may come", qos).await?;
    let (queue, tag) = (short(&settings.topic)?, ShortString::default());
    let consume = channel.basic_consume(queue, tag, BasicConsumeOptions::default(), FieldTable::default());
    let consumer = reader.ask("consuming the queue", consume).await?;
    Ok((channel, consumer))
}

/// Takes one message and acknowledges it.
async fn take(
    settings: &Settings,
    door: &Door,
    dead_letters: &DeadLetters,
    delivery: Delivery,
) -> Result<Vec<Pending>, IntakeError> {
    let Delivery { data, properties, acker, .. } = delivery;
    let reply_to = properties.reply_to().clone();
    let mut is_acknowledged = true;
    let answers = match door.take(settings, &data, reply_to.as_ref().map(ShortString::as_str)).await {
        // Nobody else gets it before this connection ends: the gateway ends.
        Taken::Left => return Ok(Vec::new()),
        Taken::Done(answers) => answers,
        Taken::Poison(answers) => {
            match dead_letters {
                Some((channel, queue)) => put_aside(channel, queue, &data, &properties).await?,
                None => is_acknowledged = false,
            }
            answers
        }
    };
    let acknowledging = async {
        if is_acknowledged {
            acker.ack(BasicAckOptions::default()).await
        } else {
            // The broker drops it, or puts it where the owner of the queue has said.
            acker.reject(BasicRejectOptions { requeue: false }).await
        }
    };
    if !acknowledging.await.map_err(refused("acknowledging"))? {
        return Err(IntakeError::Lost("acknowledging: the channel is gone".to_owned()));
    }
    let correlation_id = properties.correlation_id();
    let pending = |answer| Pending { answer, reply_to: reply_to.clone(), correlation_id: correlation_id.clone() };
    Ok(answers.into_iter().map(pending).collect())
}

/// Puts a message where it does no harm; the broker has it when this ends well.
async fn put_aside(
    channel: &Channel,
    queue: &ShortString,
    payload: &[u8],
    of: &BasicProperties,
) -> Result<(), IntakeError> {
    let doing = "putting a message aside";
    let mut properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
    if let Some(content_type) = of.content_type() {
        properties = properties.with_content_type(content_type.clone());
    }
    if let Some(correlation_id) = of.correlation_id() {
        properties = properties.with_correlation_id(correlation_id.clone());
    }
    if publish(channel, queue.clone(), payload, properties).await.map_err(refused(doing))? {
        return Ok(());
    }
    Err(IntakeError::Refused { doing, reason: format!("the broker did not put it into {}", queue.as_str()) })
}

fn begin<'a>(
    settings: &'a Settings,
    door: &'a Door,
    channel: &Channel,
    pending: Vec<Pending>,
) -> impl Iterator<Item = impl Future<Output = Result<(), IntakeError>> + use<'a>> + use<'a> {
    let channel = channel.clone();
    pending.into_iter().map(move |pending| answer(settings, door, channel.clone(), pending))
}

/// Publishes an answer, after the pause that was asked for. One that no queue takes is nobody's loss but its reader's.
async fn answer(settings: &Settings, door: &Door, channel: Channel, pending: Pending) -> Result<(), IntakeError> {
    let Pending { answer: Answer { to, body }, reply_to, correlation_id } = pending;
    let (queue, patience) = match to {
        Destination::Callback(topic, delay) => {
            if !delay.is_zero() {
                sleep(delay).await;
            }
            (short(&topic)?, &PATIENCE[..])
        }
        Destination::Sender => (reply_to.unwrap_or_default(), &[][..]),
    };
    let mut properties =
        BasicProperties::default().with_delivery_mode(PERSISTENT).with_content_type(short("application/json")?);
    if let Some(correlation_id) = correlation_id {
        properties = properties.with_correlation_id(correlation_id);
    }
    let mut pauses = patience.iter();
    loop {
        match publish(&channel, queue.clone(), &body, properties.clone()).await {
            Ok(true) => {
                door.status.count_answer();
                return Ok(());
            }
            Ok(false) => {}
            // Whoever hears of it opens another channel.
            Err(error) if is_of_a_channel(&error) => return Ok(()),
            Err(error) => return Err(refused("answering")(error)),
        }
        let Some(pause) = pauses.next() else { break };
        sleep(*pause).await;
    }
    debug!(intake.name = settings.name, "an answer was dropped: the broker has no such queue");
    Ok(())
}

/// True for what ends a channel, and leaves its connection as it is.
fn is_of_a_channel(error: &lapin::Error) -> bool {
    error.is_amqp_soft_error() || matches!(error.kind(), ErrorKind::InvalidChannelState(..))
}

/// Publishes to a queue. True when the broker has it there.
async fn publish(
    channel: &Channel,
    queue: ShortString,
    body: &[u8],
    properties: BasicProperties,
) -> lapin::Result<bool> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let sent = channel.basic_publish(ShortString::default(), queue, options, body, properties).await?;
    Ok(matches!(sent.await?, Confirmation::Ack(None)))
}

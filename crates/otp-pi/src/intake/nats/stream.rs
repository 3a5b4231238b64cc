//! A stream of `JetStream` read through a durable consumer: what is taken and not acknowledged comes again, to us or to another node.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::consumer::pull::{self, Batch};
use async_nats::jetstream::consumer::{AckPolicy, Config, PullConsumer};
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{self as stream_of, RetentionPolicy, Stream};
use async_nats::jetstream::{self, AckKind, Context, Message};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::{Instant, interval_at};
use tokio_util::sync::CancellationToken;

use super::link::Link;
use super::{answer, lost};
use crate::intake::IntakeError;
use crate::intake::door::{Door, Taken};
use crate::intake::settings::Settings;
use crate::intake::stream::within;

/// How long the server holds a request for messages that finds too few.
const BATCH_LASTS: Duration = Duration::from_secs(30);

/// After this time without a word from us the server gives a message to somebody again.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);

/// How many messages all nodes of a consumer may have in hand; each node keeps to its own bound by asking for no more.
const IN_ALL_HANDS: u16 = 1000;

/// The code of the server for a thing that is not there.
const NOT_FOUND: usize = 404;

/// Reads until `life` ends or the connection does.
pub(super) async fn read(
    settings: &Settings,
    (stream, name): (&str, &str),
    link: &mut Link,
    door: &Door,
    life: &CancellationToken,
) -> Result<(), IntakeError> {
    let client = link.client.clone();
    // Told before the first message is taken: one that is done and cannot be acknowledged would be done again and again.
    let probe = format!("$JS.ACK.{stream}.{name}.1.0.0.0.0");
    client.publish(probe, "+WPI".into()).await.map_err(lost("acknowledging"))?;
    let consumer = consumer(settings, &context(settings, &client), (stream, name)).await?;
    link.check()?;
    door.connected(settings);
    let most = usize::from(settings.unacknowledged);
    let patience = patience(&consumer.cached_info().config);
    let mut batch = None;
    let (mut work, mut taken) = (FuturesUnordered::new(), BTreeSet::new());
    loop {
        let free = most.saturating_sub(work.len());
        // Not for every single one: a request of the server's for each would be dear.
        if batch.is_none() && free.saturating_mul(4) > most {
            let asked = consumer.batch().max_messages(free).expires(BATCH_LASTS).messages();
            batch = Some(within(settings.timeout, "reading", asked).await?.map_err(lost("reading"))?);
        }
        // Cancel-safe: the batch keeps what has come, and work goes on in its set.
        tokio::select! {
            () = life.cancelled() => break,
            Some(done) = work.next() => {
                taken.remove(&done?);
            }
            error = link.trouble(settings) => return Err(error),
            message = next(&mut batch) => match message {
                Some(message) => {
                    let message = message.map_err(lost("reading"))?;
                    let number = number(&message)?;
                    // Given twice: the first is still under way, and acknowledges for both.
                    if taken.insert(number) {
                        work.push(take(settings, door, (number, message), patience, &client));
                    }
                }
                None => batch = None,
            },
        }
    }
    while let Some(Some(Ok(message))) = next(&mut batch).now_or_never() {
        // Others need not wait until the server misses us.
        message.ack_with(AckKind::Nak(None)).await.map_err(lost("giving back"))?;
    }
    while let Some(done) = work.next().await {
        done?;
    }
    Ok(())
}

/// Looks at the stream and the consumer where they are there; both are made by the intake where they are not.
pub(super) async fn check(settings: &Settings, (stream, name): (&str, &str), link: &Link) -> Result<(), IntakeError> {
    let Some(stream) = find_stream(&context(settings, &link.client), stream).await? else { return Ok(()) };
    check_stream(settings, &stream)?;
    match find_consumer(&stream, name).await? {
        Some(consumer) => check_consumer(settings, &stream, &consumer.cached_info().config),
        None => Ok(()),
    }
}

fn context(settings: &Settings, client: &Client) -> Context {
    let mut context = jetstream::new(client.clone());
    context.set_timeout(settings.timeout);
    context
}

/// The next message of a batch; waits for ever where there is no batch.
async fn next(batch: &mut Option<Batch>) -> Option<Result<Message, async_nats::Error>> {
    match batch {
        Some(batch) => batch.next().await,
        None => std::future::pending().await,
    }
}

/// The consumer, made where it is not there, with its stream where that is not there either.
async fn consumer(
    settings: &Settings,
    context: &Context,
    (stream, name): (&str, &str),
) -> Result<PullConsumer, IntakeError> {
    let stream = match find_stream(context, stream).await? {
        Some(stream) => stream,
        None => make_stream(settings, context, stream).await?,
    };
    check_stream(settings, &stream)?;
    if let Some(consumer) = find_consumer(&stream, name).await? {
        check_consumer(settings, &stream, &consumer.cached_info().config)?;
        return Ok(consumer);
    }
    let wanted = pull::Config {
        durable_name: Some(name.to_owned()),
        filter_subject: settings.topic.clone(),
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACKNOWLEDGED_WITHIN,
        max_ack_pending: i64::from(settings.unacknowledged.max(IN_ALL_HANDS)),
        ..pull::Config::default()
    };
    let made = stream.create_consumer(wanted).await;
    made.map_err(|error| IntakeError::Refused { doing: "making the consumer", reason: error.to_string() })
}

async fn find_stream(context: &Context, name: &str) -> Result<Option<Stream>, IntakeError> {
    let error = match context.get_stream(name).await {
        Ok(stream) => return Ok(Some(stream)),
        Err(error) => error,
    };
    match error.kind() {
        GetStreamErrorKind::JetStream(error) if error.code() == NOT_FOUND => Ok(None),
        _ => Err(IntakeError::Refused {
            doing: "looking at the stream",
            reason: crate::intake::supervise::chain(&error),
        }),
    }
}

async fn make_stream(settings: &Settings, context: &Context, name: &str) -> Result<Stream, IntakeError> {
    let wanted = stream_of::Config {
        name: name.to_owned(),
        subjects: vec![settings.topic.clone()],
        // What is done is not to stay there: codes and texts.
        retention: RetentionPolicy::WorkQueue,
        ..stream_of::Config::default()
    };
    let made = context.get_or_create_stream(wanted).await;
    made.map_err(|error| IntakeError::Refused { doing: "making the stream", reason: error.to_string() })
}

async fn find_consumer(stream: &Stream, name: &str) -> Result<Option<PullConsumer>, IntakeError> {
    let refused = |reason: String| IntakeError::Refused { doing: "looking at the consumer", reason };
    let info = match stream.consumer_info(name).await {
        Ok(info) => info,
        Err(error) if error.kind() == jetstream::context::ConsumerInfoErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refused(error.to_string())),
    };
    if info.config.deliver_subject.is_some() {
        return Err(refused(format!("{name} is pushed to a subject, and not pulled")));
    }
    stream.get_consumer(name).await.map(Some).map_err(|error| refused(error.to_string()))
}

/// A stream that does not hold what is published to the topic would stay empty for ever.
fn check_stream(settings: &Settings, stream: &Stream) -> Result<(), IntakeError> {
    let config = &stream.cached_info().config;
    let is_covered = config.subjects.iter().any(|subject| Settings::covers_subject(subject, &settings.topic));
    if is_covered || config.subjects.is_empty() {
        return Ok(());
    }
    let reason = format!("the stream {} does not hold the subject {}", config.name, settings.topic);
    Err(IntakeError::Refused { doing: "looking at the stream", reason })
}

/// A consumer that acknowledges by itself loses messages; one that reads other subjects could bring our own answers back.
fn check_consumer(settings: &Settings, stream: &Stream, config: &Config) -> Result<(), IntakeError> {
    let refused =
        |reason: &str| Err(IntakeError::Refused { doing: "looking at the consumer", reason: reason.to_owned() });
    if config.ack_policy != AckPolicy::Explicit {
        return refused("it does not want each message acknowledged (AckExplicit)");
    }
    let topic = std::slice::from_ref(&settings.topic);
    let is_whole = config.filter_subject.is_empty() && config.filter_subjects.is_empty();
    let is_same = config.filter_subject == settings.topic
        || config.filter_subjects == topic
        || (is_whole && stream.cached_info().config.subjects == topic);
    if is_same { Ok(()) } else { refused("it reads other subjects than the topic") }
}

/// How long a message may wait before the server is told that it is still worked on: half of what the server allows.
fn patience(config: &Config) -> Duration {
    let first = config.backoff.first().copied().unwrap_or(config.ack_wait);
    let allowed = if first.is_zero() { ACKNOWLEDGED_WITHIN } else { first };
    (allowed / 2).max(Duration::from_millis(100))
}

fn number(message: &Message) -> Result<u64, IntakeError> {
    message.info().map(|info| info.stream_sequence).map_err(lost("reading"))
}

/// Does what a message asks, acknowledges it and answers. Answers its number in the stream.
async fn take(
    settings: &Settings,
    door: &Door,
    (number, message): (u64, Message),
    patience: Duration,
    client: &Client,
) -> Result<u64, IntakeError> {
    let mut taking = pin!(door.take(settings, &message.payload, None));
    let mut holding = interval_at(Instant::now() + patience, patience);
    let taken = loop {
        // The taking goes on in every branch; the other is a timer.
        tokio::select! {
            taken = &mut taking => break taken,
            _ = holding.tick() => acknowledge(&message, AckKind::Progress).await?,
        }
    };
    let answers = match taken {
        Taken::Done(answers) => {
            acknowledge(&message, AckKind::Ack).await?;
            answers
        }
        Taken::Poison(answers) => {
            acknowledge(&message, AckKind::Term).await?;
            answers
        }
        Taken::Left => {
            // Another node may have it at once.
            acknowledge(&message, AckKind::Nak(None)).await?;
            return Ok(number);
        }
    };
    answer(door, answers, None, client).await?;
    Ok(number)
}

async fn acknowledge(message: &Message, kind: AckKind) -> Result<(), IntakeError> {
    message.ack_with(kind).await.map_err(lost("acknowledging"))
}

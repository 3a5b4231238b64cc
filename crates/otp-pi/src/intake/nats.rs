//! NATS: a plain subscription, shared by a queue group where one is named, and a stream of `JetStream` with a durable consumer, which loses
//! nothing.
//!
//! One connection, read by the library's own task. What comes by a plain subscription faster than it is taken waits here, within a bound; beyond
//! it messages are dropped, which is told in the log: at most once is what core NATS promises. A consumer of `JetStream` is asked for no more than
//! we may have in hand.
//!
//! A plain message's reply subject is its way back. A stream's message has none: there the reply subject is where it is acknowledged.
//!
//! # Standard
//! The NATS client protocol, <https://docs.nats.io/reference/reference-protocols/nats-protocol>; `JetStream` ADR 13 for pulled consumers.

mod link;
mod stream;

use std::collections::VecDeque;

use async_nats::client::PublishErrorKind;
use async_nats::{Client, Message, Subscriber};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::IntakeError;
use super::door::{Answer, Destination, Door, Taken};
use super::settings::{Nats, NatsMode, Settings};
use super::stream::within;
use link::Link;

/// How many octets of plain messages wait for their turn.
const MOST_WAITING: usize = 16 * 1024 * 1024;

/// Serves until `life` ends or the connection does.
pub(super) async fn serve(
    settings: &Settings,
    broker: &Nats,
    door: &Door,
    life: &CancellationToken,
) -> Result<(), IntakeError> {
    let mut link = Link::open(settings, broker).await?;
    let served = match &broker.mode {
        NatsMode::Core { group } => listen(settings, group, &mut link, door, life).await,
        NatsMode::JetStream { stream, consumer } => {
            stream::read(settings, (stream, consumer), &mut link, door, life).await
        }
    };
    served?;
    // What was acknowledged and answered last.
    within(settings.timeout, "writing", link.client.flush())
        .await?
        .map_err(|error| IntakeError::Lost(error.to_string()))
}

/// Logs in and looks at what is read.
pub(super) async fn check(settings: &Settings, broker: &Nats) -> Result<(), IntakeError> {
    let link = Link::open(settings, broker).await?;
    match &broker.mode {
        NatsMode::Core { .. } => Ok(()),
        NatsMode::JetStream { stream, consumer } => stream::check(settings, (stream, consumer), &link).await,
    }
}

/// A plain subscription: at most once.
async fn listen(
    settings: &Settings,
    group: &str,
    link: &mut Link,
    door: &Door,
    life: &CancellationToken,
) -> Result<(), IntakeError> {
    let mut messages = subscribe(settings, group, &link.client).await?;
    link.settle(settings).await?;
    door.connected(settings);
    let most = usize::from(settings.unacknowledged);
    let client = link.client.clone();
    let (mut waiting, mut work) = (Waiting::default(), FuturesUnordered::new());
    let (mut is_ending, mut has_ended) = (false, false);
    loop {
        while work.len() < most
            && let Some(message) = waiting.pop()
        {
            work.push(take(settings, door, message, &client));
        }
        if has_ended && work.is_empty() {
            return Ok(());
        }
        // Cancel-safe: the subscription keeps what has come, and work goes on in its set.
        tokio::select! {
            () = life.cancelled(), if !is_ending => {
                is_ending = true;
                // What has come already is still taken.
                messages.unsubscribe().await.map_err(lost("unsubscribing"))?;
            }
            Some(done) = work.next() => done?,
            error = link.trouble(settings) => return Err(error),
            message = messages.next(), if !has_ended => match message {
                Some(message) => link.count_dropped(waiting.fill(message, &mut messages)),
                None if is_ending => has_ended = true,
                None => return Err(IntakeError::Lost("the subscription ended".to_owned())),
            },
        }
    }
}

/// Messages that have come and are not yet taken.
#[derive(Default)]
struct Waiting {
    messages: VecDeque<Message>,
    octets: usize,
}

impl Waiting {
    /// Takes one and what else has come with it, so that nothing piles up in the library. Answers how many have no room here.
    fn fill(&mut self, first: Message, others: &mut Subscriber) -> u64 {
        let (mut next, mut dropped) = (Some(first), 0);
        while let Some(message) = next {
            if self.octets < MOST_WAITING {
                self.octets += octets(&message);
                self.messages.push_back(message);
            } else {
                dropped += 1;
            }
            next = others.next().now_or_never().flatten();
        }
        dropped
    }

    fn pop(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        self.octets -= octets(&message);
        Some(message)
    }
}

/// What a message costs while it waits, about.
fn octets(message: &Message) -> usize {
    message.payload.len() + size_of::<Message>()
}

async fn subscribe(settings: &Settings, group: &str, client: &Client) -> Result<Subscriber, IntakeError> {
    let topic = settings.topic.clone();
    let subscribed = if group.is_empty() {
        client.subscribe(topic).await
    } else {
        client.queue_subscribe(topic, group.to_owned()).await
    };
    subscribed.map_err(|error| IntakeError::Refused { doing: "subscribing", reason: error.to_string() })
}

async fn take(settings: &Settings, door: &Door, message: Message, client: &Client) -> Result<(), IntakeError> {
    let back = message.reply.as_deref();
    match door.take(settings, &message.payload, back).await {
        Taken::Done(answers) | Taken::Poison(answers) => answer(door, answers, back, client).await,
        // Nobody else has it: the gateway ends.
        Taken::Left => Ok(()),
    }
}

/// Publishes answers, each after the pause that was asked for.
async fn answer(door: &Door, answers: Vec<Answer>, back: Option<&str>, client: &Client) -> Result<(), IntakeError> {
    for Answer { to, body } in answers {
        let subject = match (to, back) {
            (Destination::Callback(topic, delay), _) => {
                if !delay.is_zero() {
                    sleep(delay).await;
                }
                topic
            }
            (Destination::Sender, Some(back)) => back.to_owned(),
            (Destination::Sender, None) => continue,
        };
        match client.publish(subject, body.into()).await {
            Ok(()) => door.status.count_answer(),
            Err(error) if error.kind() == PublishErrorKind::Send => return Err(lost("answering")(error)),
            // The server takes none so long. The command is done all the same, and the connection is sound.
            Err(error) => debug!(%error, "an answer cannot be published"),
        }
    }
    Ok(())
}

fn lost<E: std::fmt::Display>(doing: &'static str) -> impl Fn(E) -> IntakeError {
    move |error| IntakeError::Lost(format!("{doing}: {error}"))
}

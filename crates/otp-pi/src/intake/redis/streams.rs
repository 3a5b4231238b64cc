//! A stream read as one of its consumer group: what is taken and not acknowledged comes again, to us or to another node.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::streams::{StreamAutoClaimReply, StreamId, StreamReadReply};
use ::redis::{FromRedisValue, Value, cmd, from_redis_value};
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream, FuturesUnordered};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::line::Line;
use super::{ANSWERS_KEPT, FIELD, answer, refused};
use crate::intake::IntakeError;
use crate::intake::door::{Door, Taken};
use crate::intake::settings::Settings;

/// How long the server holds a read that finds nothing.
const BLOCK: Duration = Duration::from_secs(2);

/// How often we say that we still work on what we have, and look for what others have left.
const TEND_EVERY: Duration = Duration::from_secs(20);

/// What another node has not spoken of for so long is taken over.
const LEFT_AFTER: Duration = Duration::from_secs(90);

/// A message: its id in the stream and its payload.
type Entry = (String, Vec<u8>);

/// Reads until `life` ends or the connection does.
pub(super) async fn read(
    settings: &Settings,
    mut line: Line,
    publisher: MultiplexedConnection,
    (group, consumer): (&str, &str),
    door: &Door,
    life: &CancellationToken,
) -> Result<(), IntakeError> {
    make_group(&mut line, &settings.topic, group).await?;
    door.connected(settings);
    let most = usize::from(settings.unacknowledged);
    let mut batches = batches(line, settings, (group, consumer), most);
    let (mut waiting, mut taken) = (VecDeque::<Entry>::new(), BTreeSet::new());
    let mut work = FuturesUnordered::new();
    let mut tending = interval(TEND_EVERY);
    tending.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        while work.len() < most
            && let Some((id, payload)) = waiting.pop_front()
        {
            // Read twice: first from others, or as our own of before, and by now under way.
            if taken.insert(id.clone()) {
                work.push(take(settings, group, door, (id, payload), publisher.clone()));
            }
        }
        // Cancel-safe: the stream of batches keeps what it has asked for, and work goes on in its set.
        tokio::select! {
            () = life.cancelled() => break,
            Some(done) = work.next() => drop(taken.remove(&done?)),
            _ = tending.tick() => {
                hold(settings, (group, consumer), taken.iter().chain(waiting.iter().map(|(id, _)| id)), publisher.clone()).await?;
                waiting.extend(claim(settings, (group, consumer), most, publisher.clone()).await?);
            }
            batch = batches.next(), if waiting.is_empty() && work.len() < most => match batch {
                Some(batch) => waiting.extend(batch?),
                None => return Err(IntakeError::Lost("the stream of batches ended".to_owned())),
            },
        }
    }
    while let Some(done) = work.next().await {
        done?;
    }
    Ok(())
}

/// Makes the group and the stream where they are not there yet. It begins with what is there already.
async fn make_group(line: &mut Line, topic: &str, group: &str) -> Result<(), IntakeError> {
    let mut make = cmd("XGROUP");
    make.arg("CREATE").arg(topic).arg(group).arg("0").arg("MKSTREAM");
    match line.ask("XGROUP CREATE", &make).await {
        Err(IntakeError::Refused { reason, .. }) if reason.contains("BUSYGROUP") => Ok(()),
        other => other.map(drop),
    }
}

/// First what we had taken in an earlier life and not acknowledged, then what is new.
fn batches<'a>(
    line: Line,
    settings: &'a Settings,
    (group, consumer): (&'a str, &'a str),
    most: usize,
) -> BoxStream<'a, Result<Vec<Entry>, IntakeError>> {
    let from = Some("0".to_owned());
    stream::unfold((line, from), move |(mut line, from)| async move {
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP").arg(group).arg(consumer).arg("COUNT").arg(most);
        read.arg("BLOCK").arg(BLOCK.as_millis().to_string());
        read.arg("STREAMS").arg(&settings.topic).arg(from.as_deref().unwrap_or(">"));
        let limit = BLOCK.saturating_add(settings.timeout);
        let answer = line.ask_for("XREADGROUP", &read, limit).await.and_then(entries_of);
        let entries = match answer {
            Ok(entries) => entries,
            Err(error) => return Some((Err(error), (line, from))),
        };
        // The last id that was seen of the old ones; none left: from now on new ones.
        let next = from.and_then(|_| entries.last().map(|(id, _)| id.clone()));
        Some((Ok(entries), (line, next)))
    })
    .boxed()
}

fn entries_of(answer: Value) -> Result<Vec<Entry>, IntakeError> {
    if answer == Value::Nil {
        return Ok(Vec::new());
    }
    let reply: StreamReadReply = parse("XREADGROUP", answer)?;
    Ok(reply.keys.into_iter().flat_map(|key| key.ids).map(entry).collect())
}

fn parse<T: FromRedisValue>(doing: &'static str, answer: Value) -> Result<T, IntakeError> {
    from_redis_value(answer).map_err(|error| IntakeError::Refused { doing, reason: error.to_string() })
}

/// The payload of a message: its field `message`, else `payload`, else `data`, else the only one. One that was deleted meanwhile, or has
/// nothing of the kind, is no command.
fn entry(mut id: StreamId) -> Entry {
    let name = [FIELD, "payload", "data"].into_iter().find(|name| id.map.contains_key(*name)).map(str::to_owned);
    let name = name.or_else(|| id.map.keys().next().filter(|_| id.map.len() == 1).cloned());
    let payload = match name.and_then(|name| id.map.remove(&name)) {
        Some(Value::BulkString(payload)) => payload,
        _ => Vec::new(),
    };
    (id.id, payload)
}

/// Does what a message asks, acknowledges it and answers. Answers its id.
async fn take(
    settings: &Settings,
    group: &str,
    door: &Door,
    (id, payload): Entry,
    mut publisher: MultiplexedConnection,
) -> Result<String, IntakeError> {
    let answers = match door.take(settings, &payload, None).await {
        Taken::Done(answers) | Taken::Poison(answers) => answers,
        // It stays pending, and is ours again with the next start.
        Taken::Left => return Ok(id),
    };
    let mut done = ::redis::pipe();
    done.cmd("XACK").arg(&settings.topic).arg(group).arg(&id).ignore();
    done.cmd("XDEL").arg(&settings.topic).arg(&id).ignore();
    done.query_async::<()>(&mut publisher).await.map_err(refused("XACK"))?;
    let add = |topic: &str, body: &[u8]| {
        let (seconds, most) = ANSWERS_KEPT;
        let (mut add, mut expire) = (cmd("XADD"), cmd("EXPIRE"));
        add.arg(topic).arg("MAXLEN").arg("~").arg(most).arg("*").arg(FIELD).arg(body);
        expire.arg(topic).arg(seconds);
        vec![add, expire]
    };
    answer(door, answers, publisher, add).await?;
    Ok(id)
}

/// Says that these are still worked on, so that no other node takes them over.
async fn hold(
    settings: &Settings,
    (group, consumer): (&str, &str),
    ids: impl Iterator<Item = &String>,
    mut publisher: MultiplexedConnection,
) -> Result<(), IntakeError> {
    let mut hold = cmd("XCLAIM");
    hold.arg(&settings.topic).arg(group).arg(consumer).arg(0);
    let mut is_empty = true;
    for id in ids {
        hold.arg(id);
        is_empty = false;
    }
    if is_empty {
        return Ok(());
    }
    hold.arg("JUSTID");
    hold.query_async::<Value>(&mut publisher).await.map(drop).map_err(refused("XCLAIM"))
}

/// Takes over what nodes that are gone have left.
async fn claim(
    settings: &Settings,
    (group, consumer): (&str, &str),
    most: usize,
    mut publisher: MultiplexedConnection,
) -> Result<Vec<Entry>, IntakeError> {
    let mut claim = cmd("XAUTOCLAIM");
    claim.arg(&settings.topic).arg(group).arg(consumer).arg(LEFT_AFTER.as_millis().to_string()).arg("0-0");
    claim.arg("COUNT").arg(most);
    let reply: StreamAutoClaimReply = claim.query_async(&mut publisher).await.map_err(refused("XAUTOCLAIM"))?;
    Ok(reply.claimed.into_iter().map(entry).collect())
}

use std::net::{IpAddr, Ipv4Addr};

use domain::clock::{Clock, Manual};
use domain::command::ScopeSet;
use domain::message::Class;
use domain::secret::SecretText;
use store::Keys;
use tokio::task::JoinSet;

use super::*;
use crate::http::auth::Claim;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

async fn open(directory: &std::path::Path) -> (Store, JoinSet<()>, CancellationToken, Arc<dyn Clock>) {
    let clock: Arc<dyn Clock> = Arc::new(Manual::new(WallTime::from_unix_millis(1_790_000_000_000)));
    let keys = Keys::load_or_create(&directory.join("keys")).unwrap();
    let (store, writer) = Store::open(store::Settings::new(directory), keys, Arc::clone(&clock)).await.unwrap();
    let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
    let until = stop.clone();
    tasks.spawn(async move { writer.run(until).await.unwrap() });
    (store, tasks, stop, clock)
}

fn source(password: PasswordSource, previous: Option<PasswordSource>) -> ApiUserSource {
    ApiUserSource {
        username: "shop".to_owned(),
        password,
        previous: previous.map(|password| crate::config::PreviousSource { password, until: None }),
        networks: Vec::new(),
        scopes: ScopeSet::all(),
        class: Class::Transactional,
        is_active: true,
    }
}

fn clear(text: &str) -> PasswordSource {
    PasswordSource::Clear(SecretText::new(text))
}

async fn put(store: &Store, source: ApiUserSource) -> Vec<KnownUser> {
    let changes = changes(store, vec![source]).await.unwrap();
    store.keep_settings(&[], changes.users, Vec::new()).await.unwrap();
    changes.known
}

#[tokio::test]
async fn a_password_that_becomes_the_previous_one_keeps_its_hash_and_so_its_last_use() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _tasks, _stop, _clock) = open(directory.path()).await;
    let first = put(&store, source(clear("one"), None)).await.remove(0);
    let same = put(&store, source(clear("one"), None)).await.remove(0);
    assert!(first == same, "hashed once");
    let rotated = put(&store, source(clear("two"), Some(clear("one")))).await.remove(0);
    assert_eq!(rotated.previous.unwrap().hash, first.password_hash);
    let back = put(&store, source(clear("one"), Some(clear("two")))).await.remove(0);
    assert_eq!((back.password_hash, back.previous.unwrap().hash), (first.password_hash, rotated.password_hash));
}

#[tokio::test]
async fn many_uses_are_written_in_one_commit_and_what_cannot_be_written_is_not_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let (store, mut tasks, stop, clock) = open(directory.path()).await;
    let auth = Auth::start(put(&store, source(clear("one"), None)).await, clock).unwrap();
    let claim = Claim::Open("shop");
    for _ in 0..100 {
        let identity = auth.identify(claim, HERE).await.unwrap();
        auth.admit(identity, claim, HERE).await.unwrap();
    }
    let before = store.commit_count();
    write_uses(&auth, &store).await;
    write_uses(&auth, &store).await;
    assert_eq!((store.commit_count() - before, store.secret_uses().await.unwrap()), (1, auth.secret_uses()));
    let identity = auth.identify(claim, HERE).await.unwrap();
    auth.admit(identity, claim, HERE).await.unwrap();
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap();
    write_uses(&auth, &store).await;
    assert_eq!(auth.take_unwritten_uses().len(), 1, "the writer has ended: it is kept for the next time");
}

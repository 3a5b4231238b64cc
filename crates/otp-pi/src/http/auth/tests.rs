use base64::Engine as _;

use super::*;
use domain::command::{Entrance, ScopeSet};
use domain::message::Class;
use futures_util::future::join_all;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use store::PasswordHasher;

/// Of the password `password`, from the reference implementation; cheap to check.
const CHEAP: &str = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn caller(name: &str) -> Caller {
    Caller {
        api_user: name.to_owned(),
        scopes: ScopeSet::all(),
        default_class: Class::Transactional,
        entrance: Entrance::Rest,
    }
}

/// One user, `user`, whose hash can be changed, and the number of lookups.
#[derive(Clone, Default)]
struct Users {
    hash: Arc<Mutex<Option<String>>>,
    lookups: Arc<AtomicUsize>,
}

impl Users {
    fn with(hash: &str) -> Self {
        let users = Self::default();
        users.set(Some(hash));
        users
    }

    fn set(&self, hash: Option<&str>) {
        *self.hash.lock().unwrap() = hash.map(str::to_owned);
    }

    fn lookups(&self) -> usize {
        self.lookups.load(Ordering::SeqCst)
    }

    fn auth(&self) -> Auth {
        let users = self.clone();
        Auth::start(Box::new(move |name| {
            users.lookups.fetch_add(1, Ordering::SeqCst);
            let hash = users.hash.lock().unwrap().clone().filter(|_| name == "user");
            Box::pin(async move { Ok(hash.map(|password_hash| KnownUser { password_hash, caller: caller("user") })) })
        }))
        .unwrap()
    }
}

fn basic(login: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(login))
}

async fn check(auth: &Auth, login: &str) -> Result<String, AuthFailure> {
    auth.check(Some(basic(login).as_bytes()), HOME).await.map(|caller| caller.api_user)
}

#[tokio::test]
async fn only_the_right_password_of_a_known_user_is_let_in() {
    let auth = Users::with(CHEAP).auth();
    for (login, expected) in [
        ("user:password", Ok("user".to_owned())),
        ("user:passwore", Err(AuthFailure::Refused)),
        ("user:password:", Err(AuthFailure::Refused)),
        ("user:", Err(AuthFailure::Refused)),
        ("user", Err(AuthFailure::Refused)),
        ("nobody:password", Err(AuthFailure::Refused)),
        // The original program let these in.
        ("nobody:", Err(AuthFailure::Refused)),
        (":", Err(AuthFailure::Refused)),
        (":password", Err(AuthFailure::Refused)),
        // It also took the stored hash for the password.
        (&format!("user:{CHEAP}"), Err(AuthFailure::Refused)),
        ("", Err(AuthFailure::Refused)),
    ] {
        assert_eq!(check(&auth, login).await, expected, "{login}");
    }
    assert_eq!(auth.check(None, HOME).await, Err(AuthFailure::Refused));
}

#[tokio::test]
async fn the_header_is_read_as_the_standard_says() {
    let auth = Users::with(CHEAP).auth();
    for (header, is_let_in) in [
        ("Basic dXNlcjpwYXNzd29yZA==", true),
        ("basic dXNlcjpwYXNzd29yZA==", true),
        ("BASIC   dXNlcjpwYXNzd29yZA==  ", true),
        ("Basic dXNlcjpwYXNzd29yZA", true),
        ("Bearer dXNlcjpwYXNzd29yZA==", false),
        ("BasicdXNlcjpwYXNzd29yZA==", false),
        ("Basic dXNlcjpwYXNzd29yZA==x", false),
        ("Basic user:password", false),
        ("Basic", false),
        ("", false),
    ] {
        assert_eq!(auth.check(Some(header.as_bytes()), HOME).await.is_ok(), is_let_in, "{header}");
    }
}

#[tokio::test]
async fn a_password_may_hold_colons() {
    let hash = PasswordHasher::default().hash(&SecretText::new("a:b:c")).unwrap();
    let auth = Users::with(&hash).auth();
    assert_eq!(check(&auth, "user:a:b:c").await, Ok("user".to_owned()));
    assert_eq!(check(&auth, "user:a").await, Err(AuthFailure::Refused));
}

#[tokio::test]
async fn a_kept_login_costs_no_lookup_until_logins_are_forgotten() {
    let users = Users::with(CHEAP);
    let auth = users.auth();
    for _ in 0..3 {
        assert!(check(&auth, "user:password").await.is_ok());
    }
    assert_eq!(users.lookups(), 1);
    users.set(None);
    assert!(check(&auth, "user:password").await.is_ok());
    auth.forget_logins();
    assert_eq!(check(&auth, "user:password").await, Err(AuthFailure::Refused));
}

#[tokio::test]
async fn a_wrong_login_is_never_kept() {
    let users = Users::with(CHEAP);
    let auth = users.auth();
    for _ in 0..2 {
        assert_eq!(check(&auth, "user:wrong").await, Err(AuthFailure::Refused));
    }
    assert_eq!(users.lookups(), 2);
}

#[tokio::test]
async fn one_login_on_many_connections_is_hashed_once_and_lets_all_in() {
    let auth = Users::with(CHEAP).auth();
    let many = usize::try_from(throttle::BURST).unwrap() + password::QUEUE + 50;
    let answers = join_all((0..many).map(|_| check(&auth, "user:password"))).await;
    assert!(answers.iter().all(Result::is_ok));
}

#[tokio::test]
async fn failures_from_one_address_are_throttled_but_a_kept_login_is_not() {
    let users = Users::with(CHEAP);
    let auth = users.auth();
    assert!(check(&auth, "user:password").await.is_ok());
    for try_number in 0..throttle::BURST {
        assert_eq!(check(&auth, &format!("user:{try_number}")).await, Err(AuthFailure::Refused), "{try_number}");
    }
    let lookups = users.lookups();
    assert!(matches!(check(&auth, "user:more").await, Err(AuthFailure::Throttled { .. })));
    assert_eq!(users.lookups(), lookups, "a throttled address does not reach the store");
    assert!(check(&auth, "user:password").await.is_ok());
    let elsewhere = auth.check(Some(basic("user:more").as_bytes()), Ipv4Addr::new(192, 0, 2, 1).into()).await;
    assert_eq!(elsewhere, Err(AuthFailure::Refused));
}

#[tokio::test]
async fn parallel_guesses_cannot_overrun_the_throttle() {
    let auth = Users::with(CHEAP).auth();
    let guesses: Vec<String> = (0..throttle::BURST + 30).map(|number| format!("user:{number}")).collect();
    let answers = join_all(guesses.iter().map(|guess| check(&auth, guess))).await;
    let throttled = answers.iter().filter(|answer| matches!(answer, Err(AuthFailure::Throttled { .. }))).count();
    assert_eq!(throttled, 30);
}

#[tokio::test]
async fn users_that_cannot_be_read_are_no_refusal() {
    let auth = Auth::start(Box::new(|_| Box::pin(async { Err(LookupError) }))).unwrap();
    assert_eq!(check(&auth, "user:password").await, Err(AuthFailure::Busy));
}

#[test]
fn the_hash_of_nobody_is_as_dear_as_a_real_one_and_fits_no_password() {
    let mut hasher = PasswordHasher::default();
    let real = hasher.hash(&SecretText::new("password")).unwrap();
    let cost = |hash: &str| hash.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(cost(password::NOBODY), cost(&real));
    assert_eq!(hasher.verify(&SecretText::new("password"), password::NOBODY), Ok(false));
}

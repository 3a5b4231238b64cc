use base64::Engine as _;

use super::*;
use domain::clock::Manual;
use domain::command::{Entrance, Scope, ScopeSet};
use domain::message::Class;
use domain::network::Network;
use futures_util::future::join_all;
use std::net::Ipv4Addr;
use store::PasswordHasher;

/// Of the password `password`, from the reference implementation; cheap to check.
const CHEAP: &str = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const NOW: WallTime = WallTime::from_unix_millis(1_790_000_000_000);

pub(super) fn known_user(name: &str, hash: &str) -> KnownUser {
    let caller = Caller {
        api_user: name.to_owned(),
        scopes: ScopeSet::all(),
        default_class: Class::Transactional,
        entrance: Entrance::Rest,
        subscriber: None,
        peer: None,
    };
    KnownUser { caller, password_hash: hash.to_owned(), previous: None, networks: Vec::new() }
}

fn auth_of(users: Vec<KnownUser>) -> (Auth, Arc<Manual>) {
    let clock = Arc::new(Manual::new(NOW));
    (Auth::start(users, Arc::clone(&clock) as Arc<dyn Clock>).unwrap(), clock)
}

/// One user, `user`, of this hash.
fn auth(hash: &str) -> Auth {
    auth_of(vec![known_user("user", hash)]).0
}

/// A hash of this password.
fn hash_of(password: &str) -> String {
    PasswordHasher::default().hash(&SecretText::new(password)).unwrap()
}

fn basic(login: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(login))
}

/// The whole way of a request.
async fn ask_from(auth: &Auth, claim: Claim<'_>, peer: IpAddr) -> Result<String, AuthFailure> {
    let identity = auth.identify(claim, peer).await?;
    auth.admit(identity, claim, peer).await.map(|(caller, _pass)| caller.api_user)
}

async fn check_from(auth: &Auth, login: &str, peer: IpAddr) -> Result<String, AuthFailure> {
    ask_from(auth, Claim::Login(Some(basic(login).as_bytes())), peer).await
}

async fn check(auth: &Auth, login: &str) -> Result<String, AuthFailure> {
    check_from(auth, login, HOME).await
}

#[tokio::test]
async fn only_the_right_password_of_a_known_user_is_let_in() {
    let auth = auth(CHEAP);
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
    assert_eq!(ask_from(&auth, Claim::Login(None), HOME).await, Err(AuthFailure::Refused));
}

#[tokio::test]
async fn the_header_is_read_as_the_standard_says() {
    let auth = auth(CHEAP);
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
        let asked = ask_from(&auth, Claim::Login(Some(header.as_bytes())), HOME).await;
        assert_eq!(asked.is_ok(), is_let_in, "{header}");
    }
}

#[tokio::test]
async fn a_password_may_hold_colons() {
    let hash = PasswordHasher::default().hash(&SecretText::new("a:b:c")).unwrap();
    let auth = auth(&hash);
    assert_eq!(check(&auth, "user:a:b:c").await, Ok("user".to_owned()));
    assert_eq!(check(&auth, "user:a").await, Err(AuthFailure::Refused));
}

#[tokio::test]
async fn a_login_is_verified_once_and_anew_when_its_user_has_changed_and_no_other() {
    let (auth, _) = auth_of(vec![known_user("user", CHEAP), known_user("other", CHEAP)]);
    // Nothing can be verified from an address that has used its failures up; what is kept goes through.
    for login in ["user:password", "other:password"] {
        assert!(check(&auth, login).await.is_ok());
    }
    for number in 0..throttle::BURST {
        assert_eq!(check(&auth, &format!("nobody:{number}")).await, Err(AuthFailure::Refused));
    }
    let is_kept = async |login: &str| match check(&auth, login).await {
        Ok(_) => true,
        Err(AuthFailure::Throttled { .. }) => false,
        Err(other) => panic!("{other:?}"),
    };
    assert!(is_kept("user:password").await && is_kept("other:password").await);
    let same = || vec![known_user("other", CHEAP), known_user("user", CHEAP)];
    assert!(auth.replace_users(same()).is_none(), "nothing has changed");
    assert!(is_kept("user:password").await && is_kept("other:password").await);
    let mut changed = same();
    changed[1].caller.scopes = ScopeSet::EMPTY;
    assert!(auth.replace_users(changed).is_some());
    assert!(!is_kept("user:password").await && is_kept("other:password").await);
}

#[tokio::test]
async fn a_wrong_login_is_never_kept() {
    let auth = auth(CHEAP);
    for _ in 0..2 {
        assert_eq!(check(&auth, "user:wrong").await, Err(AuthFailure::Refused));
    }
    assert!(auth.kept.is_empty());
}

#[tokio::test]
async fn one_login_on_many_connections_is_hashed_once_and_lets_all_in() {
    let auth = auth(CHEAP);
    let many = usize::try_from(throttle::BURST).unwrap() + password::QUEUE + 50;
    let answers = join_all((0..many).map(|_| check(&auth, "user:password"))).await;
    assert!(answers.iter().all(Result::is_ok));
}

#[tokio::test]
async fn failures_from_one_address_are_throttled_but_a_kept_login_is_not() {
    let auth = auth(CHEAP);
    assert!(check(&auth, "user:password").await.is_ok());
    for try_number in 0..throttle::BURST {
        assert_eq!(check(&auth, &format!("user:{try_number}")).await, Err(AuthFailure::Refused), "{try_number}");
    }
    assert!(matches!(check(&auth, "user:more").await, Err(AuthFailure::Throttled { .. })));
    assert!(check(&auth, "user:password").await.is_ok());
    assert_eq!(check_from(&auth, "user:more", ELSEWHERE).await, Err(AuthFailure::Refused));
}

#[tokio::test]
async fn parallel_guesses_cannot_overrun_the_throttle() {
    let auth = auth(CHEAP);
    let guesses: Vec<String> = (0..throttle::BURST + 30).map(|number| format!("user:{number}")).collect();
    let answers = join_all(guesses.iter().map(|guess| check(&auth, guess))).await;
    let throttled = answers.iter().filter(|answer| matches!(answer, Err(AuthFailure::Throttled { .. }))).count();
    assert_eq!(throttled, 30);
}

#[test]
fn the_hash_of_nobody_is_as_dear_as_a_real_one_and_fits_no_password() {
    let mut hasher = PasswordHasher::default();
    let real = hasher.hash(&SecretText::new("password")).unwrap();
    let cost = |hash: &str| hash.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(cost(password::NOBODY), cost(&real));
    assert_eq!(hasher.verify(&SecretText::new("password"), password::NOBODY), Ok(false));
}

// --- networks -----------------------------------------------------------------------------------------------------

/// One user who may call from this machine alone.
fn home_user() -> KnownUser {
    let networks = vec![Network::parse("127.0.0.0/8").unwrap()];
    KnownUser { networks, ..known_user("user", CHEAP) }
}

#[tokio::test]
async fn a_right_login_from_elsewhere_is_refused_and_charged_as_a_wrong_one() {
    let (auth, _) = auth_of(vec![home_user()]);
    assert!(check(&auth, "user:password").await.is_ok(), "kept from now on");
    let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
    assert!(check_from(&auth, "user:password", mapped).await.is_ok());
    for (login, peer) in [("user:password", ELSEWHERE), ("user:wrong", Ipv4Addr::new(192, 0, 2, 2).into())] {
        for number in 0..throttle::BURST {
            assert_eq!(check_from(&auth, login, peer).await, Err(AuthFailure::Refused), "{login} {number}");
        }
        let more = check_from(&auth, login, peer).await;
        assert!(matches!(more, Err(AuthFailure::Throttled { .. })), "{login}: {more:?}");
    }
    assert!(check(&auth, "user:password").await.is_ok());
}

#[tokio::test]
async fn who_acts_without_a_login_must_be_in_the_networks_of_the_user_too() {
    let (auth, _) = auth_of(vec![home_user()]);
    let open = Claim::Open("user");
    assert_eq!(ask_from(&auth, open, HOME).await, Ok("user".to_owned()));
    assert_eq!(ask_from(&auth, open, ELSEWHERE).await, Err(AuthFailure::Refused));
    assert_eq!(ask_from(&auth, Claim::Open("nobody"), HOME).await, Err(AuthFailure::Refused));
}

// --- two secrets --------------------------------------------------------------------------------------------------

fn rotating(until: Option<WallTime>) -> KnownUser {
    let previous = Some(PreviousSecret { hash: CHEAP.to_owned(), until });
    KnownUser { previous, ..known_user("user", &hash_of("new")) }
}

#[tokio::test]
async fn both_secrets_are_good_until_the_older_ends_on_kept_logins_too() {
    let until = NOW.saturating_add(Duration::from_mins(5));
    let (auth, clock) = auth_of(vec![rotating(Some(until))]);
    for login in ["user:new", "user:password", "user:new", "user:password"] {
        assert!(check(&auth, login).await.is_ok(), "{login}");
    }
    assert_eq!(check(&auth, "user:wrong").await, Err(AuthFailure::Refused));
    clock.set(until);
    assert_eq!(check(&auth, "user:password").await, Err(AuthFailure::Refused));
    assert!(check(&auth, "user:new").await.is_ok());
    // A clock that was ahead and is set back brings it back: wall time is all there is to go by.
    clock.set(NOW);
    assert!(check(&auth, "user:password").await.is_ok());
}

#[tokio::test]
async fn as_long_as_anybody_has_two_secrets_every_login_costs_two_hashes_and_otherwise_one() {
    let until = NOW.saturating_add(Duration::from_mins(5));
    let (auth, clock) = auth_of(vec![rotating(Some(until)), known_user("other", CHEAP)]);
    let costs = |now: WallTime| ["user", "other", "nobody"].map(|name| auth.hashes(name, now).1.len());
    assert_eq!(costs(NOW), [2, 2, 2]);
    assert_eq!(costs(until), [1, 1, 1]);
    clock.set(until);
    assert!(check(&auth, "other:password").await.is_ok());
}

#[tokio::test]
async fn the_last_use_is_noted_for_the_secret_that_was_used() {
    let (auth, clock) = auth_of(vec![rotating(None)]);
    check(&auth, "user:new").await.unwrap();
    clock.advance(Duration::from_secs(1));
    check_from(&auth, "user:password", ELSEWHERE).await.unwrap();
    check(&auth, "user:wrong").await.unwrap_err();
    clock.advance(Duration::from_secs(1));
    ask_from(&auth, Claim::Open("user"), HOME).await.unwrap();
    let mut uses: Vec<_> = auth.secret_uses().into_iter().map(|one| (one.at, one.address, one.secret_hash)).collect();
    uses.sort();
    let after = |seconds| NOW.saturating_add(Duration::from_secs(seconds));
    assert_eq!((uses[0].0, uses[0].1), (NOW, HOME));
    assert_eq!(uses[1], (after(1), ELSEWHERE, Some(CHEAP.to_owned())));
    assert_eq!(uses[2], (after(2), HOME, None));
    assert_eq!(uses.len(), 3);
}

// --- changes while requests are under way ---------------------------------------------------------------------------

#[tokio::test]
async fn a_request_that_was_identified_before_a_change_must_stand_as_things_are_after_it() {
    let network = || vec![Network::parse("192.0.2.0/24").unwrap()];
    let cases: [(&str, Vec<KnownUser>, bool); 5] = [
        ("switched off", vec![], false),
        ("another password", vec![known_user("user", &hash_of("new"))], false),
        ("narrowed", vec![KnownUser { networks: network(), ..known_user("user", CHEAP) }], false),
        ("rotated", vec![rotating(None)], true),
        ("somebody else came", vec![known_user("user", CHEAP), known_user("other", CHEAP)], true),
    ];
    for (what, users, expected) in cases {
        let auth = auth(CHEAP);
        let header = basic("user:password");
        let claims = [Claim::Login(Some(header.as_bytes())), Claim::Open("user")];
        let mut identities = Vec::new();
        for claim in claims {
            identities.push((claim, auth.identify(claim, HOME).await.unwrap()));
        }
        auth.replace_users(users).unwrap().wait().await;
        for (claim, identity) in identities {
            // Another password is nothing to those who need none.
            let expected = expected || (what == "another password" && matches!(claim, Claim::Open(_)));
            let admitted = auth.admit(identity, claim, HOME).await;
            assert_eq!(admitted.is_ok(), expected, "{what}: {claim:?}");
        }
    }
}

#[tokio::test]
async fn a_request_has_the_scopes_of_the_moment_at_which_it_passes() {
    let auth = auth(CHEAP);
    let header = basic("user:password");
    let claim = Claim::Login(Some(header.as_bytes()));
    let identity = auth.identify(claim, HOME).await.unwrap();
    let mut user = known_user("user", CHEAP);
    user.caller.scopes = [Scope::Sms].into_iter().collect();
    auth.replace_users(vec![user]).unwrap().wait().await;
    let (caller, _pass) = auth.admit(identity, claim, HOME).await.unwrap();
    assert_eq!(caller.scopes, [Scope::Sms].into_iter().collect());
}

#[tokio::test]
async fn a_change_waits_for_what_has_passed_before_it_and_for_nothing_else() {
    let auth = auth(CHEAP);
    let header = basic("user:password");
    let claim = Claim::Login(Some(header.as_bytes()));
    let identity = auth.identify(claim, HOME).await.unwrap();
    let (_, before) = auth.admit(identity.clone(), claim, HOME).await.unwrap();
    let mut wide = known_user("user", CHEAP);
    wide.caller.default_class = Class::Bulk;
    let mut waiting = Box::pin(auth.replace_users(vec![wide]).unwrap().wait());
    let (_, after) = auth.admit(identity, claim, HOME).await.unwrap();
    assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    drop(before);
    timeout(LONGEST_WAIT, waiting).await.unwrap();
    drop(after);
}

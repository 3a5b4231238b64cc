use super::*;

fn id(number: u8) -> Digest {
    [number; 32]
}

#[tokio::test]
async fn a_full_queue_tells_those_who_wait_and_takes_new_work_later() {
    let thread = PasswordThread::start().unwrap();
    let mut waiting = Vec::new();
    for number in 0..=u8::MAX {
        let Enlisted::Leader(verdict) = thread.enlist(id(number)) else { panic!("nobody asked before") };
        thread.submit(id(number), SecretText::new("x"), vec![NOBODY.to_owned()]);
        waiting.push(verdict);
    }
    // More were handed in than there is room for, far faster than one can be hashed.
    let last = waiting.pop().unwrap();
    assert!(last.await.is_err());
    assert!(waiting.remove(0).await.is_ok());
    let Enlisted::Leader(_) = thread.enlist(id(u8::MAX)) else { panic!("the refused job is forgotten") };
}

#[tokio::test]
async fn followers_get_the_verdict_of_the_leader() {
    let thread = PasswordThread::start().unwrap();
    let Enlisted::Leader(leader) = thread.enlist(id(1)) else { panic!("nobody asked before") };
    let Enlisted::Follower(follower) = thread.enlist(id(1)) else { panic!("somebody asks already") };
    thread.submit(id(1), SecretText::new("x"), vec![NOBODY.to_owned()]);
    assert_eq!((leader.await, follower.await), (Ok(None), Ok(None)));
    assert!(matches!(thread.enlist(id(1)), Enlisted::Leader(_)));
}

#[tokio::test]
async fn a_stored_hash_that_is_none_lets_nobody_in() {
    let thread = PasswordThread::start().unwrap();
    let Enlisted::Leader(verdict) = thread.enlist(id(1)) else { panic!("nobody asked before") };
    thread.submit(id(1), SecretText::new("plain"), vec!["plain".to_owned()]);
    assert_eq!(verdict.await, Ok(None));
}

#[tokio::test]
async fn the_verdict_names_the_hash_that_the_password_fits() {
    let mut hasher = PasswordHasher::default();
    let hashes: Vec<String> = ["one", "two"].map(|text| hasher.hash(&SecretText::new(text)).unwrap()).to_vec();
    let thread = PasswordThread::start().unwrap();
    for (number, (password, expected)) in [("one", Some(0)), ("two", Some(1)), ("three", None)].into_iter().enumerate()
    {
        let id = id(u8::try_from(number).unwrap());
        let Enlisted::Leader(verdict) = thread.enlist(id) else { panic!("nobody asked before") };
        thread.submit(id, SecretText::new(password), hashes.clone());
        assert_eq!(verdict.await, Ok(expected), "{password}");
    }
}

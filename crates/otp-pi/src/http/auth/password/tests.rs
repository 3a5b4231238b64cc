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
        thread.submit(id(number), SecretText::new("x"), NOBODY.to_owned());
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
    thread.submit(id(1), SecretText::new("x"), NOBODY.to_owned());
    assert_eq!((leader.await, follower.await), (Ok(false), Ok(false)));
    assert!(matches!(thread.enlist(id(1)), Enlisted::Leader(_)));
}

#[tokio::test]
async fn a_stored_hash_that_is_none_lets_nobody_in() {
    let thread = PasswordThread::start().unwrap();
    let Enlisted::Leader(verdict) = thread.enlist(id(1)) else { panic!("nobody asked before") };
    thread.submit(id(1), SecretText::new("plain"), "plain".to_owned());
    assert_eq!(verdict.await, Ok(false));
}

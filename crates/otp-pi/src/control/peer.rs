//! In whose name an operator acts: what the system says of a process, for the audit record.

use store::AuditBy;

/// What the system answers where nobody has logged in: a service, or a container.
const NOBODY: u32 = u32::MAX;

/// The process on the other end of the control socket.
pub(super) fn of(uid: u32, process_id: Option<i32>) -> AuditBy {
    let login = process_id.and_then(|id| login_of(&id.to_string()));
    AuditBy::new(words(uid, login), "control socket")
}

/// This process, where no gateway runs.
#[must_use]
pub fn shell() -> AuditBy {
    AuditBy::new(words(rustix::process::getuid().as_raw(), login_of("self")), "shell")
}

/// As whom somebody logged in, which sudo and su do not change. Told by the kernel, if it keeps it at all.
fn login_of(process: &str) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{process}/loginuid")).ok()?;
    text.trim().parse().ok().filter(|login| *login != NOBODY)
}

fn words(uid: u32, login: Option<u32>) -> String {
    match login {
        Some(login) if login != uid => format!("uid {uid}, logged in as uid {login}"),
        _ => format!("uid {uid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_became_another_is_told_with_both() {
        for (uid, login, expected) in
            [(0, Some(1000), "uid 0, logged in as uid 1000"), (1000, Some(1000), "uid 1000"), (999, None, "uid 999")]
        {
            assert_eq!(words(uid, login), expected);
        }
    }

    #[test]
    fn this_process_has_a_name() {
        assert!(shell().actor.starts_with(&format!("uid {}", rustix::process::getuid().as_raw())));
    }
}

use super::*;

fn send(receiver: &str) -> Command {
    Command::Send(SendMessage {
        id: None,
        receiver: receiver.to_owned(),
        subject: None,
        message: SecretText::new("the text"),
        expiration: None,
        date_time: None,
        class: None,
    })
}

fn commands() -> Vec<(Command, &'static str, Option<Scope>)> {
    let (reference, receiver) = ("r".to_owned(), "08126666666".to_owned());
    let create = CreateOtp {
        reference: reference.clone(),
        receiver: receiver.clone(),
        id: None,
        message: Some(SecretText::new("%s")),
        locale: None,
        autofill: Autofill::default(),
        subject: None,
        expiration: None,
        date_time: None,
        params: Default::default(),
        resend: false,
        client_ip: None,
    };
    let validate = ValidateOtp {
        reference: reference.clone(),
        receiver: receiver.clone(),
        otp: SecretText::new("123456"),
        params: Default::default(),
    };
    let check = Command::CheckCode { receiver: receiver.clone(), otp: SecretText::new("123456") };
    vec![
        (Command::CreateOtp(create), "create-otp", Some(Scope::Otp)),
        (Command::ValidateOtp(validate), "validate-otp", Some(Scope::Otp)),
        (Command::CancelOtp { reference }, "cancel-otp", Some(Scope::Otp)),
        (Command::SendCode { receiver: receiver.clone() }, "send-code", Some(Scope::Otp)),
        (check, "check-code", Some(Scope::Otp)),
        (Command::FindCode { receiver: receiver.clone() }, "find-code", Some(Scope::Otp)),
        (send("08126666666"), "send-message", Some(Scope::Sms)),
        (send("a@example.org"), "send-message", Some(Scope::Email)),
        (Command::GetStatus(StatusQuery::default()), "get-status", None),
        (Command::BlockMsisdn { receiver: receiver.clone() }, "block-msisdn", Some(Scope::Block)),
        (Command::UnblockMsisdn { receiver }, "unblock-msisdn", Some(Scope::Block)),
        (Command::GetModemList, "get-modem-list", Some(Scope::Modems)),
        (Command::Echo, "echo", None),
    ]
}

#[test]
fn a_caller_may_exactly_what_its_scopes_say() {
    let sets = std::iter::once(ScopeSet::EMPTY)
        .chain(Scope::ALL.map(|scope| ScopeSet::from_iter([scope])))
        .chain(Scope::ALL.map(|left_out| Scope::ALL.into_iter().filter(|scope| *scope != left_out).collect()))
        .chain([ScopeSet::all()]);
    for scopes in sets {
        let caller = Caller {
            api_user: "shop".to_owned(),
            scopes,
            default_class: Class::Transactional,
            entrance: Entrance::Rest,
            subscriber: None,
            peer: None,
        };
        for (command, name, scope) in commands() {
            assert_eq!(command.name(), name);
            assert_eq!(command.scope(), scope, "{name}");
            let allowed = scope.is_none_or(|scope| scopes.iter().any(|own| own == scope));
            assert_eq!(caller.may(&command), allowed, "{name} with {scopes:?}");
        }
    }
}

#[test]
fn words_of_scopes_and_entrances_come_back() {
    for scope in Scope::ALL {
        assert_eq!(Scope::parse(scope.as_str()), Some(scope));
        assert!(ScopeSet::all().contains(scope));
        assert!(!ScopeSet::EMPTY.contains(scope));
    }
    for entrance in [Entrance::Rest, Entrance::Simple, Entrance::Broker, Entrance::Admin, Entrance::Cli] {
        assert_eq!(Entrance::parse(entrance.as_str()), Some(entrance));
    }
    assert_eq!(Scope::parse("root"), None);
    assert_eq!(Entrance::parse("root"), None);
}

#[test]
fn debug_of_a_command_shows_neither_receiver_nor_text() {
    for (command, name, _) in commands() {
        assert_eq!(format!("{command:?}"), name);
    }
}

//! What goes wrong: one thing every now and then, none of it for ever.
//!
//! Only what a real modem, network, operator or power line may do. That includes a modem that lies: an error for a message that it transmitted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use emulator::{Action, Fault, Modem, Moment, ScriptDuration};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::{Lives, World};
use crate::harness::{Gateway, pause};

pub(super) fn reign(world: &World, lives: &Lives, seed: u64, is_over: &AtomicBool) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut chance = move |below: u32| rng.next_u32() % below;
    while !is_over.load(Ordering::SeqCst) {
        pause(Duration::from_millis(u64::from(50 + chance(600))));
        let modem = &world.modems[chance(u32::try_from(world.modems.len()).unwrap()) as usize];
        match chance(24) {
            0 => lives.renew(Gateway::kill),
            1 => lives.renew(Gateway::stop),
            2 => lives.with(|gateway| gateway.signal("HUP")),
            3 | 4 => {
                modem.unplug();
                pause(Duration::from_millis(u64::from(chance(500))));
                modem.replug();
            }
            5 => {
                modem.set_registration(if chance(2) == 0 { 2 } else { 3 });
                pause(Duration::from_millis(u64::from(chance(800))));
                modem.set_registration(1);
            }
            6 => modem.inject(b"\r\nRING\r\n\x00\xff\x1a> \r\n+CMTI: \"SM\"\r\n"),
            7 => modem.deliver("+628129990000", "an inbound text"),
            8 => modem.set_signal(u8::try_from(chance(32)).unwrap()),
            _ => modem.add_fault(Fault { times: Some(1), ..fault(&mut chance) }),
        }
    }
}

fn fault(chance: &mut impl FnMut(u32) -> u32) -> Fault {
    let millis = |most: u32, chance: &mut dyn FnMut(u32) -> u32| {
        ScriptDuration(Duration::from_millis(u64::from(1 + chance(most))))
    };
    let actions = [
        Action::LostAnswer,
        Action::LostAnswerNotTransmitted,
        Action::LostResult,
        Action::LostInformation,
        Action::CmsError(500),
        Action::CmsError(331),
        Action::CmsError(38),
        Action::CmsErrorBeforePrompt(302),
        Action::CmsErrorBeforePrompt(314),
        Action::CmsErrorTransmitted(500),
        Action::CmsErrorTransmitted(331),
        Action::CmsErrorTransmitted(38),
        Action::CmsErrorTransmitted(1),
        Action::CmeError(100),
        Action::UrcInside("+CREG: 1".to_owned()),
        Action::UrcInside("\r\nUNDER-VOLTAGE WARNNING\r\n".to_owned()),
        Action::Garbage("\u{1b}[2J~~ERROR~~".to_owned()),
        Action::Delay(millis(1_500, chance)),
        Action::LostEcho,
        Action::Echo,
        Action::PromptWithoutSpace,
        Action::PromptLate(millis(1_500, chance)),
        Action::PromptLost,
        Action::Silence(millis(4_000, chance)),
        Action::Reset,
        Action::Unplug(Moment::Command),
        Action::Unplug(Moment::Prompt),
        Action::Unplug(Moment::AfterPdu),
        Action::Unplug(Moment::AfterTransmission),
        Action::Unplug(Moment::AfterResult),
    ];
    let count = u32::try_from(actions.len()).unwrap();
    let action = actions[chance(count) as usize].clone();
    let when = ["AT+CMGS", "AT+CMGS", "AT+CMGS", "*", "AT+CREG?", "AT+CSQ", "AT+CNMI", "AT+CMGL"][chance(8) as usize];
    let replug_after = matches!(action, Action::Unplug(_)).then(|| Duration::from_millis(u64::from(20 + chance(600))));
    Fault { replug_after, ..Fault::always(when, action) }
}

/// Ends all that is wrong: every modem is plugged in anew and registered.
pub(super) fn end(world: &World, lives: &Lives) {
    for modem in &world.modems {
        Modem::unplug(modem);
    }
    pause(Duration::from_millis(300));
    for modem in &world.modems {
        modem.replug();
        modem.set_registration(1);
        modem.set_signal(21);
    }
    lives.with(|gateway| gateway.wait_for_modems(world.modems.len()));
}

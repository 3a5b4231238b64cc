use super::*;

const IDLE: ModemView = ModemView { is_healthy: true, is_busy: false, has_quota: true };
const BUSY: ModemView = ModemView { is_busy: true, ..IDLE };
const SICK: ModemView = ModemView { is_healthy: false, ..IDLE };
const SPENT: ModemView = ModemView { has_quota: false, ..IDLE };

fn modem(prefixes: &[&str], is_default: bool, other_cost: u32) -> ModemRoute {
    ModemRoute {
        prefixes: prefixes.iter().map(|prefix| (*prefix).to_owned()).collect(),
        is_default,
        other_cost,
        is_enabled: true,
    }
}

fn table(modems: Vec<ModemRoute>, when_unhealthy: WhenUnhealthy) -> RouteTable {
    RouteTable { modems, when_unhealthy }
}

/// The example of the original's README: four operators, the fourth is the default.
fn four_operators(when_unhealthy: WhenUnhealthy) -> RouteTable {
    let modems = vec![
        modem(&["62871", "62872"], false, 350),
        modem(&["62835", "62856", "62837"], false, 350),
        modem(&["62845"], false, 250),
        modem(&["62848", "62849"], true, 200),
    ];
    table(modems, when_unhealthy)
}

fn choose(table: &RouteTable, views: &[ModemView], digits: &str, rotation: &mut Rotation) -> Decision {
    Route::choose(table, views, &Msisdn::from_canonical(digits).unwrap(), rotation)
}

fn once(table: &RouteTable, views: &[ModemView], digits: &str) -> (Option<usize>, Reason, bool) {
    let Decision { modem, reason, wait } = choose(table, views, digits, &mut Rotation::default());
    (modem, reason, wait)
}

#[test]
fn the_four_operators_of_the_readme_get_their_own_numbers() {
    let table = four_operators(WhenUnhealthy::FailOver);
    for (prefix, modem, reason) in [
        ("62871", 0, Reason::Prefix),
        ("62872", 0, Reason::Prefix),
        ("62835", 1, Reason::Prefix),
        ("62856", 1, Reason::Prefix),
        ("62837", 1, Reason::Prefix),
        ("62845", 2, Reason::Prefix),
        ("62848", 3, Reason::Prefix),
        ("62849", 3, Reason::Prefix),
        ("62811", 3, Reason::Default),
        ("12025", 3, Reason::Default),
    ] {
        assert_eq!(once(&table, &[IDLE; 4], &format!("{prefix}1234567")), (Some(modem), reason, false), "{prefix}");
    }
}

#[test]
fn the_longest_prefix_wins() {
    let table = table(
        vec![modem(&["62"], false, 1), modem(&["62871"], false, 1), modem(&["628"], false, 1)],
        WhenUnhealthy::Wait,
    );
    for (digits, modem) in [("628711234567", 1), ("628721234567", 2), ("622112345678", 0)] {
        assert_eq!(once(&table, &[IDLE; 3], digits), (Some(modem), Reason::Prefix, false), "{digits}");
    }
}

#[test]
fn turns_go_round_and_a_busy_modem_loses_its_turn() {
    let table = table(vec![modem(&["62871"], false, 1); 3], WhenUnhealthy::Wait);
    let mut rotation = Rotation::default();
    let mut turn = |views: [ModemView; 3]| choose(&table, &views, "628711234567", &mut rotation).modem;
    assert_eq!([(); 4].map(|()| turn([IDLE; 3])), [Some(0), Some(1), Some(2), Some(0)]);
    assert_eq!(turn([IDLE, BUSY, IDLE]), Some(2), "the second's turn is lost");
    assert_eq!(turn([IDLE; 3]), Some(0));
    assert_eq!(turn([BUSY; 3]), None);
    assert_eq!(turn([IDLE; 3]), Some(1), "nobody's turn was used while all were busy");
    assert_eq!(turn([IDLE, IDLE, SICK]), Some(0));
    assert_eq!(turn([IDLE, SPENT, SICK]), Some(0));
}

#[test]
fn each_group_goes_round_by_itself() {
    let table = table(
        vec![
            modem(&["62871"], false, 1),
            modem(&["62871"], false, 1),
            modem(&["62845"], false, 1),
            modem(&["62845"], false, 1),
        ],
        WhenUnhealthy::Wait,
    );
    let mut rotation = Rotation::default();
    let mut turn = |digits| choose(&table, &[IDLE; 4], digits, &mut rotation).modem;
    let turns = ["628711234567", "628451234567", "628711234567", "628451234567", "628711234567"].map(&mut turn);
    assert_eq!(turns, [Some(0), Some(2), Some(1), Some(3), Some(0)]);
}

#[test]
fn several_default_modems_share_and_without_one_all_take_other_prefixes() {
    let defaults =
        table(vec![modem(&["62871"], false, 1), modem(&[], true, 1), modem(&[], true, 1)], WhenUnhealthy::Wait);
    let mut rotation = Rotation::default();
    let turns = [(); 3].map(|()| choose(&defaults, &[IDLE; 3], "628111234567", &mut rotation).modem);
    assert_eq!(turns, [Some(1), Some(2), Some(1)]);

    let none = table(vec![modem(&["62871"], false, 1), modem(&["62845"], false, 1)], WhenUnhealthy::Wait);
    let mut rotation = Rotation::default();
    let turns = [(); 3].map(|()| choose(&none, &[IDLE; 2], "628111234567", &mut rotation));
    assert_eq!(turns.map(|decision| decision.modem), [Some(0), Some(1), Some(0)]);
    assert!(turns.iter().all(|decision| decision.reason == Reason::Any));
}

#[test]
fn without_a_healthy_candidate_it_fails_over_to_the_cheapest_or_waits() {
    let fail_over = four_operators(WhenUnhealthy::FailOver);
    let wait = four_operators(WhenUnhealthy::Wait);
    let own = "628711234567";
    for ill in [SICK, SPENT] {
        let views = [ill, IDLE, IDLE, IDLE];
        assert_eq!(once(&fail_over, &views, own), (Some(3), Reason::FailedOver, false));
        assert_eq!(once(&wait, &views, own), (None, Reason::NoneHealthy, true));
    }
    assert_eq!(once(&fail_over, &[SICK, IDLE, IDLE, SICK], own), (Some(2), Reason::FailedOver, false));
    assert_eq!(once(&fail_over, &[SICK, IDLE, IDLE, BUSY], own), (None, Reason::AllBusy, true));
    assert_eq!(once(&fail_over, &[SICK; 4], own), (None, Reason::NoneHealthy, true));
    assert_eq!(once(&fail_over, &[BUSY, IDLE, IDLE, IDLE], own), (None, Reason::AllBusy, true), "busy is not ill");
    let mut rotation = Rotation::default();
    let turns = [(); 3].map(|()| choose(&fail_over, &[IDLE, IDLE, SICK, SICK], "628451234567", &mut rotation).modem);
    assert_eq!(turns, [Some(0), Some(1), Some(0)], "equally cheap ones take turns");
}

#[test]
fn a_modem_that_is_switched_off_is_no_candidate() {
    let mut table = four_operators(WhenUnhealthy::Wait);
    table.modems[0].is_enabled = false;
    assert_eq!(once(&table, &[IDLE; 4], "628711234567"), (Some(3), Reason::Default, false));
    for modem in &mut table.modems {
        modem.is_enabled = false;
    }
    assert_eq!(once(&table, &[IDLE; 4], "628711234567"), (None, Reason::NoModem, false));
    assert_eq!(once(&RouteTable { modems: Vec::new(), ..table }, &[], "628711234567"), (None, Reason::NoModem, false));
}

#[test]
fn an_empty_prefix_matches_nothing_and_every_reason_has_its_words() {
    let table = table(vec![modem(&[""], false, 1), modem(&[], true, 1)], WhenUnhealthy::Wait);
    assert_eq!(once(&table, &[IDLE; 2], "628711234567"), (Some(1), Reason::Default, false));
    let mut words: Vec<_> = [
        Reason::Prefix,
        Reason::Default,
        Reason::Any,
        Reason::FailedOver,
        Reason::AllBusy,
        Reason::NoneHealthy,
        Reason::NoModem,
    ]
    .map(Reason::as_str)
    .to_vec();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), 7);
}

use super::*;

const IDLE: ModemView = ModemView::Free;
const BUSY: ModemView = ModemView::Busy;
const SICK: ModemView = ModemView::NotReady;
const SPENT: ModemView = ModemView::NoQuota;

fn modem(prefixes: &[&str], is_default: bool, other_cost: u32) -> ModemRoute {
    ModemRoute {
        name: String::new(),
        prefixes: prefixes.iter().map(|prefix| (*prefix).to_owned()).collect(),
        is_default,
        other_cost,
        is_enabled: true,
    }
}

/// The modems are called A, B, C and so on.
fn table(mut modems: Vec<ModemRoute>, when_unhealthy: WhenUnhealthy) -> RouteTable {
    for (modem, letter) in modems.iter_mut().zip('A'..) {
        modem.name = letter.to_string();
    }
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

fn once(table: &RouteTable, views: &[ModemView], digits: &str) -> (Option<usize>, String, bool) {
    let Decision { modem, reason, wait } = choose(table, views, digits, &mut Rotation::default());
    (modem, reason.to_string(), wait)
}

fn goes(modem: usize, reason: &str) -> (Option<usize>, String, bool) {
    (Some(modem), reason.to_owned(), false)
}

fn waits(reason: &str) -> (Option<usize>, String, bool) {
    (None, format!("waits: {reason}"), true)
}

const ALL_BUSY: &str = "all candidates are busy";
const NONE_USABLE: &str = "no candidate is ready and has quota";

#[test]
fn the_four_operators_of_the_readme_get_their_own_numbers() {
    let table = four_operators(WhenUnhealthy::FailOver);
    for (prefix, modem, reason) in [
        ("62871", 0, "prefix 62871"),
        ("62872", 0, "prefix 62872"),
        ("62835", 1, "prefix 62835"),
        ("62856", 1, "prefix 62856"),
        ("62837", 1, "prefix 62837"),
        ("62845", 2, "prefix 62845"),
        ("62848", 3, "prefix 62848"),
        ("62849", 3, "prefix 62849"),
        ("62811", 3, "default"),
        ("12025", 3, "default"),
    ] {
        assert_eq!(once(&table, &[IDLE; 4], &format!("{prefix}1234567")), goes(modem, reason), "{prefix}");
    }
}

#[test]
fn the_longest_prefix_wins() {
    let table = table(
        vec![modem(&["62"], false, 1), modem(&["62871"], false, 1), modem(&["628"], false, 1)],
        WhenUnhealthy::Wait,
    );
    for (digits, prefix) in [("628711234567", "62871"), ("628721234567", "628"), ("622112345678", "62")] {
        let (_, reason, _) = once(&table, &[IDLE; 3], digits);
        assert_eq!(reason, format!("prefix {prefix}"), "{digits}");
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
    assert!(turns.iter().all(|decision| decision.reason == Reason::Any));
    assert_eq!(turns.map(|decision| decision.modem), [Some(0), Some(1), Some(0)]);
}

#[test]
fn without_a_healthy_candidate_it_fails_over_to_the_cheapest_or_waits() {
    let fail_over = four_operators(WhenUnhealthy::FailOver);
    let wait = four_operators(WhenUnhealthy::Wait);
    let own = "628711234567";
    for ill in [SICK, SPENT] {
        let views = [ill, IDLE, IDLE, IDLE];
        let why = if ill == SICK { "is not ready" } else { "is out of quota" };
        assert_eq!(once(&fail_over, &views, own), goes(3, &format!("fallback at cost 200: A {why}")));
        assert_eq!(once(&wait, &views, own), waits(NONE_USABLE));
    }
    assert_eq!(once(&fail_over, &[SICK, IDLE, IDLE, SICK], own), goes(2, "fallback at cost 250: A is not ready"));
    assert_eq!(once(&fail_over, &[SICK, IDLE, IDLE, BUSY], own), waits(ALL_BUSY));
    assert_eq!(once(&fail_over, &[SICK; 4], own), waits(NONE_USABLE));
    assert_eq!(once(&fail_over, &[BUSY, IDLE, IDLE, IDLE], own), waits(ALL_BUSY), "busy is not ill");
    let mut rotation = Rotation::default();
    let turns = [(); 3].map(|()| choose(&fail_over, &[IDLE, IDLE, SICK, SICK], "628451234567", &mut rotation).modem);
    assert_eq!(turns, [Some(0), Some(1), Some(0)], "equally cheap ones take turns");
}

#[test]
fn a_modem_that_is_switched_off_is_no_candidate() {
    let mut table = four_operators(WhenUnhealthy::Wait);
    table.modems[0].is_enabled = false;
    assert_eq!(once(&table, &[IDLE; 4], "628711234567"), goes(3, "default"));
    for modem in &mut table.modems {
        modem.is_enabled = false;
    }
    assert_eq!(once(&table, &[IDLE; 4], "628711234567"), (None, "no modem is enabled".to_owned(), false));
    assert_eq!(
        once(&RouteTable { modems: Vec::new(), ..table }, &[], "628711234567"),
        (None, "no modem is enabled".to_owned(), false)
    );
}

#[test]
fn an_empty_prefix_matches_nothing() {
    let table = table(vec![modem(&[""], false, 1), modem(&[], true, 1)], WhenUnhealthy::Wait);
    assert_eq!(once(&table, &[IDLE; 2], "628711234567"), goes(1, "default"));
}

#[test]
fn a_reason_names_who_was_turned_down_and_never_a_whole_number() {
    let turned = |views: [ModemView; 6]| {
        let mut modems = vec![modem(&["62871"], false, 9); 5];
        modems.push(modem(&[], true, 7));
        once(&table(modems, WhenUnhealthy::FailOver), &views, "628711234567").1
    };
    assert_eq!(
        turned([SPENT, SICK, ModemView::Refused, SPENT, SICK, IDLE]),
        "fallback at cost 7: A is out of quota, B is not ready, C has refused it, and 2 more"
    );
    let whole = table(vec![modem(&["628711234567"], false, 1)], WhenUnhealthy::Wait);
    assert_eq!(once(&whole, &[IDLE], "628711234567"), goes(0, "prefix 6287112…"));
}

#[test]
fn an_explanation_names_the_first_choice_and_the_others_by_cost_and_takes_no_turn() {
    let mut table = four_operators(WhenUnhealthy::FailOver);
    table.modems[1].is_enabled = false;
    let explain = |digits: &str, views: [ModemView; 4], rotation: &Rotation| {
        Route::explain(&table, &views, &Msisdn::from_canonical(digits).unwrap(), rotation)
    };
    let mut rotation = Rotation::default();
    let own = explain("628711234567", [IDLE; 4], &rotation);
    assert_eq!((own.prefix.as_deref(), own.first_choice, own.failover), (Some("62871"), vec![0], vec![3, 2]));
    assert_eq!(own.decision.modem, Some(0));
    let ill = explain("628711234567", [SICK, IDLE, IDLE, SPENT], &rotation);
    assert_eq!(ill.decision, choose(&table, &[SICK, IDLE, IDLE, SPENT], "628711234567", &mut rotation));
    assert_eq!(ill.decision.modem, Some(2));
    let other = explain("628111234567", [IDLE; 4], &rotation);
    assert_eq!((other.prefix, other.first_choice, other.failover), (None, vec![3], vec![2, 0]));
}

//! The SIM: its PIN and PUK, none at all, and one that is not ready yet.

use super::*;

#[test]
fn wrong_pins_count_until_the_puk_is_wanted_and_the_right_puk_opens() {
    locked().check(&[
        ("AT+CPIN?", "+CPIN: SIM PIN | OK"),
        ("AT+CPINR", "+CPINR: SIM PIN,3,3 | +CPINR: SIM PUK,10,10 | OK"),
        ("AT+CREG?", "+CREG: 0,2 | OK"),
        ("AT+COPS?", "+CME ERROR: 11"),
        ("AT+CMGS=31", "+CMS ERROR: 311"),
        ("AT+CSCA?", "+CMS ERROR: 311"),
        ("AT+CPIN=\"12\"", "+CME ERROR: 50"),
        ("AT+CPIN=\"1111\"", "+CME ERROR: 16"),
        ("AT+CPIN=\"1111\"", "+CME ERROR: 16"),
        ("AT+CPINR=\"SIM PIN\"", "+CPINR: SIM PIN,1,3 | OK"),
        ("AT+SPIC", "+SPIC: 1,10,0,10 | OK"),
        ("AT+CPIN=\"1111\"", "+CME ERROR: 12"),
        ("AT+CPIN?", "+CPIN: SIM PUK | OK"),
        ("AT+CPIN=\"1234\"", "+CME ERROR: 12"),
        ("AT+CIMI", "+CME ERROR: 12"),
        ("AT+CMGS=31", "+CMS ERROR: 316"),
        ("AT+CPIN=\"00000000\",\"4321\"", "+CME ERROR: 16"),
        ("AT+CPIN=\"12345678\",\"4321\"", "OK | +CPIN: READY | Call Ready | SMS Ready"),
        ("AT+CPINR", "+CPINR: SIM PIN,3,3 | +CPINR: SIM PUK,10,10 | OK"),
        ("AT+CPIN?", "+CPIN: READY | OK"),
    ]);
}

#[test]
fn the_right_pin_opens_the_card_and_is_not_wanted_twice() {
    let mut bench = locked();
    bench.check(&[
        ("AT+CREG=1", "OK"),
        ("AT+CPIN=\"1111\"", "+CME ERROR: 16"),
        ("AT+CPIN=1234", "OK | +CPIN: READY | Call Ready | +CREG: 1 | SMS Ready"),
        ("AT+CPINR=\"SIM PIN\"", "+CPINR: SIM PIN,3,3 | OK"),
        ("AT+CPIN=\"1234\"", "+CME ERROR: 3"),
        ("AT+CIMI", "510100000000001 | OK"),
        ("AT+CFUN=1,1", "OK | RDY | +CFUN: 1 | +CPIN: SIM PIN"),
        ("AT+CPIN?", "+CPIN: SIM PIN | OK"),
    ]);
}

#[test]
fn the_pin_lock_can_be_switched_and_the_pin_changed() {
    Bench::new().check(&[
        ("AT+CLCK=\"SC\",2", "+CLCK: 0 | OK"),
        ("AT+CPWD=\"SC\",\"0000\",\"9999\"", "+CME ERROR: 3"),
        ("AT+CLCK=\"SC\",1,\"1111\"", "+CME ERROR: 16"),
        ("AT+CLCK=\"SC\",1,\"0000\"", "OK"),
        ("AT+CLCK=\"SC\",2", "+CLCK: 1 | OK"),
        ("AT+CPWD=\"SC\",\"0000\",\"9999\"", "OK"),
        ("AT+CLCK=\"SC\",0,\"0000\"", "+CME ERROR: 16"),
        ("AT+CLCK=\"SC\",0,\"9999\"", "OK"),
        ("AT+CLCK=\"FD\",2", "+CME ERROR: 4"),
    ]);
}

#[test]
fn no_card_has_its_own_errors() {
    Bench::with(|modem| modem.sim_inserted = false, |_| {}, "").check(&[
        ("AT+CPIN?", "+CME ERROR: 10"),
        ("AT+CIMI", "+CME ERROR: 10"),
        ("AT+CMGS=31", "+CMS ERROR: 310"),
        ("AT+CGSN", "867856030000019 | OK"),
    ]);
}

#[test]
fn a_card_is_busy_until_sms_ready() {
    let mut bench = Bench::started(|modem| modem.sms_ready_time = Duration::from_secs(5), |_| {}, "");
    assert_eq!(lines(&bench.pass(0)), "RDY | +CFUN: 1 | +CPIN: READY | Call Ready");
    bench.check(&[("ATE0+CMEE=1", "OK"), ("AT+CMGS=31", "+CMS ERROR: 314"), ("AT+CPMS?", "+CMS ERROR: 314")]);
    assert_eq!(lines(&bench.pass(5000)), "SMS Ready");
    assert_eq!(bench.send(PDU), "+CMGS: 0 | OK");
}

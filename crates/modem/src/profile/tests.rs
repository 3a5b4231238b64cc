use std::collections::BTreeSet;

use super::{GENERIC, Profile};
use crate::status::Identity;

fn identity(manufacturer: &str, model: &str, revision: &str) -> Identity {
    let told = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Identity { manufacturer: told(manufacturer), model: told(model), revision: told(revision), ..Identity::default() }
}

#[test]
fn a_modem_is_known_by_what_it_says_of_itself() {
    for (manufacturer, model, revision, name) in [
        ("SIMCOM_Ltd", "SIMCOM_SIM800L", "Revision:1418B05SIM800L24", "sim800"),
        ("SIMCOM_Ltd", "SIMCOM_SIM900", "Revision:1137B02SIM900M64_ST", "sim800"),
        ("", "SIMCOM_SIM808", "", "sim800"),
        ("SIMCOM INCORPORATED", "SIMCOM_SIM7600E-H", "LE20B04SIM7600M22", "sim7600"),
        ("SIMCOM INCORPORATED", "A7670E-FASE", "A7670M7_V1.11.1", "sim7600"),
        ("INCORPORATED", "A7670E-LASS", "A7670M6_B04V01", "sim7600"),
        ("Quectel", "EC25", "EC25EFAR06A06M4G", "quectel-ec25"),
        ("Quectel", "EG25", "EG25GGBR07A08M2G", "quectel-ec25"),
        ("Quectel_Ltd", "Quectel_M26", "Revision: M26FBR03A02", "quectel-m26"),
        ("Quectel_Ltd", "Quectel_M95", "M95FAR02A08", "quectel-m26"),
        ("huawei", "E173", "11.126.85.00.209", "huawei-e173"),
        ("huawei", "K3715", "11.104.05.00.00", "huawei-e173"),
        ("huawei", "E3372", "21.180.01.00.00", "huawei-e3372"),
        ("Huawei Technologies Co., Ltd.", "ME909s-120", "11.617.01.00.00", "huawei-e3372"),
        ("ZTE INCORPORATED", "K3565-Z", "BD_P673A2V1.0.0B09", "zte"),
        ("ZTE CORPORATION", "MF823", "BD_MF823V1.0.0B01", "zte"),
        (" WAVECOM MODEM", " MULTIBAND  900E  1800", "", "wavecom"),
        ("QUALCOMM INCORPORATED", "M6280", "M6280_V1.0.0", "generic"),
        ("Nokia", "Nokia N79", "", "generic"),
        ("", "", "", "generic"),
    ] {
        assert_eq!(Profile::of(&identity(manufacturer, model, revision)).name, name, "{manufacturer} {model}");
    }
}

#[test]
fn usb_numbers_hint_at_a_family_and_a_product_weighs_more_than_its_vendor() {
    for (vendor, product, name) in [
        ("1e0e", "9001", Some("sim7600")),
        ("2c7c", "0125", Some("quectel-ec25")),
        ("12d1", "1506", Some("huawei-e3372")),
        ("12d1", "1001", Some("huawei-e173")),
        ("19d2", "0031", Some("zte")),
        ("1a86", "7523", None),
    ] {
        assert_eq!(Profile::find_by_usb(vendor, product).map(|it| it.name), name, "{vendor}:{product}");
    }
}

#[test]
fn every_profile_is_found_by_its_name_and_can_do_what_the_driver_needs() {
    let names: BTreeSet<&str> = Profile::all().iter().map(|profile| profile.name).collect();
    assert_eq!(names.len(), Profile::all().len(), "each name once");
    assert_eq!(Profile::all().last(), Some(&&GENERIC));
    for profile in Profile::all() {
        let name = profile.name;
        assert_eq!(Profile::find(name), Some(*profile));
        for commands in [profile.quieting, profile.reset] {
            assert!(
                commands.iter().all(|command| command.starts_with("AT") && !command.contains(['\r', ';'])),
                "{name}"
            );
        }
        for ways in [profile.card, profile.pin_tries] {
            assert!(ways.iter().all(|way| way.command.starts_with("AT")), "{name}");
            // The generic one, which stands in for whoever is not known, knows them all.
            assert!(ways.iter().all(|way| GENERIC.card.contains(way) || GENERIC.pin_tries.contains(way)), "{name}");
        }
        for routings in [profile.routing_with_reports, profile.routing_without_reports] {
            assert!(routings.iter().all(|way| way.split(',').count() == 5), "{name}");
            // Whatever is refused, an inbound message is announced in the end.
            assert!(routings.last().is_some_and(|way| way.split(',').nth(1) == Some("1")), "{name}");
        }
        assert!(!profile.reset.is_empty() && !profile.ussd.forms.is_empty(), "{name}");
    }
    assert_eq!(Profile::find("auto"), None);
    assert_eq!(Profile::find("SIM800"), None);
}

#[test]
fn every_profile_is_explained_to_its_owner_and_no_other() {
    let page = include_str!("../../../../docs/modems.md");
    let (_, section) = page.split_once("\n## Which modems\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let names: Vec<&str> = Profile::all().iter().map(|profile| profile.name).collect();
    let shown: BTreeSet<&str> = rows.collect();
    assert_eq!(shown, names.into_iter().collect());
}

#[test]
fn no_profile_writes_an_imei_by_itself() {
    for profile in Profile::all() {
        let said = profile.quieting.iter().chain(profile.reset);
        assert!(said.clone().all(|command| profile.imei.write.is_none_or(|write| !command.starts_with(write))));
        assert!(profile.imei.write.is_none_or(|write| write.ends_with(['=', ','])), "{}", profile.name);
    }
}

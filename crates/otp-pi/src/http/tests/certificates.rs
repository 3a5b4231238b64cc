//! Where certificates come from, what is refused, and what is told about them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use domain::clock::{Clock, Manual, WallTime};

use super::authority::{Authority, Files, clock, machine, pem, reload};
use crate::http::tls::{Certificates, Part, TlsError, TlsSettings, Validity, check};

const KEY: &str = "tls/private-key.pem";
const CERTIFICATE: &str = "tls/certificate.pem";

fn fail(settings: &TlsSettings) -> TlsError {
    Certificates::load(settings, machine(), clock()).unwrap_err()
}

#[test]
fn the_self_signed_certificate_is_made_once_and_kept() {
    let files = Files::empty();
    assert_eq!(check(&files.self_signed()).unwrap(), None, "looking makes nothing");
    let first = files.load(&files.self_signed()).summary();
    let second = files.load(&files.self_signed());
    assert_eq!(first, second.summary());
    assert_eq!(reload(&second, &files.self_signed()).unwrap(), first);
    assert_eq!(check(&files.self_signed()).unwrap(), Some(first));
}

#[test]
fn only_the_owner_may_read_the_key_that_was_made() {
    let files = Files::empty();
    files.load(&files.self_signed());
    let mode = |name: &str| fs::metadata(files.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("tls"), mode(KEY), mode(CERTIFICATE)), (0o700, 0o600, 0o644));
    assert_eq!(fs::read_dir(files.path().join("tls")).unwrap().count(), 2, "no half-written file stays behind");
}

#[test]
fn the_self_signed_certificate_names_the_machine_loopback_and_the_listeners() {
    let files = Files::empty();
    let summary = files.load(&files.self_signed()).summary();
    let expected = ["gateway", "gateway.local", "198.51.100.4", "localhost", "127.0.0.1", "::1", "192.0.2.7"];
    assert_eq!(summary.names, expected);
    assert!(summary.is_self_signed);
    assert_eq!(summary.not_before, WallTime::from_unix_millis(0));
    assert_eq!(summary.not_after, WallTime::from_unix_millis(2_110_838_400_000), "ten years on");
    assert!(summary.to_string().contains("valid until 2036-11-21, SHA-256 "), "{summary}");
}

#[test]
fn without_its_certificate_the_key_gets_a_new_one() {
    let files = Files::empty();
    let first = files.load(&files.self_signed()).summary();
    let key = fs::read(files.path().join(KEY)).unwrap();
    fs::remove_file(files.path().join(CERTIFICATE)).unwrap();
    let mut settings = files.self_signed();
    settings.addresses = vec!["192.0.2.8".parse().unwrap()];
    let second = files.load(&settings).summary();
    assert_ne!(first.fingerprint, second.fingerprint);
    assert!(second.names.contains(&"192.0.2.8".to_owned()));
    assert_eq!(fs::read(files.path().join(KEY)).unwrap(), key);
}

#[test]
fn a_crash_while_it_is_made_leaves_nothing_in_the_way() {
    let files = Files::empty();
    fs::create_dir(files.path().join("tls")).unwrap();
    fs::write(files.path().join("tls/private-key.pem.new"), "-----BEGIN PRIV").unwrap();
    fs::write(files.path().join("tls/certificate.pem.new"), "").unwrap();
    files.load(&files.self_signed());
    assert_eq!(fs::read_dir(files.path().join("tls")).unwrap().count(), 2);
}

#[test]
fn a_self_signed_certificate_without_its_key_is_refused_and_left_alone() {
    let files = Files::empty();
    files.load(&files.self_signed());
    fs::remove_file(files.path().join(KEY)).unwrap();
    assert!(matches!(fail(&files.self_signed()), TlsError::KeyIsMissing { .. }));
    assert!(!files.path().join(KEY).exists());
    fs::write(files.path().join(KEY), "").unwrap();
    fs::set_permissions(files.path().join(KEY), fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(fail(&files.self_signed()), TlsError::NoPrivateKey { .. }));
}

#[test]
fn where_nothing_can_be_written_it_says_so() {
    let files = Files::empty();
    fs::write(files.path().join("tls"), "a file").unwrap();
    let error = fail(&files.self_signed());
    assert!(matches!(error, TlsError::NotMade { .. }), "{error}");
}

#[test]
fn what_cannot_be_served_is_named_with_its_file() {
    let (authority, issued) = (Authority::new(), Authority::new().issue("gateway", 2030));
    let other = authority.issue("gateway", 2030);
    let (certificate, key) = (issued.certificate.as_str(), issued.key.as_str());
    let damaged = pem("CERTIFICATE", &issued.der[..issued.der.len() - 40]);
    let text = pem("CERTIFICATE", b"hello");
    let chain_damaged = format!("{certificate}{text}");
    let out_of_order = format!("{}{certificate}", authority.pem());
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let old_encrypted = key
        .replace("PRIVATE KEY-----\nM", "RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nM");
    let nonsense = pem("PRIVATE KEY", b"hello");
    let huge = "#".repeat(300 * 1024);
    for (certificate, key, part, word) in [
        ("", key, Part::Certificate, "holds no certificate in PEM form"),
        (key, key, Part::Certificate, "holds no certificate in PEM form"),
        (&damaged, key, Part::Certificate, "certificate 1 in "),
        (&text, key, Part::Certificate, "certificate 1 in "),
        ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", key, Part::Certificate, "certificate 1 in "),
        (&chain_damaged, key, Part::Certificate, "certificate 2 in "),
        (&out_of_order, key, Part::Certificate, "in place 2; it must come first"),
        (&huge, key, Part::Certificate, "is too large"),
        (certificate, "", Part::PrivateKey, "holds no private key in PEM form"),
        (certificate, certificate, Part::PrivateKey, "holds no private key in PEM form"),
        (certificate, &encrypted, Part::PrivateKey, "is encrypted"),
        (certificate, &old_encrypted, Part::PrivateKey, "is encrypted"),
        (certificate, &nonsense, Part::PrivateKey, "cannot be used"),
        (certificate, &other.key, Part::PrivateKey, "does not belong to the certificate"),
        (certificate, &huge, Part::PrivateKey, "is too large"),
    ] {
        let files = Files::with(certificate, key);
        let error = fail(&files.settings());
        assert!(error.to_string().contains(word), "{word:?} is not in {error}");
        assert_eq!(error.part(), part, "{error}");
        let name = if part == Part::Certificate { "server.pem" } else { "server.key" };
        assert!(error.to_string().contains(name), "{error}");
        assert!(!error.fix().is_empty());
        let secret = key.lines().nth(1).unwrap_or("none");
        assert!(!format!("{error} {error:?}").contains(secret), "{error:?}");
    }
}

#[test]
fn a_missing_file_is_named_with_what_the_system_said() {
    let issued = Authority::new().issue("gateway", 2030);
    for (name, part) in [("server.pem", Part::Certificate), ("server.key", Part::PrivateKey)] {
        let files = Files::with(&issued.certificate, &issued.key);
        fs::remove_file(files.path().join(name)).unwrap();
        let error = fail(&files.settings());
        assert_eq!(error.part(), part);
        assert!(error.to_string().ends_with(&format!("{name} cannot be read")), "{error}");
    }
}

#[test]
fn a_private_key_that_others_may_read_is_refused() {
    let issued = Authority::new().issue("gateway", 2030);
    let files = Files::with(&issued.certificate, &issued.key);
    for mode in [0o640, 0o660, 0o604, 0o644, 0o601] {
        fs::set_permissions(files.path().join("server.key"), fs::Permissions::from_mode(mode)).unwrap();
        let error = fail(&files.settings());
        assert!(matches!(error, TlsError::OpenToOthers { mode: found, .. } if found == mode), "{error}");
        assert!(error.fix().contains("chmod 600"));
    }
    fs::set_permissions(files.path().join("server.key"), fs::Permissions::from_mode(0o400)).unwrap();
    files.load(&files.settings());
}

#[test]
fn certificate_and_key_may_share_one_file() {
    let issued = Authority::new().issue("gateway", 2030);
    let both = format!("{}{}", issued.key, issued.certificate);
    let files = Files::with(&both, &both);
    assert!(!files.load(&files.settings()).summary().is_self_signed);
}

#[test]
fn dates_are_judged_by_a_clock_that_can_be_believed() {
    /// A clock that nobody has set.
    struct Unset;

    impl Clock for Unset {
        fn now(&self) -> WallTime {
            WallTime::from_unix_millis(0)
        }

        fn is_synchronised(&self) -> bool {
            false
        }
    }

    let issued = Authority::new().issue("gateway", 2030);
    let files = Files::with(&issued.certificate, &issued.key);
    let summary = files.load(&files.settings()).summary();
    let at = |millis| Manual::new(WallTime::from_unix_millis(millis));
    for (clock, expected) in [
        (&at(1_795_219_200_000) as &dyn Clock, Validity::Valid),
        (&at(1_893_456_000_000), Validity::Valid),
        (&at(1_893_456_001_000), Validity::Expired),
        (&at(1_700_000_000_000), Validity::NotYet),
        (&Unset, Validity::Valid),
    ] {
        assert_eq!(summary.validity(clock), expected, "{:?}", clock.now());
    }
    let (what, _) = summary.date_warning(&at(1_893_456_001_000)).unwrap();
    assert!(what.ends_with("server.pem expired on 2030-01-01"), "{what}");
}

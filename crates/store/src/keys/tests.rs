use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::*;

const NOW: WallTime = WallTime::from_unix_millis(1_790_000_000_000);

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn own(data_dir: &Path) -> KeysPlace {
    KeysPlace::find(data_dir, None, None)
}

fn open(data_dir: &Path) -> Result<Keys, KeysError> {
    Keys::open(own(data_dir), data_dir, Some(NOW))
}

#[test]
fn the_second_start_reads_the_keys_of_the_first() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path()).unwrap();
    let second = open(directory.path()).unwrap();
    assert_eq!(first.book.render().unwrap(), second.book.render().unwrap());
}

#[test]
fn only_the_owner_may_read_directory_and_file() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).unwrap();
    let keys = directory.path().join("keys");
    assert_eq!((mode(&keys), mode(&keys.join("keys.json"))), (0o700, 0o600));
    assert_eq!(std::fs::read_dir(&keys).unwrap().count(), 1, "no half-written file stays behind");
}

#[test]
fn a_file_open_to_others_is_refused_until_it_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let path = open(directory.path()).unwrap().place.path();
    for bad in [0o640, 0o604, 0o620] {
        set_mode(&path, bad);
        let refused = open(directory.path()).unwrap_err();
        assert!(matches!(refused, KeysError::Permissions { mode, .. } if mode == bad), "{refused}");
        assert!(refused.to_string().contains("run chmod 600"), "{refused}");
    }
    set_mode(&path, 0o400);
    open(directory.path()).unwrap();
}

#[test]
fn a_credential_may_show_the_mask_of_its_access_list_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("otp-pi.keys");
    Keys::make(&path, None).unwrap();
    let place = KeysPlace::find(Path::new("/nowhere"), None, Some(directory.path()));
    assert_eq!(place, KeysPlace::Credential(path.clone()));
    for (bits, is_good) in [(0o440, true), (0o400, true), (0o600, true), (0o444, false), (0o460, false)] {
        set_mode(&path, bits);
        assert_eq!(Keys::load(place.clone()).is_ok(), is_good, "{bits:o}");
    }
}

#[test]
fn the_configured_file_comes_before_the_credential_and_that_before_the_data_directory() {
    let directory = tempfile::tempdir().unwrap();
    let (data, file) = (Path::new("/data"), PathBuf::from("/etc/fleet.keys"));
    let empty = Some(directory.path());
    assert_eq!(
        KeysPlace::find(data, None, empty),
        KeysPlace::Own("/data/keys".into()),
        "other credentials say nothing"
    );
    Keys::make(&directory.path().join("otp-pi.keys"), None).unwrap();
    assert!(matches!(KeysPlace::find(data, None, empty), KeysPlace::Credential(_)));
    assert_eq!(KeysPlace::find(data, Some(&file), empty), KeysPlace::File(file));
}

#[test]
fn keys_that_somebody_else_provides_are_never_made() {
    let directory = tempfile::tempdir().unwrap();
    let place = KeysPlace::File(directory.path().join("fleet.keys"));
    let refused = Keys::open(place.clone(), directory.path(), None).unwrap_err();
    assert!(matches!(refused, KeysError::Missing { .. }), "{refused}");
    assert!(refused.to_string().contains("otp-pi keys new"), "{refused}");
    assert!(!place.path().exists());
}

#[test]
fn a_damaged_file_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = open(directory.path()).unwrap().place.path();
    for text in ["", "{", "{\"format\":2,\"peppers\":[],\"seal\":[],\"lookup\":\"\"}"] {
        std::fs::write(&path, text).unwrap();
        let refused = open(directory.path()).unwrap_err();
        assert!(matches!(refused, KeysError::NotAKeysFile { .. }), "{text}: {refused}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(matches!(open(directory.path()), Err(KeysError::NotAKeysFile { what: "it is no text", .. })));
}

#[test]
fn a_file_of_a_newer_program_is_named_as_such() {
    let directory = tempfile::tempdir().unwrap();
    let path = open(directory.path()).unwrap().place.path();
    std::fs::write(&path, "{\"format\":9,\"new\":true}").unwrap();
    assert!(matches!(open(directory.path()), Err(KeysError::NewerFormat { found: 9, .. })));
}

#[test]
fn no_keys_are_made_for_a_database_that_waits_for_its_own() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("otp-pi.db"), "something").unwrap();
    let refused = open(directory.path()).unwrap_err();
    assert!(matches!(refused, KeysError::Lost { .. }), "{refused}");
    assert!(refused.to_string().contains("put the keys back from their backup"), "{refused}");
    assert!(!directory.path().join("keys").exists());
}

#[test]
fn an_empty_database_waits_for_no_keys() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("otp-pi.db"), "").unwrap();
    open(directory.path()).unwrap();
}

#[test]
fn what_a_crash_left_half_written_is_no_hindrance() {
    let directory = tempfile::tempdir().unwrap();
    let keys = LiveKeys::new(open(directory.path()).unwrap());
    std::fs::write(keys.place().path().with_extension("json.new"), "{\"format\":2,\"pep").unwrap();
    let before = open(directory.path()).unwrap();
    keys.rotate(NOW, Duration::from_secs(600)).unwrap();
    let after = open(directory.path()).unwrap();
    assert_eq!((before.seal.current_id(), after.seal.current_id()), (1, 2));
    assert_eq!(mode(&keys.place().path()), 0o600);
    assert_eq!(std::fs::read_dir(directory.path().join("keys")).unwrap().count(), 1);
}

#[test]
fn what_root_writes_belongs_to_the_gateways_user() {
    use std::os::unix::fs::MetadataExt;
    if !rustix::process::geteuid().is_root() {
        // Nobody else could give a file away, and nobody else needs to.
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let keys = LiveKeys::new(open(directory.path()).unwrap());
    let owner = |path: &Path| {
        let found = std::fs::metadata(path).unwrap();
        (found.uid(), found.gid(), found.permissions().mode() & 0o777)
    };
    let path = keys.place().path();
    std::os::unix::fs::chown(path.parent().unwrap(), Some(4_711), Some(4_712)).unwrap();
    std::os::unix::fs::chown(&path, Some(4_711), Some(4_712)).unwrap();
    keys.rotate(NOW, Duration::from_secs(600)).unwrap();
    assert_eq!(owner(&path), (4_711, 4_712, 0o600));
    Keys::start_anew(&own(directory.path()), NOW).unwrap();
    assert_eq!(owner(&path), (4_711, 4_712, 0o600));
}

#[test]
fn a_rotation_that_cannot_be_written_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let keys = LiveKeys::new(open(directory.path()).unwrap());
    // A directory stands where the new file is prepared, which fails for root too.
    std::fs::create_dir(keys.place().path().with_extension("json.new")).unwrap();
    let refused = keys.rotate(NOW, Duration::from_secs(600)).unwrap_err();
    assert!(matches!(refused, KeysError::Io { .. }), "{refused}");
    assert_eq!((keys.seal().current_id(), keys.peppers().current.id.0), (1, 1));
    assert_eq!(open(directory.path()).unwrap().seal.current_id(), 1);
}

#[test]
fn keys_from_elsewhere_are_rotated_into_a_new_file() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (directory.path().join("old"), directory.path().join("new"));
    Keys::make(&old, None).unwrap();
    let keys = Keys::load(KeysPlace::File(old.clone())).unwrap();
    let refused = LiveKeys::new(Keys::load(KeysPlace::File(old)).unwrap()).rotate(NOW, Duration::ZERO).unwrap_err();
    assert!(matches!(refused, KeysError::ReadOnly { .. }), "{refused}");
    let rotation = keys.write_rotated(&new, NOW, Duration::from_secs(600)).unwrap();
    assert_eq!((rotation.pepper, rotation.seal, rotation.older_seals.as_slice()), (2, 2, [1].as_slice()));
    assert_eq!(mode(&new), 0o600);
    assert_eq!(Keys::load(KeysPlace::File(new.clone())).unwrap().seal.current_id(), 2);
    let again = keys.write_rotated(&new, NOW, Duration::ZERO).unwrap_err();
    assert!(matches!(again, KeysError::Exists { .. }), "{again}");
}

#[test]
fn no_debug_print_shows_a_key() {
    let directory = tempfile::tempdir().unwrap();
    let keys = open(directory.path()).unwrap();
    let text = keys.book.render().unwrap();
    let shown = format!("{keys:?} {:?}", LiveKeys::new(open(directory.path()).unwrap()));
    for key in text.split('"').filter(|part| part.len() == 44) {
        assert!(!shown.contains(key), "{shown}");
    }
    assert!(!shown.contains("[1"), "no bytes: {shown}");
}

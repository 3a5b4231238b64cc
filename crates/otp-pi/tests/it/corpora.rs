//! The kept inputs of the fuzz targets, through the same checks: what a fuzzer found once is never lost again.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

#[path = "../../../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets are other crates")]
mod checks;

/// No corpus is larger, so that the tests stay quick, and no input is.
const MOST_FILES: usize = 100;
const LONGEST: usize = 4096;

#[test]
fn the_kept_inputs_of_every_fuzz_target_hold() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let mut names: Vec<String> = Vec::new();
    for (name, check) in checks::TARGETS {
        let mut files: Vec<_> = fs::read_dir(corpora.join(name)).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        assert!((12..=MOST_FILES).contains(&files.len()), "{name}: {} files", files.len());
        for file in files {
            let bytes = fs::read(&file).unwrap();
            assert!(bytes.len() <= LONGEST, "{} is too long to be kept", file.display());
            assert!(catch_unwind(|| check(&bytes)).is_ok(), "{} does not hold", file.display());
        }
        names.push((*name).to_owned());
    }
    names.sort();
    let mut kept: Vec<String> =
        fs::read_dir(corpora).unwrap().map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
    kept.sort();
    assert_eq!(kept, names, "every corpus has its target");
}

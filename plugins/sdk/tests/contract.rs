//! The contract's reference page follows the contract.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

fn wit_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the contract is beside the SDK") {
        let path = entry.expect("a folder can be read to its end").path();
        if path.is_dir() {
            wit_files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "wit") {
            into.push(path);
        }
    }
}

#[test]
fn the_reference_page_names_the_contract_that_it_was_written_for() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let mut files = Vec::new();
    wit_files(&folder, &mut files);
    files.sort();
    assert!(files.len() >= 4, "{files:?}");
    let mut digest = Sha256::new();
    for file in &files {
        digest.update(std::fs::read(file).unwrap());
    }
    let digest: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let page = std::fs::read_to_string(folder.join("README.md")).unwrap();
    assert!(
        page.contains(&format!("`sha256:{digest}`")),
        "plugins/wit changed: bring plugins/wit/README.md up to date, \
         then let its last line say `sha256:{digest}`"
    );
}

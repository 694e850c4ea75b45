//! Real files, where the folder with them is present beside the repository.

// A failed look-up is a failed test.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use gguf::{Policy, Value, parse};

fn models() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/models");
    let files = std::fs::read_dir(folder).map(|entries| {
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .filter(|path| path.extension().is_some_and(|end| end == "gguf"))
            .collect()
    });
    files.unwrap_or_default()
}

#[test]
fn real_vocabularies_are_accepted_without_a_finding() {
    let models = models();
    if models.is_empty() {
        println!("skipped: no folder ../shared/models beside the repository");
    }
    for path in models {
        let file = std::fs::read(&path).unwrap();
        let policy = Policy {
            strict: true,
            ..Policy::default()
        };
        let header =
            parse(&file, policy).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(header.findings(), [], "{}", path.display());
        assert_eq!(
            header.data_offset(),
            header.file_size(),
            "{} has no tensors",
            path.display()
        );
        let tokens = header
            .get(b"tokenizer.ggml.tokens")
            .and_then(|value| value.as_array())
            .unwrap();
        assert_eq!(tokens.strings().count() as u64, tokens.len);
        assert!(matches!(
            header.get(b"general.architecture"),
            Some(Value::String(_))
        ));
    }
}

#[test]
fn a_real_vocabulary_cut_off_anywhere_is_truncated() {
    for path in models() {
        let file = std::fs::read(&path).unwrap();
        for left in [24, 100, file.len() / 3, file.len() / 2, file.len() - 1] {
            let error = parse(&file[..left], Policy::default()).unwrap_err();
            assert_eq!(
                error.code.as_str(),
                "GGUF_TRUNCATED",
                "{} at {left}: {error}",
                path.display()
            );
        }
    }
}

//! A model sealed through the vault, as a host does it.

use crate::{Outcome, say};
use std::path::Path;
use std::sync::Arc;
use verify::{Ask, Control, Guarding, Proving, Root};
use vram::{Code, Level, Monotonic, Policy, SealKey, Sealed, Vault, VramError, Vulkan};

const FILE: &str = "model.gguf";

/// Seals `FOLDER/model.gguf`, looks at it at every level and gives it back. A device that is no VRAM
/// is refused unless `allowed`.
pub(crate) fn seal(folder: &str, allowed: bool) -> Outcome {
    let backend = Arc::new(Vulkan::open()?);
    let vault = Vault::with(
        SealKey::random()?,
        vec![backend],
        Arc::new(Monotonic::default()),
    );
    let policy = Policy {
        allow_unified: allowed,
        ..Policy::default()
    };
    let sealed = sealed(&vault, Path::new(folder), policy)?;
    vault.check_record(&sealed.record)?;
    say("backend", sealed.record.backend.as_str());
    say("root", sealed.record.root);
    say("access", sealed.record.access.as_str());
    say("verdict", sealed.evidence.verdict.as_str());
    let control = Control::new();
    for level in [
        Level::Quick,
        Level::Sample(0.5),
        Level::Full,
        Level::Challenge([7; 32]),
    ] {
        let evidence = vault.verify(sealed.handle, &level, &control)?;
        let checked = evidence.content.bytes_checked;
        let verdict = evidence.verdict.as_str();
        say(level.as_str(), format!("{verdict} {checked}"));
    }
    let book = vault.book(sealed.handle, 1, &control)?.entries.remove(0);
    let level = Level::Book {
        nonce: book.nonce,
        answer: Some(book.answer),
    };
    let evidence = vault.verify(sealed.handle, &level, &control)?;
    say("book", evidence.verdict.as_str());
    say("freed", vault.dispose(sealed.handle)?);
    let after = vault.verify(sealed.handle, &Level::Quick, &control);
    assert_eq!(after.expect_err("it is gone").code, Code::HandleStale);
    Ok(())
}

fn sealed(vault: &Vault, folder: &Path, policy: Policy) -> Result<Sealed, VramError> {
    let none = || VramError::new(Code::NoDevice, "there is no device");
    let device = vault.devices(None).devices.first().ok_or_else(none)?.uuid;
    let bytes = std::fs::metadata(folder.join(FILE)).unwrap().len();
    let mut sealing = vault.begin(device, None, bytes, policy)?;
    let ask = Ask {
        path: FILE.into(),
        expected: None,
        bytes_max: u64::MAX,
        policy: gguf::Policy::default(),
        proving: Proving::default(),
        guarding: Guarding::default(),
    };
    let root = Root::open(folder).unwrap();
    let verified = verify::load_into(&root, &ask, &Control::new(), &mut [&mut sealing]);
    sealing.finish(&verified.unwrap())
}

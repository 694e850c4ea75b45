//! A file that is loaded alone, and may be one part of several.

use crate::{Code, Refusal, SplitName};
use gguf::{Header, Policy};

/// Refuses a file that says it is one of several: what an engine would make of it nobody has judged.
pub(crate) fn judge_lone(header: &Header, path: &[u8], policy: Policy) -> Result<(), Refusal> {
    let Some(split) = header.split().filter(|split| split.count > 1) else {
        return Ok(());
    };
    if !policy.engine_safety {
        return Ok(());
    }
    let (number, count) = (u32::from(split.no) + 1, split.count);
    let what_to_do = match SplitName::of(path) {
        Some(_) => "load the set by its first part",
        None => {
            "its name must end in -00001-of-00003.gguf or the like, with the numbers of this part and set"
        }
    };
    Err(Refusal {
        offset: header
            .pair_named(b"split.count")
            .map(|it| it.value_offset()),
        field: Some("split.count".to_owned()),
        ..Refusal::new(
            Code::Gguf(gguf::Code::BadSplit),
            format!("the file is part {number} of {count} of a split model: {what_to_do}"),
        )
    })
}

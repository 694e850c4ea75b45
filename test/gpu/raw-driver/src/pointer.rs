//! What the driver says of an address.

use crate::answer::call;
use crate::{Answer, Opaque, Raw};
use std::ffi::{c_int, c_uint};

/// By cuda.h's names, which are shorter here.
const POINTER: [(&str, c_int); 9] = [
    ("memoryType", 2),
    ("bufferId", 7),
    ("isManaged", 8),
    ("deviceOrdinal", 9),
    ("isLegacyIpcCapable", 10),
    ("mapped", 13),
    ("accessFlags", 16),
    ("mappingBytes", 18),
    ("memoryBlockId", 20),
];
/// Numbers of 32 bits with a sign, of which the upper half stays as it was.
const SIGNED: [&str; 1] = ["deviceOrdinal"];
/// Of managed memory. The header says itself that the answer may differ from where the memory is.
const RANGE: [(&str, c_int); 3] = [
    ("readMostly", 1),
    ("preferredLocation", 2),
    ("lastPrefetchLocation", 4),
];

/// One attribute, as the driver fills it: little end first, at most eight bytes.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// Such as `memoryType`: 1 host, 2 device, 4 unified.
    pub name: &'static str,
    /// The value; nothing where the driver does not say, with the status in `answer`.
    pub value: Option<i64>,
    /// What the driver answered.
    pub answer: Answer,
}

impl Raw {
    /// All attributes of an address, each asked for on its own.
    pub fn pointer_attributes(&self, address: u64) -> Vec<Attribute> {
        let one = |&(name, which)| {
            let (mut value, which): (i64, c_int) = (0, which);
            let mut place: Opaque = (&raw mut value).cast();
            let answer = call!(
                self,
                cuPointerGetAttributes(
                    c_uint = 1,
                    *const c_int = &raw const which,
                    *mut Opaque = &raw mut place,
                    u64 = address
                )
            );
            attribute(name, value, answer)
        };
        POINTER.iter().map(one).collect()
    }

    /// The attributes that only managed memory has.
    pub fn range_attributes(&self, address: u64, bytes: usize) -> Vec<Attribute> {
        let one = |&(name, which)| {
            let mut value: c_int = 0;
            let answer = call!(
                self,
                cuMemRangeGetAttribute(
                    Opaque = (&raw mut value).cast(),
                    usize = size_of::<c_int>(),
                    c_int = which,
                    u64 = address,
                    usize = bytes
                )
            );
            attribute(name, value.into(), answer)
        };
        RANGE.iter().map(one).collect()
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "only the lower half was filled"
)]
fn attribute(name: &'static str, value: i64, answer: Answer) -> Attribute {
    let value = if SIGNED.contains(&name) {
        i64::from(value as i32)
    } else {
        value
    };
    Attribute {
        name,
        value: (answer.status == 0).then_some(value),
        answer,
    }
}

//! Ways in which something stray can write to the device's memory.

use crate::answer::call;
use crate::memory::Place;
use crate::{Answer, Opaque, Raw};
use std::ffi::{CStr, c_char, c_int, c_uint};

/// A kernel that stores one word where it is told.
const STORE: &CStr = c".version 6.0
.target sm_52
.address_size 64
.visible .entry store(
.param .u64 store_address
)
{
.reg .b32 %r<2>;
.reg .b64 %rd<2>;
ld.param.u64 %rd1, [store_address];
mov.u32 %r1, 7;
st.global.u32 [%rd1], %r1;
ret;
}
";

/// So few that the driver may send them along with its commands.
const FEW_BYTES: usize = 64;
/// So many that a copy engine moves them.
const MANY_BYTES: usize = 1 << 20;
const BYTE: u8 = 0xEE;

/// How something is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A kernel's store of four bytes.
    Store,
    /// cuMemcpyHtoD of a few bytes, from ordinary memory.
    CopyIn,
    /// cuMemcpyHtoDAsync of a mebibyte, from pinned memory.
    CopyInPinned,
    /// cuMemcpyDtoD of a mebibyte.
    CopyOnDevice,
    /// cuMemsetD8 of a mebibyte.
    Set,
    /// cuMemsetD8Async of a mebibyte.
    SetAsync,
}

/// A write: what the call itself said, and what the next wait for the device said.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The call's answer.
    pub asked: Answer,
    /// The answer of cuCtxSynchronize after it.
    pub waited: Answer,
}

impl Way {
    /// By its name, such as `copyIn`.
    pub fn named(name: &str) -> Option<Self> {
        let all = [
            ("store", Self::Store),
            ("copyIn", Self::CopyIn),
            ("copyInPinned", Self::CopyInPinned),
            ("copyOnDevice", Self::CopyOnDevice),
            ("set", Self::Set),
            ("setAsync", Self::SetAsync),
        ];
        let found = all.iter().find(|(known, _)| *known == name);
        found.map(|(_, way)| *way)
    }
}

impl Raw {
    /// Writes at most a mebibyte, and waits.
    ///
    /// # Errors
    /// Where what the write needs could not be prepared.
    pub fn write(&self, way: Way, address: u64) -> Result<Attempt, Answer> {
        let stream: Opaque = std::ptr::null_mut();
        let asked = match way {
            Way::Store => self.store(address)?,
            Way::CopyIn => self.copy_in(address, &[BYTE; FEW_BYTES]),
            Way::CopyInPinned => {
                let from = self.filled(Place::Host, &vec![BYTE; MANY_BYTES])?;
                call!(
                    self,
                    cuMemcpyHtoDAsync_v2(
                        u64 = address,
                        u64 = from,
                        usize = MANY_BYTES,
                        Opaque = stream
                    )
                )
            }
            Way::CopyOnDevice => {
                let from = self.filled(Place::Device, &vec![BYTE; MANY_BYTES])?;
                call!(
                    self,
                    cuMemcpyDtoD_v2(u64 = address, u64 = from, usize = MANY_BYTES)
                )
            }
            Way::Set => call!(
                self,
                cuMemsetD8_v2(u64 = address, u8 = BYTE, usize = MANY_BYTES)
            ),
            Way::SetAsync => call!(
                self,
                cuMemsetD8Async(
                    u64 = address,
                    u8 = BYTE,
                    usize = MANY_BYTES,
                    Opaque = stream
                )
            ),
        };
        let waited = self.synchronize();
        Ok(Attempt { asked, waited })
    }

    fn store(&self, mut address: u64) -> Result<Answer, Answer> {
        let function = self.store_kernel()?;
        let mut arguments: [Opaque; 1] = [(&raw mut address).cast()];
        let (stream, nothing): (Opaque, *mut Opaque) = (std::ptr::null_mut(), std::ptr::null_mut());
        Ok(call!(
            self,
            cuLaunchKernel(
                Opaque = function,
                c_uint = 1,
                c_uint = 1,
                c_uint = 1,
                c_uint = 1,
                c_uint = 1,
                c_uint = 1,
                c_uint = 0,
                Opaque = stream,
                *mut Opaque = arguments.as_mut_ptr(),
                *mut Opaque = nothing
            )
        ))
    }

    fn store_kernel(&self) -> Result<Opaque, Answer> {
        let (mut module, mut function): (Opaque, Opaque) =
            (std::ptr::null_mut(), std::ptr::null_mut());
        let text = STORE.as_ptr().cast_mut().cast();
        let (names, values): (*const c_int, *mut Opaque) = (std::ptr::null(), std::ptr::null_mut());
        call!(
            self,
            cuModuleLoadDataEx(
                *mut Opaque = &raw mut module,
                Opaque = text,
                c_uint = 0,
                *const c_int = names,
                *mut Opaque = values
            )
        )
        .ok()?;
        let name = c"store".as_ptr();
        call!(
            self,
            cuModuleGetFunction(
                *mut Opaque = &raw mut function,
                Opaque = module,
                *const c_char = name
            )
        )
        .ok()?;
        Ok(function)
    }
}

//! What goes wrong on demand: lines `name=value` of the file that `DRIVER_DOUBLE` names, read at each call.
//!
//! | name | effect |
//! |---|---|
//! | `total=BYTES`, `free=BYTES` | the device's memory; what it says is free |
//! | `driver=12040`, `name=TEXT`, `integrated=1`, `ecc=0`, `mig=1`, `addressing=1` | what the device says of itself |
//! | `host_pids=1`, `uncounted=1`, `uncounted=zero` | processes on the device have other numbers than here, as in a container; what each holds is not said, by NVML's own mark or by a 0 |
//! | `devices=0` | no device |
//! | `ledger=FOLDER` | the device's memory is that of all processes that name the folder |
//! | `flip=OFFSET` | a bit of the newest mapping flips before the next kernel runs; once |
//! | `mapping=N` | faults are about mapping number N by age, from 1, and not about the newest |
//! | `flip_copy=OFFSET` | the same bit flips as a copy passes it |
//! | `host=1`, `managed=1` | addresses say that they are the host's, or managed |
//! | `elsewhere=1` | allocations say that they were not made on the device |
//! | `unprotected=1` | mappings do not become read-only although the call succeeds |
//! | `slow_pages=3,7` | pages of the newest mapping answer as slowly as the host's; `slow_pages=all` |
//! | `waiting_cycles=N` | every load past the caches waits so long first, as on a device whose memory is busy |
//! | `slowness=10` | everything takes ten times as long by the device's clock |
//! | `slow_launches=N` | only the next N launches do |
//! | `page_in=NANOSECONDS` | the next launch waits so long before the device begins it, as where memory is brought in first; once |
//! | `oom=1` | no allocation succeeds |
//! | `fail_call=N` | call number N says that there is no memory; calls that give something back are not counted |
//! | `lost=1` | the device is lost; it stays so |
//! | `wrong=KERNEL` | the kernel of this name computes something else; `wrong=1` is `tiles` |
//! | `crash=KERNEL`, `hang=KERNEL` | the launch of the kernel of this name ends the process, or never returns |
//! | `ecc_errors=N` | uncorrected memory errors |

use std::collections::HashMap;

/// What the control file says now.
pub(crate) struct Faults(HashMap<String, String>);

impl Faults {
    pub(crate) fn now() -> Self {
        let path = std::env::var_os("DRIVER_DOUBLE");
        let text = path.and_then(|path| std::fs::read_to_string(path).ok());
        let text = text.unwrap_or_default();
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Self(
            pairs
                .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
                .collect(),
        )
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.number(name).is_some_and(|number| number != 0)
    }
}

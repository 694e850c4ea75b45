//! The system's boot: device memory does not outlive it.

/// What the kernel calls this boot; nothing where it does not say.
pub(crate) fn id() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned()).filter(|id| !id.is_empty())
}

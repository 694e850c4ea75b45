//! What lacks and what fails, as this process was told when it started.

use std::ffi::CStr;
use std::sync::OnceLock;

pub(crate) struct Faults {
    lacks: String,
    fails: Option<Failure>,
    watched: bool,
}

struct Failure {
    name: String,
    result: i32,
    from_call: usize,
}

impl Faults {
    pub(crate) fn of_this_process() -> &'static Self {
        static FAULTS: OnceLock<Faults> = OnceLock::new();
        FAULTS.get_or_init(|| Self {
            lacks: told("LACKS"),
            fails: Failure::parse(&told("FAILS")),
            watched: !told("WATCH").is_empty(),
        })
    }

    pub(crate) fn watched(&self) -> bool {
        self.watched
    }

    pub(crate) fn lacks(&self, name: &CStr) -> bool {
        name.to_bytes() == self.lacks.as_bytes()
    }

    pub(crate) fn fails(&self, name: &CStr) -> bool {
        let failure = self.fails.as_ref();
        failure.is_some_and(|failure| name.to_bytes() == failure.name.as_bytes())
    }

    /// Nothing while the function does what it should. Calls are counted from 1.
    pub(crate) fn result_of_call(&self, call: usize) -> Option<i32> {
        let failure = self.fails.as_ref()?;
        (call >= failure.from_call).then_some(failure.result)
    }
}

impl Failure {
    fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once('=')?;
        let (result, from_call) = rest.split_once('@')?;
        Some(Self {
            name: name.to_owned(),
            result: result.parse().ok()?,
            from_call: from_call.parse().ok()?,
        })
    }
}

fn told(name: &str) -> String {
    std::env::var(format!("VULKAN_FAULTS_{name}")).unwrap_or_default()
}

//! Something that takes a while to make: made by whoever asks first, and kept.

use crate::VramError;
use std::sync::{Mutex, PoisonError};

/// Made at most once. Who asks meanwhile waits for it; a failure is told and not kept, so that the next one tries again.
#[derive(Debug)]
pub struct Once<T>(Mutex<Option<T>>);

impl<T> Once<T> {
    /// Not made yet.
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> Once<T> {
    /// What was made, or what `make` makes now.
    pub fn or_make(&self, make: impl FnOnce() -> Result<T, VramError>) -> Result<T, VramError> {
        // A panic inside left nothing half done: the place is filled last.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*kept {
            return Ok(known.clone());
        }
        let new = make()?;
        *kept = Some(new.clone());
        Ok(new)
    }
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::Once;
    use crate::{Code, VramError};

    #[test]
    fn a_failure_is_tried_again_and_a_success_is_not() {
        let once = Once::<u32>::default();
        let failed = once.or_make(|| Err(VramError::new(Code::NoDriver, "not yet")));
        assert_eq!(failed.map_err(|error| error.code), Err(Code::NoDriver));
        assert_eq!(once.or_make(|| Ok(1)).ok(), Some(1));
        assert_eq!(once.or_make(|| Ok(2)).ok(), Some(1));
    }
}

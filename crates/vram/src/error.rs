//! An error: why GPU memory could not be had, used or trusted, as data.

use crate::{Code, DeviceUuid, Evidence};
use std::fmt;
use verify::Refusal;

/// Why a call failed. A check that finds a model changed or moved does not fail: it returns its
/// evidence.
#[derive(Clone, Debug)]
pub struct VramError {
    /// The stable code; it also says whether to retry.
    pub code: Code,
    /// What is wrong and what to do, in a sentence.
    pub message: String,
    /// The device that the call was about.
    pub device: Option<DeviceUuid>,
    /// The driver's own words, where it was the driver that failed.
    pub driver: Option<DriverFault>,
    /// Bytes that were asked for, where there was not enough.
    pub requested_bytes: Option<u64>,
    /// Bytes that there were.
    pub available_bytes: Option<u64>,
    /// The rule of the policy that was broken, by its option's name.
    pub policy: Option<&'static str>,
    /// Which file of a split model it is about, counted from 1; nothing where it is about all of it.
    pub part: Option<u32>,
    /// What was seen, where the failure is a matter of evidence.
    pub evidence: Option<Box<Evidence>>,
}

/// A driver call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriverFault {
    /// The function, such as `cuMemCreate`.
    pub call: &'static str,
    /// The status it returned.
    pub status: i64,
    /// The status by its name, such as `CUDA_ERROR_OUT_OF_MEMORY`.
    pub name: String,
}

impl VramError {
    /// An error of this code; what else is known is filled in by struct update.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            device: None,
            driver: None,
            requested_bytes: None,
            available_bytes: None,
            policy: None,
            part: None,
            evidence: None,
        }
    }

    /// The policy's rule `policy` is broken.
    pub fn violation(policy: &'static str, message: impl Into<String>) -> Self {
        Self {
            policy: Some(policy),
            ..Self::new(Code::PolicyViolation, message)
        }
    }

    /// The same error, about this device.
    #[must_use]
    pub fn on(self, device: DeviceUuid) -> Self {
        Self {
            device: Some(device),
            ..self
        }
    }

    /// The same error, about this file of a split model, counted from 1.
    #[must_use]
    pub(crate) fn in_part(mut self, number: u32, count: usize) -> Self {
        self.part = Some(number);
        self.message = format!("part {number} of {count}: {}", self.message);
        if let Some(evidence) = &mut self.evidence {
            evidence.content.of_part(number);
        }
        self
    }

    /// The same error, about this file of a model of `count` files. What is wrong with all of them is said of no part.
    #[must_use]
    pub fn of_part(self, number: u32, count: usize) -> Self {
        match self.code {
            Code::Aborted | Code::HandleStale | Code::DeviceLost => self,
            _ if count == 1 => self,
            _ => self.in_part(number, count),
        }
    }

    /// Whether the same call may succeed later although nobody repairs anything.
    pub fn is_retriable(&self) -> bool {
        self.code.is_retriable()
    }
}

/// The verified file could not be read again.
pub(crate) fn file_error(refusal: Refusal) -> VramError {
    let code = match refusal.code {
        verify::Code::Aborted => Code::Aborted,
        _ => Code::FileChanged,
    };
    VramError::new(code, refusal.message)
}

impl fmt::Display for VramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)?;
        match &self.driver {
            Some(fault) => write!(f, " ({} said {})", fault.call, fault.name),
            None => Ok(()),
        }
    }
}

impl std::error::Error for VramError {}

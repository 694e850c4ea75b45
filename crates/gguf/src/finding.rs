//! Conformance findings: where a file breaks the format's text in a way that engines live with.

use crate::text::escape;

/// Findings that are kept word for word; further ones are only counted.
const FINDINGS_MAX: usize = 64;

/// One broken conformance rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule's number in the project's rule table.
    pub rule: u8,
    /// Where, as a byte offset in the file; `None` when something is missing.
    pub offset: Option<u64>,
    /// The key or tensor name concerned, escaped and capped.
    pub field: Option<String>,
    /// What is wrong, for people.
    pub message: String,
}

/// A bounded list of findings.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    kept: Vec<Finding>,
    total: u64,
}

impl Findings {
    /// The message is only built for a finding that is kept.
    pub(crate) fn add(
        &mut self,
        rule: u8,
        offset: Option<u64>,
        field: &[u8],
        message: impl FnOnce() -> String,
    ) {
        self.total = self.total.saturating_add(1);
        if self.kept.len() < FINDINGS_MAX {
            let field = (!field.is_empty()).then(|| escape(field));
            self.kept.push(Finding {
                rule,
                offset,
                field,
                message: message(),
            });
        }
    }

    /// File order; what is missing from the file comes last.
    pub(crate) fn sort(&mut self) {
        self.kept
            .sort_by_key(|finding| finding.offset.unwrap_or(u64::MAX));
    }

    pub(crate) fn kept(&self) -> &[Finding] {
        &self.kept
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }
}

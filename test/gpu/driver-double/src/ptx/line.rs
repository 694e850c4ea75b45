//! A line of PTX: mnemonic and operands, taken apart but not yet understood.

/// `@%p1 add.s32 %r1, %r2, 3;` taken apart.
pub(crate) struct Line<'text> {
    /// The guard's register, and the value it must have.
    pub(crate) guard: Option<(&'text str, bool)>,
    /// The mnemonic's parts: `["add", "s32"]`.
    pub(crate) parts: Vec<&'text str>,
    pub(crate) operands: Vec<&'text str>,
}

impl<'text> Line<'text> {
    pub(crate) fn of(text: &'text str) -> Self {
        let text = text.trim_end_matches(';').trim();
        let (guard, text) = match text.strip_prefix('@') {
            Some(rest) => {
                let (register, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                let negated = register.strip_prefix('!');
                (
                    Some((negated.unwrap_or(register), negated.is_none())),
                    rest.trim(),
                )
            }
            None => (None, text),
        };
        let (mnemonic, operands) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        Self {
            guard,
            parts: mnemonic.split('.').collect(),
            operands: split(operands),
        }
    }

    pub(crate) fn has(&self, part: &str) -> bool {
        self.parts.contains(&part)
    }
}

/// At the commas that stand in no bracket.
pub(crate) fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_i32, 0, Vec::new());
    for (at, letter) in text.char_indices() {
        match letter {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

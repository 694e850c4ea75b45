//! File content on its way into a message: escaped, so that it cannot forge one, and capped.

use std::fmt::Write;

/// Characters of file content that a message may hold.
const ESCAPED_CHARS_MAX: usize = 128;

/// Printable ASCII stays; anything else becomes `\u{..}`, a byte that is no UTF-8 `\u{fffd}`.
pub(crate) fn escape(bytes: &[u8]) -> String {
    // Four bytes a character at most, and one more to see that something was cut off.
    let head = bytes.get(..(ESCAPED_CHARS_MAX + 1) * 4).unwrap_or(bytes);
    let lossy = String::from_utf8_lossy(head);
    let mut escaped = String::new();
    for char in lossy.chars() {
        let before = escaped.len();
        push_escaped(&mut escaped, char);
        if escaped.len() > ESCAPED_CHARS_MAX {
            escaped.truncate(before.min(ESCAPED_CHARS_MAX - 3));
            escaped.push_str("...");
            break;
        }
    }
    escaped
}

fn push_escaped(escaped: &mut String, char: char) {
    match char {
        // The escape character itself must not be forgeable.
        '\\' => escaped.push_str("\\\\"),
        ' '..='~' => escaped.push(char),
        // Writing to a String cannot fail.
        other => {
            let _ = write!(escaped, "\\u{{{:x}}}", u32::from(other));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn hostile_text_is_escaped() {
        assert_eq!(escape(b"a\nb\0\\"), "a\\u{a}b\\u{0}\\\\");
        assert_eq!(escape("\u{202e}x".as_bytes()), "\\u{202e}x");
        assert_eq!(escape(b"\xff"), "\\u{fffd}");
    }

    #[test]
    fn long_text_is_capped() {
        assert_eq!(escape(&[b'a'; 128]).len(), 128);
        let cut = escape(&vec![b'a'; 1 << 20]);
        assert_eq!((cut.len(), cut.ends_with("a...")), (128, true));
        assert!(escape(&[0; 1000]).len() <= 128);
    }
}

//! Chat templates: programs inside a model file, and the marks of one that means to break out.

/// Python internals and Jinja globals through which known template attacks reach code execution.
/// No template of a known model uses any of them.
const RISKS: &[&str] = &[
    "__class__",
    "__base__",
    "__bases__",
    "__mro__",
    "__subclasses__",
    "__globals__",
    "__builtins__",
    "__import__",
    "__init__",
    "__getattribute__",
    "__getitem__",
    "__dict__",
    "__code__",
    "__reduce__",
    "lipsum.",
    "cycler.",
    "joiner.",
    "os.popen",
    "os.system",
    "subprocess",
];

/// Bytes of a template that is searched. A longer one is a finding in itself: the longest known
/// are a hundredth of that, and a search of many megabytes would make a refusal slow.
const SEARCHED_BYTES_MAX: usize = 1 << 20;

/// Whether a key holds a chat template: the main one, or a named one.
pub(crate) fn is_template(key: &[u8]) -> bool {
    let rest = key.strip_prefix(b"tokenizer.chat_template");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
}

/// The first mark of danger in a template: where it stands, and what is wrong.
pub(crate) fn risk(template: &[u8]) -> Option<(usize, String)> {
    if template.len() > SEARCHED_BYTES_MAX {
        let message = format!(
            "the chat template has {} bytes, too many for one",
            template.len()
        );
        return Some((0, message));
    }
    let (position, what) = construct(template)?;
    let message = format!(
        "the chat template uses {what}, which reaches out of an unsandboxed template engine"
    );
    Some((position, message))
}

fn construct(template: &[u8]) -> Option<(usize, &'static str)> {
    let mut rest = template;
    while let Some(candidate) = rest
        .iter()
        .position(|byte| matches!(byte, b'_' | b'l' | b'c' | b'j' | b'o' | b's' | b'|'))
    {
        rest = rest.get(candidate..)?;
        let known = RISKS.iter().find(|risk| rest.starts_with(risk.as_bytes()));
        if let Some(what) = known.copied().or_else(|| attribute_filter(rest)) {
            return Some((template.len().checked_sub(rest.len())?, what));
        }
        rest = rest.get(1..)?;
    }
    None
}

/// `|attr(`, with any white space between.
fn attribute_filter(text: &[u8]) -> Option<&'static str> {
    let name = text
        .strip_prefix(b"|")?
        .trim_ascii_start()
        .strip_prefix(b"attr")?;
    name.trim_ascii_start()
        .starts_with(b"(")
        .then_some("the attr filter")
}

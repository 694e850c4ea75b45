//! What a file is that is not GGUF: people hand over pointers, error pages and other formats.

use std::fmt::Write;

use crate::error::{Code, GgufError};

/// Bytes from the file's start that suffice to tell.
pub(crate) const SNIFF_BYTES: u64 = 512;

/// A format that is told by its first bytes.
type Signature = (&'static [u8], &'static str);

const SIGNATURES: &[Signature] = &[
    (
        b"version https://git-lfs",
        "a git-LFS pointer, not the model itself: run `git lfs pull`",
    ),
    (
        b"lmgg",
        "a GGML file, the unversioned format before GGUF: convert it to GGUF",
    ),
    (
        b"fmgg",
        "a GGMF file, a format before GGUF: convert it to GGUF",
    ),
    (
        b"tjgg",
        "a GGJT file, the format before GGUF: convert it to GGUF",
    ),
    (
        b"algg",
        "a GGLA adapter, a format before GGUF: convert it to GGUF",
    ),
    (
        b"ggml",
        "a GGML file, the unversioned format before GGUF: convert it to GGUF",
    ),
    (
        b"ggmf",
        "a GGMF file, a format before GGUF: convert it to GGUF",
    ),
    (
        b"ggjt",
        "a GGJT file, the format before GGUF: convert it to GGUF",
    ),
    (b"\x1f\x8b", "gzip-compressed: decompress it first"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed: decompress it first"),
    (b"\xfd7zXZ\0", "xz-compressed: decompress it first"),
    (b"BZh", "bzip2-compressed: decompress it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (
        b"\x89HDF\r\n\x1a\n",
        "an HDF5 file, such as Keras weights: convert it to GGUF",
    ),
    (b"\x93NUMPY", "a NumPy array: convert the model to GGUF"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"%PDF", "a PDF document"),
    (b"\x7fELF", "an ELF program"),
    (b"MZ", "a Windows program"),
    (b"#!", "a script"),
];

/// The refusal of a file that does not start with `GGUF`, from its first bytes.
pub(crate) fn refuse(head: &[u8]) -> GgufError {
    if head.starts_with(b"FUGG") {
        let message = "the magic bytes stand in reverse order: this is a big-endian GGUF file, or one whose words were swapped";
        return GgufError::new(Code::BigEndian, message).at(0);
    }
    GgufError::new(
        Code::NotGguf,
        format!("this is no GGUF file: it is {}", describe(head)),
    )
    .at(0)
}

fn describe(head: &[u8]) -> String {
    if head.is_empty() {
        return "empty".into();
    }
    let signed = SIGNATURES.iter().find(|(start, _)| head.starts_with(start));
    let known = signed.map(|&(_, what)| what);
    let known = known
        .or_else(|| archive(head))
        .or_else(|| weights(head))
        .or_else(|| document(head));
    known.map_or_else(|| unknown(head), Into::into)
}

fn archive(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"PK\x03\x04") && contains(head, b"data.pkl") {
        return Some(
            "a PyTorch checkpoint (a zip archive with a pickle in it): convert it to GGUF",
        );
    }
    if [b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"]
        .iter()
        .any(|start| head.starts_with(*start))
    {
        return Some("a zip archive: unpack or convert it first");
    }
    let tar = head.get(257..262) == Some(b"ustar");
    tar.then_some("a tar archive: unpack it first")
}

fn weights(head: &[u8]) -> Option<&'static str> {
    if let [0x80, 2..=5, ..] = head {
        return Some(
            "a Python pickle, such as an old PyTorch checkpoint, which runs code when loaded: convert it to GGUF",
        );
    }
    if head.get(4..8) == Some(b"TFL3") {
        return Some("a TensorFlow Lite model: convert it to GGUF");
    }
    // safetensors: the length of a JSON header, below 100 MB, then the header.
    let (length, rest) = head.split_first_chunk::<8>()?;
    let plausible = (2..=100_000_000).contains(&u64::from_le_bytes(*length));
    let safetensors = plausible && rest.starts_with(b"{");
    safetensors.then_some("a safetensors file: convert it to GGUF")
}

fn document(head: &[u8]) -> Option<&'static str> {
    let text = head
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(head)
        .trim_ascii_start();
    let lower = text.to_ascii_lowercase();
    match text.first()? {
        b'<' if [&b"<!doctype html"[..], b"<html", b"<head", b"<body"]
            .iter()
            .any(|tag| contains(&lower, tag)) =>
        {
            Some(
                "an HTML page, perhaps a login or error page of the server it came from: fetch it again",
            )
        }
        b'<' => Some(
            "an XML or HTML document, perhaps an error answer of the server it came from: fetch it again",
        ),
        b'{' | b'[' => Some(
            "a JSON document, perhaps an error answer of the server it came from: fetch it again",
        ),
        _ => None,
    }
}

fn unknown(head: &[u8]) -> String {
    if head.iter().all(|&byte| byte == 0) {
        return "zero bytes at its start, as an unfinished download leaves them: fetch it again"
            .into();
    }
    if head
        .iter()
        .all(|&byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
    {
        return "plain text".into();
    }
    let mut bytes = String::from("of no format known here; its first bytes are");
    for byte in head.iter().take(8) {
        // Writing to a String cannot fail.
        let _ = write!(bytes, " {byte:02x}");
    }
    bytes
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

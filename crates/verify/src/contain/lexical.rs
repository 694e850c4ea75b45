//! What a path's text alone says: whether it lies below a folder, whether it climbs out.

/// The rest of `path` below `folder`, component by component: `/models-old` is not below `/models`.
/// The folder itself is `.` below itself.
pub(super) fn below<'path>(path: &'path [u8], folder: &[u8]) -> Option<&'path [u8]> {
    let mut rest = path;
    let mut folder = folder;
    while let Some((expected, further)) = first_part(folder) {
        let (part, tail) = first_part(rest)?;
        if part != expected {
            return None;
        }
        (rest, folder) = (tail, further);
    }
    let rest = skip_slashes(rest);
    Some(if rest.is_empty() { b"." } else { rest })
}

/// Whether the text climbs above where it starts at any point, links left aside.
pub(super) fn climbs(path: &[u8]) -> bool {
    let mut depth = 0_u64;
    for part in parts(path) {
        if part != b".." {
            depth += 1;
        } else if depth == 0 {
            return true;
        } else {
            depth -= 1;
        }
    }
    false
}

/// The names of a path; empty ones and `.` say nothing.
pub(super) fn parts(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
}

/// Whether the text says that the path names a folder.
pub(super) fn names_folder(path: &[u8]) -> bool {
    path.ends_with(b"/") || path.ends_with(b"/.") || path == b"."
}

fn first_part(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = path;
    loop {
        rest = skip_slashes(rest);
        let end = rest.iter().position(|&byte| byte == b'/');
        let (part, tail) = rest.split_at(end.unwrap_or(rest.len()));
        match part {
            b"" => return None,
            b"." => rest = tail,
            _ => return Some((part, tail)),
        }
    }
}

fn skip_slashes(path: &[u8]) -> &[u8] {
    let slashes = path.iter().take_while(|&&byte| byte == b'/').count();
    path.split_at(slashes).1
}

#[cfg(test)]
mod tests {
    use super::{below, climbs, names_folder};

    #[test]
    fn below_compares_whole_names() {
        let rows: [(&str, &str, Option<&str>); 14] = [
            ("/models-old/x", "/models", None),
            ("/model", "/models", None),
            ("/", "/models", None),
            ("/other/models/x", "/models", None),
            ("/modelsx/../models/x", "/models", None),
            ("/models/x", "/models", Some("x")),
            ("/models/a/x", "/models/", Some("a/x")),
            ("//models///x", "/models", Some("x")),
            ("/./models/./x", "/models", Some("./x")),
            ("/models/../x", "/models", Some("../x")),
            ("/models/x/", "/models", Some("x/")),
            ("/models", "/models", Some(".")),
            ("/models//", "/models", Some(".")),
            ("/etc/passwd", "/", Some("etc/passwd")),
        ];
        for (path, folder, rest) in rows {
            let found = below(path.as_bytes(), folder.as_bytes());
            assert_eq!(found, rest.map(str::as_bytes), "{path} below {folder}");
        }
    }

    #[test]
    fn climbs_at_any_prefix() {
        for path in [
            "..",
            "../a",
            "a/../..",
            "missing/../../etc/passwd",
            "./../a",
            "a//../../a/b",
        ] {
            assert!(climbs(path.as_bytes()), "{path}");
        }
        for path in [
            "a",
            "a/..",
            "a/b/../../c",
            "./a/../b",
            "..a",
            "a/..b",
            "...",
            "",
        ] {
            assert!(!climbs(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn a_trailing_slash_or_dot_names_a_folder() {
        for path in ["a/", "a/.", ".", "a//"] {
            assert!(names_folder(path.as_bytes()), "{path}");
        }
        for path in ["a", "a.", "a/..b", "a/b"] {
            assert!(!names_folder(path.as_bytes()), "{path}");
        }
    }
}

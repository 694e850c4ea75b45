//! The floor for `inspect`: one walk over a GGUF header that checks bounds and UTF-8 and builds
//! nothing, beside the scanner over the same bytes. Prints one JSON object.
//!
//! `cargo run --release -p gguf --example bare_walk -- FILE [RUNS]`

use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::time::Instant;

/// What the walk saw, so that two walks can be compared.
#[derive(Default, PartialEq, Debug, Clone, Copy)]
struct Seen {
    strings: u64,
    bytes: usize,
}

fn main() {
    let mut args = std::env::args().skip(1);
    let path = args
        .next()
        .unwrap_or_else(|| fail("usage: bare_walk FILE [RUNS]"));
    let runs: usize = args.next().map_or(21, |runs| {
        runs.parse().unwrap_or_else(|_| fail("RUNS is no number"))
    });

    let mut seen = Seen::default();
    let bare = median_ms(runs, || {
        let file = read(&path);
        seen = walk(&file).unwrap_or_else(|| fail("not a well-formed GGUF header"));
        black_box(seen);
    });
    let scanner = median_ms(runs, || {
        let header = scan(&path).unwrap_or_else(|error| fail(&error.to_string()));
        assert_eq!(
            header.header_bytes(),
            u64::try_from(seen.bytes).unwrap_or(0)
        );
        black_box(header);
    });
    let (strings, bytes) = (seen.strings, seen.bytes);
    println!(
        "{{\"median_ms\":{bare:.3},\"runs\":{runs},\"strings\":{strings},\"bytes\":{bytes},\"scanner_median_ms\":{scanner:.3}}}"
    );
}

fn fail(message: &str) -> ! {
    eprintln!("{message}");
    std::process::exit(2);
}

fn read(path: &str) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| fail(&error.to_string()))
}

fn median_ms(runs: usize, mut run: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..runs.max(1))
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// As `inspect` does: blocks of 1 MiB until the header is settled.
fn scan(path: &str) -> Result<gguf::Header, Box<dyn std::error::Error>> {
    let mut file = File::open(path)?;
    let mut scanner = gguf::Scanner::new(file.metadata()?.len(), gguf::Policy::default());
    let mut block = vec![0; 1 << 20];
    while !scanner.header_settled() {
        let read = file.read(&mut block)?;
        scanner.feed(block.get(..read).unwrap_or_default());
        if read == 0 {
            break;
        }
    }
    Ok(scanner.finish()?)
}

/// The whole walk in one function, as naive as it can be and still be checked.
fn walk(file: &[u8]) -> Option<Seen> {
    let mut at = 0_usize;
    let mut strings = 0_u64;
    let mut take = |length: usize| {
        let taken = file.get(at..at.checked_add(length)?)?;
        at += length;
        Some(taken)
    };
    macro_rules! number {
        ($kind:ty) => {
            usize::try_from(<$kind>::from_le_bytes(
                take(size_of::<$kind>())?.try_into().ok()?,
            ))
            .ok()?
        };
    }
    macro_rules! string {
        () => {{
            let length = number!(u64);
            std::str::from_utf8(take(length)?).ok()?;
            strings += 1;
        }};
    }
    if take(4)? != b"GGUF" || number!(u32) > 3 {
        return None;
    }
    let (tensors, pairs) = (number!(u64), number!(u64));
    for _ in 0..pairs {
        string!();
        let mut kind = number!(u32);
        let mut count = 1;
        if kind == 9 {
            kind = number!(u32);
            count = number!(u64);
        }
        if kind == 8 {
            for _ in 0..count {
                string!();
            }
            continue;
        }
        let width = *[1_usize, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8].get(kind)?;
        take(count.checked_mul(width)?)?;
    }
    for _ in 0..tensors {
        string!();
        let dimensions = number!(u32);
        take(dimensions.checked_mul(8)?)?;
        take(4 + 8)?;
    }
    Some(Seen { strings, bytes: at })
}

//! Times the core without Node: `pass WAY FILE [RECORDS]` prints one JSON object.
//!
//! The ways: `ref` is the yardstick, one thread that reads 1 MiB and hashes it, over and over; `buffered` is the same
//! through the standard library's `BufReader` as it comes, which reads 8 KiB; `flat` is the pass
//! with the SHA-256 alone, `both` the one with the tiles beside it; `recorded` loads with a record in the folder
//! RECORDS, which the first call makes. `set` loads all parts of the split model whose first one FILE is; `ref` reads
//! them one after another. The file's folder is the root. A refusal is an answer too, with its code and
//! the exit status 1.

use digest::{MacKey, Sha256, Sha256Digest, blake3_implementation, sha256_implementation};
use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use verify::{
    Ask, Control, Guarding, Proving, Records, Root, SetAsk, SplitName, load_set, set_digest,
};

const USAGE: &str = "usage: pass ref|buffered|flat|both|set|recorded FILE [RECORDS]";

/// What was computed, and by what.
struct Answer {
    ok: bool,
    digest: String,
    by: &'static str,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut words = std::env::args_os().skip(1);
    let way = words.next().ok_or(USAGE)?.to_string_lossy().into_owned();
    let file = PathBuf::from(words.next().ok_or(USAGE)?).canonicalize()?;
    let files = files(&file);
    let sizes = files.iter().map(|file| Ok(file.metadata()?.len()));
    let size = sizes.sum::<std::io::Result<u64>>()?;
    let proving = match (way.as_str(), words.next()) {
        ("ref" | "buffered", None) => None,
        ("flat" | "set", None) => Some(Proving {
            tiles: false,
            ..Proving::default()
        }),
        ("both", None) => Some(Proving::default()),
        ("recorded", Some(folder)) => Some(recorded(folder.into())),
        _ => return Err(USAGE.into()),
    };
    let expected = proving.as_ref().and_then(|it| known(it.records.as_ref()?));
    let started = Instant::now();
    let answer = match proving {
        None if way == "buffered" => reference(&files, 8 << 10)?,
        None => reference(&files, 1 << 20)?,
        Some(proving) if way == "set" => load_parts(&file, proving)?,
        Some(proving) => load(&file, expected, proving)?,
    };
    print(&answer, size, started.elapsed().as_secs_f64());
    Ok(ExitCode::from(u8::from(!answer.ok)))
}

/// A key that everybody knows: for measuring, not for believing.
fn recorded(folder: PathBuf) -> Proving {
    Proving {
        records: Some(Records {
            folder,
            key: MacKey::from([0; 32]),
            age_max: None,
        }),
        ..Proving::default()
    }
}

/// The digest of the only record there, as a caller would have it from elsewhere.
fn known(records: &Records) -> Option<Sha256Digest> {
    let entry = std::fs::read_dir(&records.folder).ok()?.next()?.ok()?;
    let name = entry.file_name().into_string().ok()?;
    Sha256Digest::from_hex(name.strip_suffix(".record")?).ok()
}

/// The file, or all parts of the set whose first one it is.
fn files(file: &Path) -> Vec<PathBuf> {
    match SplitName::of(file.as_os_str().as_encoded_bytes()) {
        None => vec![file.to_owned()],
        Some(name) => (0..name.count())
            .map(|place| {
                String::from_utf8_lossy(&name.part(place))
                    .into_owned()
                    .into()
            })
            .collect(),
    }
}

/// Reads pieces of that size, by the standard library's own reader where they are as small as its buffer.
fn reference(files: &[PathBuf], piece_bytes: usize) -> Result<Answer, Box<dyn Error>> {
    let mut buffer = vec![0; piece_bytes];
    let mut digests = Vec::with_capacity(files.len());
    for file in files {
        let file = File::open(file)?;
        let mut file: Box<dyn Read> = if piece_bytes > 8 << 10 {
            Box::new(file)
        } else {
            Box::new(BufReader::new(file))
        };
        let mut sha256 = Sha256::new();
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            sha256.update(buffer.get(..count).unwrap_or_default());
        }
        digests.push(sha256.finalize());
    }
    let digest = match *digests.as_slice() {
        [only] => only,
        _ => set_digest(digests),
    };
    Ok(Answer {
        ok: true,
        digest: digest.to_string(),
        by: "sha256",
    })
}

fn load_parts(file: &Path, proving: Proving) -> Result<Answer, Box<dyn Error>> {
    let root = Root::open(file.parent().ok_or("the file lies in no folder")?)?;
    let ask = SetAsk {
        whole: ask(file, None, proving),
        parts: Vec::new(),
    };
    let links_in = std::env::temp_dir();
    Ok(match load_set(&root, &ask, &links_in, &Control::new()) {
        Ok(set) => Answer {
            ok: true,
            digest: set.sha256().to_string(),
            by: "sha256",
        },
        Err(refusal) => Answer {
            ok: false,
            digest: String::new(),
            by: refusal.code.as_str(),
        },
    })
}

fn load(
    file: &Path,
    expected: Option<Sha256Digest>,
    proving: Proving,
) -> Result<Answer, Box<dyn Error>> {
    let root = Root::open(file.parent().ok_or("the file lies in no folder")?)?;
    let ask = ask(file, expected, proving);
    Ok(match verify::load(&root, &ask, &Control::new()) {
        Ok(verified) => Answer {
            ok: true,
            digest: verified.sha256().to_string(),
            by: verified.proven_by().as_str(),
        },
        Err(refusal) => Answer {
            ok: false,
            digest: refusal.sha256.map_or_else(String::new, |it| it.to_string()),
            by: refusal.code.as_str(),
        },
    })
}

fn ask(file: &Path, expected: Option<Sha256Digest>, proving: Proving) -> Ask {
    Ask {
        path: file.as_os_str().as_encoded_bytes().to_vec(),
        expected,
        bytes_max: u64::MAX,
        policy: gguf::Policy::default(),
        proving,
        guarding: Guarding::default(),
    }
}

#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
fn print(answer: &Answer, size: u64, seconds: f64) {
    let Answer { ok, digest, by } = answer;
    let rate = size as f64 / 1e9 / seconds;
    println!(
        r#"{{"ok":{ok},"sha256":"{digest}","by":"{by}","sizeBytes":{size},"seconds":{seconds:.6},"gigabytesPerSecond":{rate:.3},"cpuSeconds":{:.2},"peakMb":{},"implementations":"{}, {}"}}"#,
        cpu_seconds(),
        peak_megabytes(),
        sha256_implementation(),
        blake3_implementation()
    );
}

/// What all threads of this process have used, in user mode and in the kernel.
fn cpu_seconds() -> f64 {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may hold anything: utime and stime are the 12th and 13th fields from there.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.filter_map(|it| it.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SECOND
}

/// The most memory that this process has had resident.
fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) / 1024
}

//! Times the core without Node: `pass FILE [EXPECTED-SHA256]` prints one JSON object.
//!
//! The file's folder is the root. A refusal is an answer too, with its code and the exit status 1.

use digest::{Sha256Digest, sha256_implementation};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use verify::{Ask, Control, Proving, Refusal, Root, Verified};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut words = std::env::args_os().skip(1);
    let file = words.next().map(PathBuf::from);
    let file = file
        .ok_or("usage: pass FILE [EXPECTED-SHA256]")?
        .canonicalize()?;
    let expected = words
        .next()
        .map(|hex| Sha256Digest::from_hex(&hex.to_string_lossy()));
    let root = Root::open(file.parent().ok_or("the file lies in no folder")?)?;
    let ask = Ask {
        path: file.as_os_str().as_encoded_bytes().to_vec(),
        expected: expected.transpose()?,
        bytes_max: u64::MAX,
        policy: gguf::Policy::default(),
        proving: Proving::default(),
        guarding: verify::Guarding::default(),
    };
    let started = Instant::now();
    let answer = verify::load(&root, &ask, &Control::new());
    let seconds = started.elapsed().as_secs_f64();
    println!("{{{},{}}}", body(&answer), timing(&answer, seconds));
    Ok(ExitCode::from(u8::from(answer.is_err())))
}

fn body(answer: &Result<Verified, Refusal>) -> String {
    match answer {
        Ok(verified) => format!(r#""ok":true,"sha256":"{}""#, verified.sha256()),
        Err(refusal) => {
            let sha256 = refusal.sha256.map_or_else(String::new, |it| it.to_string());
            format!(
                r#""ok":false,"code":"{}","sha256":"{sha256}""#,
                refusal.code.as_str()
            )
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
fn timing(answer: &Result<Verified, Refusal>, seconds: f64) -> String {
    let facts = answer
        .as_ref()
        .map_or_else(|it| it.facts, |it| Some(*it.facts()));
    let size = facts.map_or(0, |facts| facts.size);
    let rate = size as f64 / 1e9 / seconds;
    format!(
        r#""sizeBytes":{size},"seconds":{seconds:.6},"gigabytesPerSecond":{rate:.3},"implementation":"{}""#,
        sha256_implementation()
    )
}

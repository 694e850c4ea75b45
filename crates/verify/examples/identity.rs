//! Times a load that is proven by the inode's identity: `identity FOLDER [GIB]` prints one JSON object a line, for the
//! load and for what it cannot do without. The file, sparse and 16 GiB large unless told otherwise, is made in FOLDER,
//! which must be on a file system where a lease counts, and removed.

use digest::{MacKey, Sha256};
use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};
use verify::{Ask, Control, Guarding, Proving, Records, Root, Verified};

const USAGE: &str = "usage: identity FOLDER [GIB]";
const ROUNDS: usize = 2001;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let folder = Path::new(&words.next().ok_or(USAGE)?).canonicalize()?;
    let size = words.next().map_or(Ok(16), |word| word.parse::<u64>())? << 30;
    let path = folder.join("identity.gguf");
    let answer = measure(&folder, &path, size);
    fs::remove_file(path)?;
    fs::remove_dir_all(folder.join("identity.records"))?;
    answer
}

fn measure(folder: &Path, path: &Path, size: u64) -> Result<(), Box<dyn Error>> {
    fs::write(path, header_of(size))?;
    File::options().write(true).open(path)?.set_len(size)?;
    // Younger files are not tied.
    std::thread::sleep(Duration::from_millis(2100));
    let root = Root::open(folder)?;
    let ask = asking(folder, path)?;
    let load =
        || -> Result<Verified, Box<dyn Error>> { Ok(verify::load(&root, &ask, &Control::new())?) };
    let first = Instant::now();
    let proof = load()?.proven_by().as_str();
    print("first", proof, size, first.elapsed());
    // Kept open, as a host keeps its models: the thread that watches leases then lives on.
    let _held = load()?;
    let opened = median(|| File::open(path).map(drop))?;
    print("open", "none", size, opened);
    let again = median(|| load().map(|model| assert_identity(&model)))?;
    print("again", "identity", size, again);
    Ok(())
}

fn assert_identity(model: &Verified) {
    assert_eq!(model.proven_by().as_str(), "identity");
}

fn median<E>(mut run: impl FnMut() -> Result<(), E>) -> Result<Duration, E> {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        run()?;
        times.push(started.elapsed());
    }
    times.sort();
    Ok(times.get(ROUNDS / 2).copied().unwrap_or_default())
}

/// A key that everybody knows: for measuring, not for believing.
fn asking(folder: &Path, path: &Path) -> Result<Ask, Box<dyn Error>> {
    let mut sha256 = Sha256::new();
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = std::io::Read::read(&mut file, &mut buffer)?;
        let Some(bytes @ [_, ..]) = buffer.get(..count) else {
            break;
        };
        sha256.update(bytes);
    }
    Ok(Ask {
        path: b"identity.gguf".to_vec(),
        expected: Some(sha256.finalize()),
        bytes_max: u64::MAX,
        policy: gguf::Policy::default(),
        proving: Proving {
            identity: true,
            records: Some(Records {
                folder: folder.join("identity.records"),
                key: MacKey::from([0; 32]),
                age_max: None,
            }),
            ..Proving::default()
        },
        guarding: Guarding::default(),
    })
}

/// One tensor of signed bytes fills the file.
fn header_of(size: u64) -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3_u32.to_le_bytes());
    bytes.extend([1_u64.to_le_bytes(), 1_u64.to_le_bytes()].concat());
    string(&mut bytes, "general.architecture");
    bytes.extend(8_u32.to_le_bytes());
    string(&mut bytes, "test");
    string(&mut bytes, "weight");
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend((size - 128).to_le_bytes());
    bytes.extend(24_u32.to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    bytes.resize(128, 0);
    bytes
}

fn string(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

#[allow(clippy::print_stdout, reason = "a measuring program")]
fn print(what: &str, proof: &str, size: u64, took: Duration) {
    let microseconds = took.as_secs_f64() * 1e6;
    println!(
        "{{\"what\":\"{what}\",\"proof\":\"{proof}\",\"bytes\":{size},\"microseconds\":{microseconds:.1}}}"
    );
}

//! Takes one file out of the page cache: `evict FILE` prints how many of the places that were looked at are still there.
//!
//! The polite way: what is cached of other files stays. Pages that are dirty or mapped stay too, hence the sync, and the look.

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use rustix::fs::{Advice, fadvise};

    let path = std::env::args_os().nth(1).ok_or("usage: evict FILE")?;
    let file = std::fs::File::open(path)?;
    file.sync_all()?;
    fadvise(&file, 0, None, Advice::DontNeed)?;
    let size = file.metadata()?.len();
    let places = (0..PLACES).map(|place| size / PLACES * place);
    let resident = places.filter(|&offset| is_cached(&file, offset)).count();
    println!(r#"{{"places":{PLACES},"resident":{resident}}}"#);
    Ok(())
}

#[cfg(target_os = "linux")]
const PLACES: u64 = 256;

/// Whether a byte can be read without the disk.
#[cfg(target_os = "linux")]
fn is_cached(file: &std::fs::File, offset: u64) -> bool {
    let mut byte = [0];
    let mut space = [std::io::IoSliceMut::new(&mut byte)];
    let flags = rustix::io::ReadWriteFlags::NOWAIT;
    rustix::io::preadv2(file, &mut space, offset, flags).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("only Linux is known to take advice");
}

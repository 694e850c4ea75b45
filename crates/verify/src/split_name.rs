//! The name of one file of a split model: `NAME-00001-of-00003.gguf`, as llama.cpp makes and expects it.

/// A path whose last part names a file of a set of two or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitName {
    /// The path up to the part's number, in bytes.
    prefix: Vec<u8>,
    place: usize,
    count: usize,
}

/// As the writer spells a number: five digits, for it cannot be larger than a u16.
const DIGITS: usize = 5;
const MIDDLE: &[u8] = b"-of-";
const ENDING: &[u8] = b".gguf";

impl SplitName {
    /// Reads a path; nothing where it is no name of a set's file. A set of one is a whole file.
    pub fn of(path: &[u8]) -> Option<Self> {
        let rest = path.strip_suffix(ENDING)?;
        let (rest, count) = number_behind(rest)?;
        let (rest, number) = number_behind(rest.strip_suffix(MIDDLE)?)?;
        let prefix = rest.strip_suffix(b"-")?;
        let named = prefix.last().is_some_and(|&byte| byte != b'/');
        let exists = count > 1 && (1..=count).contains(&number) && u16::try_from(count).is_ok();
        (named && exists).then(|| Self {
            prefix: prefix.to_vec(),
            place: number - 1,
            count,
        })
    }

    /// Which of the set's files it is, from 0.
    pub fn place(&self) -> usize {
        self.place
    }

    /// How many files the set has.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The path of the set's file at that place, from 0.
    pub fn part(&self, place: usize) -> Vec<u8> {
        let mut path = self.prefix.clone();
        path.extend(format!("-{:05}-of-{:05}.gguf", place + 1, self.count).into_bytes());
        path
    }
}

fn number_behind(text: &[u8]) -> Option<(&[u8], usize)> {
    let (rest, digits) = text.split_at_checked(text.len().checked_sub(DIGITS)?)?;
    let value = digits.iter().try_fold(0, |value: usize, &digit| {
        digit
            .is_ascii_digit()
            .then(|| value * 10 + usize::from(digit - b'0'))
    })?;
    Some((rest, value))
}

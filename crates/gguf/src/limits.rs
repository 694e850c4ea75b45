//! Limits and policy: what a caller may turn, with defaults that hold for every known model.

/// Bytes from the file's start to the end of the tensor table. The largest known vocabularies
/// (half a million strings) make headers of about 12 MB; a vocabulary of a million tokens about
/// 25 MB. With the index below, a refusal stays under 50 MB whatever the file holds.
pub(crate) const HEADER_BYTES_MAX: u64 = 32 << 20;
/// Metadata pairs. Known models have fewer than 100.
pub(crate) const METADATA_PAIRS_MAX: u64 = 10_000;
/// Tensors. Known models, shards of mixtures of experts included, have fewer than 10,000.
pub(crate) const TENSORS_MAX: u64 = 100_000;
/// Elements of one array. The largest known are merge lists of about half a million.
pub(crate) const ARRAY_ELEMENTS_MAX: u64 = 4 << 20;
/// Bytes of one string, in an array or alone.
pub(crate) const STRING_BYTES_MAX: u64 = 1 << 20;
/// Bytes of a chat template, the one kind of string that is a program.
pub(crate) const CHAT_TEMPLATE_BYTES_MAX: u64 = 16 << 20;
/// Bytes of a key. The format says 65,535; a key over that is a finding, one twice as long a refusal.
pub(crate) const KEY_BYTES_MAX: u64 = 128 << 10;
/// Alignment in bytes. Known files use 32; a huge page is the most that any reader could want.
pub(crate) const ALIGNMENT_MAX: u64 = 1 << 20;
/// Bytes that the parser may build on top of the header's own: offsets and hash tables.
/// Room for about 260,000 keys and tensors together.
pub(crate) const INDEX_BYTES_MAX: u64 = 12 << 20;

/// How much of everything a file may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes from the file's start to the end of the tensor table.
    pub header_bytes_max: u64,
    /// Metadata pairs.
    pub metadata_pairs_max: u64,
    /// Tensors.
    pub tensors_max: u64,
    /// Elements of one array.
    pub array_elements_max: u64,
    /// Bytes of one string.
    pub string_bytes_max: u64,
    /// Bytes of a chat template.
    pub chat_template_bytes_max: u64,
    /// Bytes of a key.
    pub key_bytes_max: u64,
    /// `general.alignment` in bytes.
    pub alignment_max: u64,
    /// Bytes of offsets and hash tables that the parser may build.
    pub index_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes_max: HEADER_BYTES_MAX,
            metadata_pairs_max: METADATA_PAIRS_MAX,
            tensors_max: TENSORS_MAX,
            array_elements_max: ARRAY_ELEMENTS_MAX,
            string_bytes_max: STRING_BYTES_MAX,
            chat_template_bytes_max: CHAT_TEMPLATE_BYTES_MAX,
            key_bytes_max: KEY_BYTES_MAX,
            alignment_max: ALIGNMENT_MAX,
            index_bytes_max: INDEX_BYTES_MAX,
        }
    }
}

/// What is refused beyond the structural rules, which always are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How much of everything a file may have.
    pub limits: Limits,
    /// Refuse what is known to abort or corrupt the engines that load it.
    pub engine_safety: bool,
    /// Refuse what breaks the format's text although engines live with it.
    pub strict: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            engine_safety: true,
            strict: false,
        }
    }
}

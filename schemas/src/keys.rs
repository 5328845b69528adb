//! The record keys of `fandom.rows`, and the partition of a file.

/// The key of a row: `file/version/ordinal`. A file's id may itself contain slashes.
pub fn row_key(file: &str, version: u64, ordinal: u64) -> String {
    format!("{file}/{version}/{ordinal}")
}

/// File, version and ordinal of a row's key; `None` when it is not one.
pub fn parse_row_key(key: &str) -> Option<(&str, u64, u64)> {
    let mut parts = key.rsplitn(3, '/');
    let ordinal = parts.next()?.parse().ok()?;
    let version = parts.next()?.parse().ok()?;
    Some((parts.next()?, version, ordinal))
}

/// The partition of a new file: Kafka's own murmur2 over its id, so that any Kafka client finds it too. A file keeps
/// the partition that it was given first, even when partitions are added later.
pub fn partition(file: &str, partitions: u32) -> u32 {
    (murmur2(file.as_bytes()) & 0x7fff_ffff) % partitions
}

/// MurmurHash2, 32 bits, with the seed of Kafka's default partitioner.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (place, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * place);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_key_survives_slashes_in_the_file() {
        let key = row_key("inbox:later/a 1/b.xlsx", 7, 12);
        assert_eq!(parse_row_key(&key), Some(("inbox:later/a 1/b.xlsx", 7, 12)));
        assert_eq!(parse_row_key("a/b.xlsx"), None);
    }

    /// The values that Kafka's own client computes (its UtilsTest).
    #[test]
    fn murmur2_is_that_of_kafka() {
        for (text, hash) in
            [("21", -973_932_308i32), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536)]
        {
            assert_eq!(murmur2(text.as_bytes()).cast_signed(), hash, "{text}");
        }
    }
}

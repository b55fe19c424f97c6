//! How the store's records are written as bytes: sealed, compact, and read
//! back without trust.
//!
//! A sealed record is `version, kind, body, crc32`. The checksum covers the key
//! that the record stands under as well, so a record that ends up under another
//! service's key is as bad as one with a flipped bit.
//!
//! Within a body every text is written once: the cluster names, metadata keys
//! and values that the instances of a service have in common cost one byte each
//! after the first, and share one allocation when they are read back.

use std::collections::HashMap;
use std::sync::Arc;

use thiserror::Error;

/// The version that every record written today bears.
const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;

/// Why the bytes under a key are not the record that should stand there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum RecordError {
    /// The bytes are not the ones that were written.
    #[error("its checksum does not match")]
    Checksum,
    /// A newer Syncline wrote it.
    #[error("it has record version {0}, which is not known here")]
    Version(u8),
    /// It is a record of another table.
    #[error("it is a record of another kind")]
    Kind,
    /// The checksum matches, but the content makes no sense.
    #[error("its {0} cannot be read")]
    Malformed(&'static str),
}

/// Writes one record.
pub(super) struct Encoder<'a> {
    out: Vec<u8>,
    words: HashMap<&'a str, u64>,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(kind: u8) -> Self {
        Self {
            out: vec![VERSION, kind],
            words: HashMap::new(),
        }
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Seven bits to a byte, the lowest first; the top bit says that more follow.
    pub(super) fn number(&mut self, mut number: u64) {
        while number > 0x7f {
            self.out.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.out.push((number & 0x7f) as u8);
    }

    /// A text in full the first time (0, length, bytes), its number afterwards.
    pub(super) fn word(&mut self, word: &'a str) {
        if let Some(number) = self.words.get(word) {
            let number = *number;
            self.number(number);
            return;
        }
        self.words.insert(word, self.words.len() as u64 + 1);
        self.byte(0);
        self.number(word.len() as u64);
        self.bytes(word.as_bytes());
    }

    /// Ends the record with the checksum of it and of its key.
    pub(super) fn seal(mut self, key: &[u8]) -> Vec<u8> {
        let checksum = checksum(key, &self.out);
        self.bytes(&checksum.to_le_bytes());
        self.out
    }
}

/// Reads one record. What it allocates is bounded by the length of its input.
pub(super) struct Decoder<'a> {
    rest: &'a [u8],
    words: Vec<Arc<str>>,
}

impl<'a> Decoder<'a> {
    /// Checks version, kind and checksum.
    pub(super) fn open(key: &[u8], kind: u8, record: &'a [u8]) -> Result<Self, RecordError> {
        let body = record
            .len()
            .checked_sub(CHECKSUM_BYTES)
            .ok_or(RecordError::Checksum)?;
        let (body, stored) = record.split_at(body);
        if checksum(key, body).to_le_bytes() != stored {
            return Err(RecordError::Checksum);
        }
        match body {
            [VERSION, found, rest @ ..] if *found == kind => Ok(Self::unsealed(rest)),
            [VERSION, ..] => Err(RecordError::Kind),
            [version, ..] => Err(RecordError::Version(*version)),
            [] => Err(RecordError::Malformed("version")),
        }
    }

    /// Reads a body whose seal has been checked.
    pub(super) fn unsealed(body: &'a [u8]) -> Self {
        Self {
            rest: body,
            words: Vec::new(),
        }
    }

    pub(super) fn byte(&mut self, what: &'static str) -> Result<u8, RecordError> {
        let (byte, rest) = self
            .rest
            .split_first()
            .ok_or(RecordError::Malformed(what))?;
        self.rest = rest;
        Ok(*byte)
    }

    pub(super) fn bytes(&mut self, len: u64, what: &'static str) -> Result<&'a [u8], RecordError> {
        let (bytes, rest) = usize::try_from(len)
            .ok()
            .and_then(|len| self.rest.split_at_checked(len))
            .ok_or(RecordError::Malformed(what))?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(super) fn array<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<[u8; N], RecordError> {
        let (bytes, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(RecordError::Malformed(what))?;
        self.rest = rest;
        Ok(*bytes)
    }

    pub(super) fn number(&mut self, what: &'static str) -> Result<u64, RecordError> {
        let mut number = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte(what)?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(RecordError::Malformed(what))
    }

    /// How many things follow, each of which takes at least `least` bytes: a
    /// count that the rest of the record cannot hold is refused before anything
    /// is allocated for it.
    pub(super) fn count(&mut self, least: usize, what: &'static str) -> Result<usize, RecordError> {
        let count = usize::try_from(self.number(what)?).unwrap_or(usize::MAX);
        if count > self.rest.len() / least {
            return Err(RecordError::Malformed(what));
        }
        Ok(count)
    }

    pub(super) fn word(&mut self, what: &'static str) -> Result<Arc<str>, RecordError> {
        let number = self.number(what)?;
        let Some(known) = number.checked_sub(1) else {
            let len = self.number(what)?;
            let word = std::str::from_utf8(self.bytes(len, what)?)
                .map_err(|_| RecordError::Malformed(what))?;
            let word: Arc<str> = word.into();
            self.words.push(word.clone());
            return Ok(word);
        };
        usize::try_from(known)
            .ok()
            .and_then(|known| self.words.get(known).cloned())
            .ok_or(RecordError::Malformed(what))
    }

    /// Everything that has not been read yet.
    pub(super) fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Refuses a record that goes on after its end.
    pub(super) fn end(self) -> Result<(), RecordError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(RecordError::Malformed("end"))
        }
    }
}

fn checksum(key: &[u8], record: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(record);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_number(bytes: &[u8]) -> Result<u64, RecordError> {
        Decoder::unsealed(bytes).number("number")
    }

    #[test]
    fn numbers_of_every_size_come_back() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut encoder = Encoder::new(0);
            encoder.number(number);
            assert_eq!(read_number(&encoder.out[2..]), Ok(number));
        }
    }

    #[test]
    fn a_number_that_does_not_fit_is_refused() {
        let too_long = [0xff; 11];
        assert!(read_number(&too_long).is_err());
        let mut too_large = [0xff; 10];
        too_large[9] = 0x02;
        assert!(read_number(&too_large).is_err());
    }

    #[test]
    fn a_repeated_word_costs_one_byte_and_shares_its_text() {
        let mut encoder = Encoder::new(0);
        for word in ["version", "1.0", "version"] {
            encoder.word(word);
        }
        assert_eq!(encoder.out.len(), 2 + (2 + 7) + (2 + 3) + 1);
        let mut decoder = Decoder::unsealed(&encoder.out[2..]);
        let words: Vec<_> = (0..3)
            .map(|_| decoder.word("word").expect("was written"))
            .collect();
        assert_eq!(*words[2], *"version");
        assert!(Arc::ptr_eq(&words[0], &words[2]));
        assert_eq!(decoder.end(), Ok(()));
    }

    #[test]
    fn a_word_that_was_never_written_is_refused() {
        assert!(Decoder::unsealed(&[1]).word("word").is_err());
        assert!(Decoder::unsealed(&[0, 200, 1]).word("word").is_err());
        assert!(Decoder::unsealed(&[0, 1, 0xff]).word("word").is_err());
    }

    #[test]
    fn a_count_beyond_the_record_is_refused_before_it_is_believed() {
        let mut encoder = Encoder::new(0);
        encoder.number(u64::MAX);
        assert!(
            Decoder::unsealed(&encoder.out[2..])
                .count(1, "count")
                .is_err()
        );
    }
}

//! One copy of what repeats.
//!
//! Metadata of a large registry is a few hundred different texts, a hundred
//! thousand times. The interner remembers the texts it saw last, in a table of
//! fixed size: what repeats is found again, what does not is overwritten. So
//! it needs no cleaning, and no client can make it grow.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;

use parking_lot::Mutex;
use syncline_model::Metadata;

const TEXTS: usize = 1 << 14;
const METADATA: usize = 1 << 12;

/// Longer texts rarely repeat.
const LONGEST_TEXT: usize = 128;

pub(crate) struct Interner {
    hasher: RandomState,
    tables: Mutex<Tables>,
}

struct Tables {
    texts: Box<[Option<Arc<str>>]>,
    metadata: Box<[Option<Metadata>]>,
}

impl Interner {
    pub(crate) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            tables: Mutex::new(Tables {
                texts: vec![None; TEXTS].into(),
                metadata: vec![None; METADATA].into(),
            }),
        }
    }

    /// A shared copy of a text.
    pub(crate) fn text(&self, text: &str) -> Arc<str> {
        self.tables.lock().text(&self.hasher, text)
    }

    /// Shared metadata of shared texts.
    pub(crate) fn metadata<'a>(
        &self,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Metadata {
        let mut tables = self.tables.lock();
        let metadata = Metadata::from_pairs(pairs.into_iter().map(|(key, value)| {
            let key = tables.text(&self.hasher, key);
            (key, tables.text(&self.hasher, value))
        }));
        if metadata.is_empty() {
            return metadata;
        }
        let slot = &mut tables.metadata[slot(&self.hasher, &metadata, METADATA)];
        if let Some(known) = slot
            && *known == metadata
        {
            return known.clone();
        }
        *slot = Some(metadata.clone());
        metadata
    }
}

impl Tables {
    fn text(&mut self, hasher: &RandomState, text: &str) -> Arc<str> {
        if text.len() > LONGEST_TEXT {
            return Arc::from(text);
        }
        let slot = &mut self.texts[slot(hasher, text, TEXTS)];
        if let Some(known) = slot
            && **known == *text
        {
            return known.clone();
        }
        let shared: Arc<str> = Arc::from(text);
        *slot = Some(shared.clone());
        shared
    }
}

fn slot(hasher: &RandomState, value: &(impl Hash + ?Sized), slots: usize) -> usize {
    // Both tables have a power of two of slots, so the cast loses only bits
    // that the mask drops.
    hasher.hash_one(value) as usize & (slots - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_is_one_allocation() {
        let interner = Interner::new();
        assert!(Arc::ptr_eq(&interner.text("prod"), &interner.text("prod")));
        let one = interner.metadata([("env", "prod"), ("zone", "a")]);
        let two = interner.metadata([("zone", "a"), ("env", "prod")]);
        assert_eq!(one, two);
        assert!(std::ptr::eq(one.pairs(), two.pairs()));
    }

    #[test]
    fn a_flood_of_unique_texts_changes_no_meaning() {
        let interner = Interner::new();
        for number in 0..3 * TEXTS {
            let text = number.to_string();
            assert_eq!(*interner.text(&text), *text);
        }
    }
}

//! Texts that repeat, held once.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

/// How many texts are remembered. A registry has a few hundred metadata keys,
/// versions, zones and clusters; whatever else it has is not worth sharing.
const MOST: usize = 8_192;

/// A longer text is hardly ever the same twice.
const LONGEST: usize = 64;

/// Shares equal texts, so that a hundred thousand instances with the same
/// metadata keys, versions and clusters hold each of them once.
///
/// It forgets everything when it is full: texts that are in use stay where they
/// are, and those that repeat are soon shared again.
#[derive(Debug, Default)]
pub(crate) struct Texts(Mutex<HashSet<Arc<str>>>);

impl Texts {
    /// The text, shared with all that had the same before where that pays.
    pub(crate) fn share(&self, text: &str) -> Arc<str> {
        if text.len() > LONGEST {
            return Arc::from(text);
        }
        let mut known = self.0.lock();
        if let Some(known) = known.get(text) {
            return Arc::clone(known);
        }
        if known.len() == MOST {
            known.clear();
        }
        let text: Arc<str> = Arc::from(text);
        known.insert(Arc::clone(&text));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_one_and_the_number_is_bounded() {
        let texts = Texts::default();
        let first = texts.share("zone");
        assert!(Arc::ptr_eq(&first, &texts.share("zone")));
        let long = "x".repeat(LONGEST + 1);
        assert!(!Arc::ptr_eq(&texts.share(&long), &texts.share(&long)));
        for n in 0..3 * MOST {
            texts.share(&n.to_string());
        }
        assert!(texts.0.lock().len() <= MOST);
    }
}

//! How many calls may be on their way.

use crate::grpc::ErrorClass;

/// Fewer calls when the server cannot keep up, more again when it can.
#[derive(Debug)]
pub(super) struct Window {
    size: usize,
    most: usize,
    /// Answers since the size changed.
    answers: usize,
}

impl Window {
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1);
        Self {
            size: most,
            most,
            answers: 0,
        }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Notes how a call ended.
    pub(super) fn note(&mut self, failure: Option<ErrorClass>) {
        self.answers += 1;
        let (size, changes) = match failure {
            Some(ErrorClass::Timeout | ErrorClass::Overloaded) => ((self.size / 2).max(1), true),
            None => (self.size + 1, self.size < self.most),
            Some(_) => (self.size, false),
        };
        // A window's worth of answers tells whether the last change helped.
        if changes && (self.answers >= self.size || self.size == self.most) {
            self.size = size;
            self.answers = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shrinks_under_load_and_recovers() {
        let mut window = Window::new(32);
        window.note(Some(ErrorClass::Overloaded));
        assert_eq!(window.size(), 16);
        for _ in 0..15 {
            window.note(Some(ErrorClass::Overloaded));
        }
        assert_eq!(window.size(), 16, "those were sent before");
        window.note(Some(ErrorClass::Timeout));
        assert_eq!(window.size(), 8);
        for _ in 0..10_000 {
            window.note(None);
        }
        assert_eq!(window.size(), 32);
        window.note(Some(ErrorClass::InvalidParam));
        assert_eq!(window.size(), 32);
    }

    #[test]
    fn it_never_closes() {
        let mut window = Window::new(0);
        for _ in 0..10 {
            window.note(Some(ErrorClass::Timeout));
        }
        assert_eq!(window.size(), 1);
    }
}

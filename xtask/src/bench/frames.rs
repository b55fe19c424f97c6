//! Counting gRPC calls in what a client sends: each begins with one HEADERS frame of HTTP/2.

/// What every client sends first.
const PREFACE: usize = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();

/// Length (3 bytes), type, flags, stream (4 bytes).
const HEAD: usize = 9;

const HEADERS: u8 = 1;

/// Follows the frames of one connection, in pieces of any size.
#[derive(Debug)]
pub(crate) struct Frames {
    /// Bytes of the preface or of a frame's content that are still to come.
    skip: usize,
    head: [u8; HEAD],
    /// How much of the head is there.
    filled: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            skip: PREFACE,
            head: [0; HEAD],
            filled: 0,
        }
    }
}

impl Frames {
    /// Takes the next piece; how many calls begin in it.
    pub(crate) fn calls(&mut self, mut piece: &[u8]) -> u64 {
        let mut calls = 0;
        while !piece.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(piece.len());
                self.skip -= skipped;
                piece = &piece[skipped..];
                continue;
            }
            self.head[self.filled] = piece[0];
            self.filled += 1;
            piece = &piece[1..];
            if self.filled == HEAD {
                self.filled = 0;
                let [a, b, c, kind, ..] = self.head;
                self.skip = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                calls += u64::from(kind == HEADERS);
            }
        }
        calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, length: usize) -> Vec<u8> {
        let length_bytes = (length as u32).to_be_bytes();
        let mut frame = length_bytes[1..].to_vec();
        frame.extend([kind, 0, 0, 0, 0, 1]);
        frame.resize(HEAD + length, HEADERS);
        frame
    }

    #[test]
    fn counts_header_frames_in_pieces_of_any_size() {
        let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        for (kind, length) in [(4, 12), (HEADERS, 70), (0, 70_000), (HEADERS, 0), (6, 8)] {
            sent.extend(frame(kind, length));
        }
        for size in [1, 7, 1000, sent.len()] {
            let mut frames = Frames::default();
            let calls: u64 = sent.chunks(size).map(|piece| frames.calls(piece)).sum();
            assert_eq!(calls, 2, "pieces of {size}");
        }
    }
}

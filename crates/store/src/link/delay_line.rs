//! One direction of one connection: chunks in order, each with the instant from which it may go on.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Write};

/// Bytes under way in one direction; beyond, the sender is no longer read and feels it. At 2 ms of delay
/// this lets 2 GB/s through.
const BYTES_UNDER_WAY: usize = 4 << 20;

/// Chunks passed on by one system call.
const GATHERED: usize = 16;

struct Chunk {
    due_ns: u64,
    /// Empty: the sender will send no more.
    bytes: Box<[u8]>,
}

#[derive(Default)]
pub(super) struct DelayLine {
    chunks: VecDeque<Chunk>,
    /// Bytes of the first chunk that are passed on already.
    passed: usize,
    under_way: usize,
    ended: bool,
    end_passed: bool,
}

/// Why passing on stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passed {
    /// What was due is passed on.
    Due,
    /// The receiver takes no more for now.
    Blocked,
    /// The end was reached: the receiver is to be told.
    End,
}

impl DelayLine {
    pub(super) fn push(&mut self, bytes: &[u8], due_ns: u64) {
        self.under_way += bytes.len();
        self.ended |= bytes.is_empty();
        self.chunks.push_back(Chunk { due_ns, bytes: bytes.into() });
    }

    /// Whether more may be read from the sender.
    pub(super) fn accepts(&self) -> bool {
        !self.ended && self.under_way < BYTES_UNDER_WAY
    }

    /// Is nothing under way?
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub(super) fn is_finished(&self) -> bool {
        self.end_passed
    }

    /// Writes what is due to `receiver`.
    pub(super) fn pass_on(&mut self, receiver: &mut impl Write, now_ns: u64) -> io::Result<Passed> {
        loop {
            match self.chunks.front() {
                Some(chunk) if chunk.due_ns <= now_ns => {}
                _ => return Ok(Passed::Due),
            }
            let slices = self.due_slices(now_ns);
            if slices.is_empty() {
                self.end_passed = true;
                self.chunks.clear();
                return Ok(Passed::End);
            }
            match receiver.write_vectored(&slices) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => self.take(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Passed::Blocked),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The due bytes at the front, none when the end is the first thing due.
    fn due_slices(&self, now_ns: u64) -> Vec<IoSlice<'_>> {
        let due = self.chunks.iter().take_while(|chunk| chunk.due_ns <= now_ns && !chunk.bytes.is_empty());
        let from = |position| if position == 0 { self.passed } else { 0 };
        due.take(GATHERED)
            .enumerate()
            .map(|(position, chunk)| IoSlice::new(&chunk.bytes[from(position)..]))
            .collect()
    }

    fn take(&mut self, written: usize) {
        self.under_way -= written;
        self.passed += written;
        while let Some(first) = self.chunks.front() {
            if first.bytes.is_empty() || self.passed < first.bytes.len() {
                break;
            }
            self.passed -= first.bytes.len();
            self.chunks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A receiver that takes at most so many bytes per call, then blocks once.
    struct Reluctant {
        got: Vec<u8>,
        step: usize,
        blocks: bool,
    }

    impl Write for Reluctant {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.blocks = !self.blocks;
            if self.blocks {
                return Err(ErrorKind::WouldBlock.into());
            }
            let taken = bytes.len().min(self.step);
            self.got.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn order_and_instants_are_kept(
            chunks in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..40), 0u64..5), 0..40),
            step in 1usize..50,
        ) {
            let mut line = DelayLine::default();
            let (mut due, mut sent, mut ends) = (0, Vec::new(), Vec::new());
            for (bytes, gap) in &chunks {
                due += gap;
                line.push(bytes, due);
                sent.extend_from_slice(bytes);
                ends.push((due, sent.len()));
            }
            line.push(&[], due + 1);
            let mut receiver = Reluctant { got: Vec::new(), step, blocks: false };
            for now in 0..=due + 1 {
                while line.pass_on(&mut receiver, now).unwrap() == Passed::Blocked {}
                let allowed = ends.iter().rev().find(|(due, _)| *due <= now).map_or(0, |(_, end)| *end);
                prop_assert_eq!(receiver.got.len(), allowed);
                prop_assert_eq!(line.is_finished(), now > due);
            }
            prop_assert_eq!(receiver.got, sent);
            prop_assert_eq!(line.under_way, 0);
        }
    }

    #[test]
    fn reading_stops_when_too_much_is_under_way() {
        let mut line = DelayLine::default();
        line.push(&vec![0; BYTES_UNDER_WAY], 1);
        assert!(!line.accepts());
        assert_eq!(line.pass_on(&mut io::sink(), 1).unwrap(), Passed::Due);
        assert!(line.accepts());
        line.push(&[], 2);
        assert!(!line.accepts());
    }
}

//! For tests: buffers that start as NaN and end in a canary value, so that unwritten rows and writes past the end show.

use std::sync::Mutex;

/// A NaN that no kernel produces.
const POISON: u32 = 0x7fc0_dead;

/// Bytes past the requested end.
const TAIL: u64 = 256;

/// A watched buffer.
#[derive(Clone)]
pub(crate) struct Watched {
    pub label: &'static str,
    pub buffer: wgpu::Buffer,
    /// The requested bytes.
    bytes: u64,
}

impl Watched {
    /// Words in the buffer, including its tail.
    pub(crate) fn words(&self) -> usize {
        (self.buffer.size() / 4) as usize
    }

    /// Whether the tail was overwritten, given all words of the buffer.
    pub(crate) fn is_overwritten(&self, words: &[u32]) -> bool {
        words[self.bytes.div_ceil(4) as usize..].iter().any(|word| *word != POISON)
    }
}

/// The watched buffers of a device.
#[derive(Default)]
pub(crate) struct Canaries {
    watched: Mutex<Vec<Watched>>,
}

impl Canaries {
    /// The bytes to allocate for `bytes` requested.
    pub(crate) fn size(bytes: u64) -> u64 {
        bytes.next_multiple_of(16) + TAIL
    }

    /// Watches a new buffer of [`Canaries::size`]. Returns the words to fill it with.
    pub(crate) fn watch(&self, label: &'static str, buffer: &wgpu::Buffer, bytes: u64) -> Vec<u32> {
        let watched = Watched { label, buffer: buffer.clone(), bytes };
        let poison = vec![POISON; watched.words()];
        self.watched.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(watched);
        poison
    }

    /// All watched buffers.
    pub(crate) fn watched(&self) -> Vec<Watched> {
        self.watched.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

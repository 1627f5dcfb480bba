//! For tests: buffers that start as NaN and end in a canary, so that rows nobody wrote and writes past the end both show.

use std::sync::Mutex;

/// A NaN that no kernel makes.
const POISON: u32 = 0x7fc0_dead;

/// Bytes past the end of what was asked for.
const TAIL: u64 = 256;

/// A buffer that is watched.
#[derive(Clone)]
pub(crate) struct Watched {
    pub label: &'static str,
    pub buffer: wgpu::Buffer,
    /// Bytes that were asked for.
    bytes: u64,
}

impl Watched {
    /// Words in the buffer, its tail included.
    pub(crate) fn words(&self) -> usize {
        (self.buffer.size() / 4) as usize
    }

    /// Whether something was written past the end, given all words of the buffer.
    pub(crate) fn is_overwritten(&self, words: &[u32]) -> bool {
        words[self.bytes.div_ceil(4) as usize..].iter().any(|word| *word != POISON)
    }
}

/// The buffers that are watched.
#[derive(Default)]
pub(crate) struct Canaries {
    watched: Mutex<Vec<Watched>>,
}

impl Canaries {
    /// What to allocate for `bytes`.
    pub(crate) fn size(bytes: u64) -> u64 {
        bytes.next_multiple_of(16) + TAIL
    }

    /// Watches a new buffer of [`Canaries::size`]; what it must be filled with.
    pub(crate) fn watch(&self, label: &'static str, buffer: &wgpu::Buffer, bytes: u64) -> Vec<u32> {
        let watched = Watched { label, buffer: buffer.clone(), bytes };
        let poison = vec![POISON; watched.words()];
        self.watched.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(watched);
        poison
    }

    /// All of them.
    pub(crate) fn watched(&self) -> Vec<Watched> {
        self.watched.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

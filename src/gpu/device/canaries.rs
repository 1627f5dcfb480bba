//! For tests: buffers that start as NaN and end in a canary, so that rows nobody wrote and writes past the end both show.

use std::sync::Mutex;

use super::context::Context;
use crate::error::Result;

/// A NaN that no kernel makes.
const POISON: u32 = 0x7fc0_dead;

/// Bytes past the end of what was asked for.
const TAIL: u64 = 256;

/// The buffers that are watched: what they are called, and the bytes that were asked for.
#[derive(Default)]
pub struct Canaries {
    watched: Mutex<Vec<(&'static str, wgpu::Buffer, u64)>>,
}

impl Canaries {
    /// What to allocate for `bytes`.
    pub fn size(bytes: u64) -> u64 {
        bytes.next_multiple_of(16) + TAIL
    }

    /// Poisons a new buffer of [`Canaries::size`] and watches it.
    pub fn watch(&self, context: &Context, label: &'static str, buffer: &wgpu::Buffer, bytes: u64) {
        context.write(buffer, &vec![POISON; (buffer.size() / 4) as usize]);
        self.watched.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((label, buffer.clone(), bytes));
    }

    /// The names of buffers in which something was written past the end.
    ///
    /// # Errors
    /// The device's.
    pub fn overwritten(&self, context: &Context) -> Result<Vec<&'static str>> {
        let watched = self.watched.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut found = Vec::new();
        for (label, buffer, bytes) in watched.iter() {
            let words: Vec<u32> = context.download(buffer, (buffer.size() / 4) as usize)?;
            if words[bytes.div_ceil(4) as usize..].iter().any(|word| *word != POISON) {
                found.push(*label);
            }
        }
        Ok(found)
    }
}

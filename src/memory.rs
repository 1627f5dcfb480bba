//! Allocating large arrays, and what happens if the system refuses memory.

use std::cell::Cell;

use crate::error::{Error, Result};

thread_local! {
    /// Whether this thread can go on if the system refuses memory.
    static TRYING: Cell<bool> = const { Cell::new(false) };
}

/// An empty vector with room for `count` elements; `name` says what they are.
///
/// # Errors
/// [`Error::BadInput`] with the sizes if the system refuses the memory.
pub(crate) fn room_for<T>(count: usize, name: &str) -> Result<Vec<T>> {
    let mut values = Vec::new();
    let before = TRYING.replace(true);
    let reserved = values.try_reserve_exact(count);
    TRYING.set(before);
    match reserved {
        Ok(()) => Ok(values),
        Err(_) => {
            let bytes = size_of::<T>() as u128 * count as u128;
            Err(Error::bad_input(
                format!("{name} do not fit in memory: {count} numbers need {bytes} bytes, more than this machine gives"),
                "Use fewer at a time, or raise the limit on memory (ulimit -v, or the batch system's)",
            ))
        }
    }
}

/// The program's allocator: the system's, except that a refusal ends the program with a sentence and exit code 6 (out of memory). Files on
/// disk, such as checkpoints, stay. Code that can go on without the memory must use `room_for`; a fallible allocation inside another
/// crate ends the program too. Users of the library keep their own allocator.
#[cfg(all(feature = "cli", unix))]
pub struct ProgramAllocator;

/// Exit code: the device is lost or out of memory.
#[cfg(all(feature = "cli", unix))]
const OUT_OF_MEMORY: i32 = 6;

#[cfg(all(feature = "cli", unix))]
mod refusal {
    use std::alloc::{GlobalAlloc, Layout, System};

    use super::{OUT_OF_MEMORY, ProgramAllocator, TRYING};

    // SAFETY: all work is left to the system's allocator, with the same arguments.
    unsafe impl GlobalAlloc for ProgramAllocator {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            or_end(unsafe { System.alloc(layout) }, layout.size())
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            or_end(unsafe { System.alloc_zeroed(layout) }, layout.size())
        }

        unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            or_end(unsafe { System.realloc(pointer, layout, size) }, size)
        }

        unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
            unsafe { System.dealloc(pointer, layout) }
        }
    }

    /// The pointer, unless it is null: then the program ends.
    fn or_end(pointer: *mut u8, size: usize) -> *mut u8 {
        if pointer.is_null() && !TRYING.try_with(std::cell::Cell::get).unwrap_or(false) {
            end(size);
        }
        pointer
    }

    /// Writes the message without allocating.
    #[cold]
    fn end(size: usize) -> ! {
        let mut digits = [0; 20];
        let parts: [&[u8]; 3] = [
            b"mixscore: this does not fit in memory: the system refused ",
            decimal(size, &mut digits),
            b" bytes more. Use fewer points, samples or components, --threads 1, or raise the limit on memory (ulimit -v, or the batch \
              system's); what was written so far is kept.\n",
        ];
        for part in parts {
            // SAFETY: the bytes are there for the call.
            unsafe { libc::write(2, part.as_ptr().cast(), part.len()) };
        }
        // SAFETY: it does not return, and runs nothing that could ask for memory.
        unsafe { libc::_exit(OUT_OF_MEMORY) }
    }

    /// The decimal digits of a number, at the end of `room`.
    fn decimal(mut number: usize, room: &mut [u8; 20]) -> &[u8] {
        let mut at = room.len();
        loop {
            at -= 1;
            room[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return &room[at..];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_machine_has_is_refused_with_the_figures() {
        assert_eq!(room_for::<f64>(3, "points").unwrap().capacity(), 3);
        for count in [usize::MAX, usize::MAX / 8, 1 << 52] {
            let error = room_for::<f64>(count, "points").unwrap_err().to_string();
            assert!(error.contains(&format!("{count} numbers need {} bytes", 8 * count as u128)), "{error}");
        }
    }
}

//! Watches what reading a file costs: time, and the most memory that the calling thread held.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Debug;
use std::path::Path;
use std::time::{Duration, Instant};

use mixscore::Result;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

struct Watched;

fn hold(bytes: isize) {
    // A thread that ends frees memory when its counters are gone already.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        let _ = MOST.try_with(|most| most.set(most.get().max(held.get())));
    });
}

// SAFETY: all work is left to the system's allocator, with the same arguments.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        hold(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        hold(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static WATCHED: Watched = Watched;

/// Runs `work`; gives its result, the time, and the bytes it held at most.
pub(crate) fn watched<T>(work: impl FnOnce() -> T) -> (T, Duration, usize) {
    let before = HELD.get();
    MOST.set(before);
    let start = Instant::now();
    let result = work();
    (result, start.elapsed(), (MOST.get() - before) as usize)
}

/// Asserts that reading is refused as the promise says (exit 4, below a second and 64 MiB, with path and way out), for the reason given.
pub(crate) fn assert_refused<T: Debug>(path: &Path, reason: &str, read: impl FnOnce(&Path) -> Result<T>) {
    let (result, time, most) = watched(|| read(path));
    let error = result.expect_err(&format!("{reason}: was read"));
    let text = error.to_string();
    assert!(matches!(error, mixscore::Error::BadFile { .. }), "{text}");
    assert!(text.contains(reason), "expected `{reason}` in: {text}");
    assert!(text.starts_with(&path.display().to_string()) && text.ends_with('.'), "no path or no way out: {text}");
    assert!(text.len() < 700 && !text.contains(['\n', '\x1b']), "unfit for a terminal: {text:?}");
    assert!(time < Duration::from_secs(1), "{reason}: took {time:?}");
    assert!(most < 64 << 20, "{reason}: held {most} bytes");
}

#[test]
fn the_watch_sees_memory() {
    let ((), _, most) = watched(|| drop(std::hint::black_box(vec![0u8; 5 << 20])));
    assert!((5 << 20..6 << 20).contains(&most), "{most}");
}

#[test]
#[should_panic(expected = "was read")]
fn the_watch_notices_a_file_that_is_read() {
    assert_refused(Path::new("a"), "planted", |_| Ok(()));
}

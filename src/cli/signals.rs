//! Signals that ask a long command to stop: it finishes the current steps and writes everything.

use std::sync::atomic::AtomicBool;

/// Set by the first signal.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The flag that the first signal sets: Ctrl-C, or what batch systems send before a time limit (TERM, HUP, USR1, USR2, XCPU). One that was
/// ignored when the program began stays ignored, as under nohup. A second Ctrl-C ends the process at once; of the others any number is one,
/// as some are sent to a process and again to its group. While a stream is waited for, the first ends the process at once.
pub(super) fn interruption() -> &'static AtomicBool {
    system::listen();
    &INTERRUPTED
}

/// Does `read`; a signal that comes while it waits for a stream ends the process with the exit code of an interruption.
pub(super) fn while_reading<T>(read: impl FnOnce() -> T) -> T {
    system::while_reading(read)
}

#[cfg(unix)]
mod system {
    use std::sync::Once;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::INTERRUPTED;
    use crate::mixture::files::IS_READING;

    const SIGNALS: [libc::c_int; 6] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2, libc::SIGXCPU];

    /// A second Ctrl-C counts only this many milliseconds after the first; before that it is the same one, sent twice.
    const MOMENT: u64 = 300;

    /// The time of the first Ctrl-C, in milliseconds of the monotonic clock; 0 before.
    static FIRST: AtomicU64 = AtomicU64::new(0);

    pub(super) fn listen() {
        static LISTENING: Once = Once::new();
        LISTENING.call_once(|| {
            SIGNALS.into_iter().for_each(|signal| {
                let _ = catch(signal);
            })
        });
    }

    pub(super) fn while_reading<T>(read: impl FnOnce() -> T) -> T {
        let before: Vec<_> = SIGNALS.into_iter().filter_map(|signal| catch(signal).map(|before| (signal, before))).collect();
        let out = read();
        for (signal, before) in before {
            // SAFETY: what the system itself handed out before.
            let _ = unsafe { libc::sigaction(signal, &before, std::ptr::null_mut()) };
        }
        out
    }

    /// What was done about the signal before; `None` where it was ignored, and is.
    fn catch(signal: libc::c_int) -> Option<libc::sigaction> {
        // SAFETY: both structures are plain data for which zeros are valid, and the handler calls only what a signal handler may.
        unsafe {
            let mut before: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(signal, std::ptr::null(), &mut before) != 0 || before.sa_sigaction == libc::SIG_IGN {
                return None;
            }
            let mut action: libc::sigaction = std::mem::zeroed();
            let handler: extern "C" fn(libc::c_int) = on_signal;
            action.sa_sigaction = handler as libc::sighandler_t;
            action.sa_flags = libc::SA_RESTART;
            libc::sigaction(signal, &action, std::ptr::null_mut());
            Some(before)
        }
    }

    /// Uses atomics, the clock and `_exit` only, which never wait for the interrupted code.
    extern "C" fn on_signal(signal: libc::c_int) {
        INTERRUPTED.store(true, Ordering::SeqCst);
        if IS_READING.load(Ordering::SeqCst) {
            let said = b"mixscore: interrupted while it waited for its input; nothing was written.\n";
            // SAFETY: both are made for signal handlers.
            unsafe {
                libc::write(libc::STDERR_FILENO, said.as_ptr().cast(), said.len());
                libc::_exit(130)
            }
        }
        if signal != libc::SIGINT {
            return;
        }
        let now = milliseconds().max(1);
        if let Err(first) = FIRST.compare_exchange(0, now, Ordering::SeqCst, Ordering::SeqCst)
            && now.saturating_sub(first) >= MOMENT
        {
            // SAFETY: `_exit` is made for signal handlers.
            unsafe { libc::_exit(130) }
        }
    }

    fn milliseconds() -> u64 {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the clock writes into `time` alone, and signal handlers may call it.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
        time.tv_sec as u64 * 1000 + time.tv_nsec as u64 / 1_000_000
    }
}

#[cfg(not(unix))]
mod system {
    use std::sync::atomic::Ordering;

    use super::INTERRUPTED;
    use crate::mixture::files::IS_READING;

    /// Ctrl-C ends a process that nothing catches it for.
    pub fn while_reading<T>(read: impl FnOnce() -> T) -> T {
        read()
    }

    /// Ctrl-C, and a closed console.
    pub fn listen() {
        let installed = ctrlc::set_handler(|| {
            if INTERRUPTED.swap(true, Ordering::SeqCst) || IS_READING.load(Ordering::SeqCst) {
                std::process::exit(130);
            }
        });
        if let Err(error) = installed {
            crate::cli::complain(&format!("mixscore: Ctrl-C cannot be caught ({error}); checkpoints are kept nevertheless."));
        }
    }
}

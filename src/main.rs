//! The program: parse, run, exit code.

#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: mixscore::cli::ProgramAllocator = mixscore::cli::ProgramAllocator;

fn main() -> std::process::ExitCode {
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // Without a display session Mesa's device-selection layer complains on stderr; nothing here needs that layer.
        // SAFETY: the first statement of the program, when no other thread exists.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
    mixscore::cli::main()
}

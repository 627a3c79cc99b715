//! Ctrl-C and termination: the first asks to stop in order, the second ends at once.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::exit::ExitCode;

/// Has somebody asked to stop?
static ASKED: AtomicBool = AtomicBool::new(false);

/// Calls `stop` at the first interrupt. The returned flag is set by then. To be called once by a command.
///
/// # Errors
/// The system refuses to install a handler.
pub(crate) fn install(stop: impl Fn() + Send + 'static) -> anyhow::Result<&'static AtomicBool> {
    ctrlc::set_handler(move || {
        if ASKED.swap(true, Ordering::SeqCst) {
            // Whoever asks twice does not want to wait; what was finished is on disk already.
            std::process::exit(i32::from(ExitCode::Interrupted.number()));
        }
        stop();
    })?;
    Ok(&ASKED)
}

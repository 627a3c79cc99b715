//! Ctrl-C and termination: the first asks to stop in order, the second ends at once.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::exit::ExitCode;

/// Has somebody asked to stop?
static ASKED: AtomicBool = AtomicBool::new(false);

/// The one handler of the process, or why there is none.
static INSTALLED: OnceLock<Result<(), String>> = OnceLock::new();

/// Calls `stop` at the first interrupt. The returned flag is set by then. A command that measures twice asks twice: the first
/// `stop` counts.
///
/// # Errors
/// The system refuses to install a handler.
pub(crate) fn install(stop: impl Fn() + Send + 'static) -> anyhow::Result<&'static AtomicBool> {
    install_with(ExitCode::Interrupted, stop)
}

/// The same for a command that ends in no other way: an interrupt is its normal end, however often it comes.
///
/// # Errors
/// The system refuses to install a handler.
pub(crate) fn install_as_normal_end(stop: impl Fn() + Send + 'static) -> anyhow::Result<()> {
    install_with(ExitCode::Done, stop).map(|_| ())
}

fn install_with(at_once: ExitCode, stop: impl Fn() + Send + 'static) -> anyhow::Result<&'static AtomicBool> {
    let handler = move || {
        if ASKED.swap(true, Ordering::SeqCst) {
            // Whoever asks twice does not want to wait; what was finished is on disk already.
            std::process::exit(i32::from(at_once.number()));
        }
        stop();
    };
    let installed = INSTALLED.get_or_init(|| ctrlc::set_handler(handler).map_err(|error| error.to_string()));
    installed.clone().map_err(anyhow::Error::msg)?;
    Ok(&ASKED)
}

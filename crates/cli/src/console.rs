//! Where output goes: stdout is data, stderr is words.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;

use crate::render;

/// Has this process written to stdout? There is one stdout, so there is one flag.
static DATA_WRITTEN: AtomicBool = AtomicBool::new(false);

/// Has data been written, or been tried to? A failure after that is told on stderr only: stdout is one document.
pub(crate) fn has_written_data() -> bool {
    DATA_WRITTEN.load(Ordering::Relaxed)
}

/// `--color`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set or TERM is dumb.
    #[default]
    Auto,
    /// Also into pipes and files.
    Always,
    /// Never.
    Never,
}

/// `--progress`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressChoice {
    /// A bar on a terminal, plain lines elsewhere.
    #[default]
    Auto,
    /// A bar.
    Bar,
    /// A line every ten seconds and at each change of phase.
    Plain,
    /// Nothing.
    None,
}

/// The two streams and how to write to them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Console {
    /// Only errors on stderr.
    pub(crate) quiet: bool,
    /// How often `-v` was given.
    pub(crate) verbose: u8,
    /// `--json`: stdout is exactly one JSON document.
    pub(crate) json: bool,
    /// May stderr be coloured?
    pub(crate) color: bool,
    progress: ProgressChoice,
}

/// Data could not be written to stdout.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to stdout: {0}")]
pub(crate) struct StdoutError(#[from] io::Error);

impl StdoutError {
    /// Has the reader gone away? That is its right (`| head`), and no error.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

impl Console {
    pub(crate) fn new(
        quiet: bool,
        verbose: u8,
        json: bool,
        color: ColorChoice,
        progress: ProgressChoice,
    ) -> Console {
        let wanted = match color {
            ColorChoice::Auto => anstream::ColorChoice::Auto,
            ColorChoice::Always => anstream::ColorChoice::Always,
            ColorChoice::Never => anstream::ColorChoice::Never,
        };
        wanted.write_global();
        let color = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
        Console { quiet, verbose, json, color, progress }
    }

    /// How progress is shown, `Auto` resolved.
    pub(crate) fn progress(&self) -> ProgressChoice {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        match self.progress {
            _ if self.quiet => ProgressChoice::None,
            ProgressChoice::Auto if io::stderr().is_terminal() && !dumb => ProgressChoice::Bar,
            ProgressChoice::Auto => ProgressChoice::Plain,
            chosen => chosen,
        }
    }

    /// Writes data to stdout, all of it or an error.
    pub(crate) fn data(&self, text: &str) -> Result<(), StdoutError> {
        DATA_WRITTEN.store(true, Ordering::Relaxed);
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()?;
        Ok(())
    }

    /// Writes a value to stdout as one JSON document.
    pub(crate) fn json_data(&self, value: &impl serde::Serialize) -> anyhow::Result<()> {
        let mut text = serde_json::to_string_pretty(value)?;
        text.push('\n');
        Ok(self.data(&text)?)
    }

    /// Says something on stderr, unless told to be quiet. Nobody listening is no reason to stop.
    pub(crate) fn say(&self, text: &str) {
        if !self.quiet {
            let _ = writeln!(anstream::stderr().lock(), "{text}");
        }
    }

    /// Says what only `-v` asks for.
    pub(crate) fn detail(&self, text: &str) {
        if self.verbose > 0 {
            self.say(text);
        }
    }

    /// Says that something is doubtful.
    pub(crate) fn warn(&self, text: &str) {
        let prefix = if self.color { "\x1b[33mwarning\x1b[0m" } else { "warning" };
        self.say(&format!("{prefix}: {text}"));
    }

    /// Says why the command failed, also when quiet.
    pub(crate) fn error(&self, error: &anyhow::Error) {
        let text = render::error(error, self.color && io::stderr().is_terminal());
        let _ = writeln!(anstream::stderr().lock(), "{}", text.trim_end());
    }
}

//! Progress on stderr: a bar on a terminal, plain lines elsewhere.
//!
//! The view is a thread that reads what others count; whoever measures does the same work with and without it.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::console::{Console, ProgressChoice};

/// How often the bar is redrawn.
pub(crate) const TICK: Duration = Duration::from_millis(250);
/// Plain lines come every so many ticks, and at each change of phase.
const TICKS_PER_LINE: u32 = 40;

/// What there is to show at one instant.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Snapshot {
    /// What is being done, such as `[7/20] cached-lookup dense`; a new one is a change of phase.
    pub(crate) phase: String,
    /// How much of the whole is done, 0 to 1.
    pub(crate) done: f64,
    /// Further figures, such as `changes 46/80  errors 0`.
    pub(crate) detail: String,
    /// Seconds left, where known.
    pub(crate) eta_s: Option<f64>,
}

impl Snapshot {
    fn line(&self) -> String {
        let eta = self.eta_s.map(|eta| format!("  eta {eta:.0} s")).unwrap_or_default();
        let gap = if self.detail.is_empty() { "" } else { "  " };
        format!("revbench: {}  {:.0} %{gap}{}{eta}", self.phase, self.done * 100.0, self.detail)
    }
}

/// A running view; dropping it takes it off the screen.
pub(crate) struct View {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl View {
    /// Shows what `read` says until the view is dropped.
    pub(crate) fn start(console: &Console, read: impl Fn() -> Snapshot + Send + 'static) -> View {
        let (stop, stopped) = mpsc::channel::<()>();
        let waits = move || matches!(stopped.recv_timeout(TICK), Err(RecvTimeoutError::Timeout));
        let console = *console;
        let thread = match console.progress() {
            ProgressChoice::None => None,
            ProgressChoice::Plain => Some(std::thread::spawn(move || show_lines(&console, &read, waits))),
            ProgressChoice::Auto | ProgressChoice::Bar => {
                Some(std::thread::spawn(move || show_bar(&read, waits)))
            }
        };
        View { stop: Some(stop), thread }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A view that panicked has already said so; the run goes on.
            let _ = thread.join();
        }
    }
}

fn show_lines(console: &Console, read: &impl Fn() -> Snapshot, waits: impl Fn() -> bool) {
    let mut lines = Lines::default();
    loop {
        if let Some(line) = lines.next(&read()) {
            console.say(&line);
        }
        if !waits() {
            return;
        }
    }
}

/// Which ticks deserve a line.
#[derive(Default)]
struct Lines {
    phase: Option<String>,
    ticks: u32,
}

impl Lines {
    fn next(&mut self, now: &Snapshot) -> Option<String> {
        self.ticks += 1;
        let new_phase = self.phase.as_ref() != Some(&now.phase);
        if !new_phase && self.ticks < TICKS_PER_LINE {
            return None;
        }
        self.ticks = 0;
        self.phase = Some(now.phase.clone());
        Some(now.line())
    }
}

fn show_bar(read: &impl Fn() -> Snapshot, waits: impl Fn() -> bool) {
    const STEPS: u64 = 1_000;
    let bar = ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{prefix}  {wide_bar} {percent:>3} %\n  {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    loop {
        let now = read();
        bar.set_position((now.done.clamp(0.0, 1.0) * STEPS as f64) as u64);
        let eta = now.eta_s.map(|eta| format!("  ETA {eta:.0} s")).unwrap_or_default();
        bar.set_prefix(now.phase);
        bar.set_message(format!("{}{eta}", now.detail));
        if !waits() {
            bar.finish_and_clear();
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_at_a_new_phase_and_every_ten_seconds() {
        let at = |phase: &str| Snapshot { phase: phase.to_owned(), done: 0.5, ..Snapshot::default() };
        let mut lines = Lines::default();
        assert!(lines.next(&at("warm-up")).is_some());
        let quiet = (0..TICKS_PER_LINE - 1).filter(|_| lines.next(&at("warm-up")).is_some()).count();
        assert_eq!(quiet, 0);
        assert!(lines.next(&at("warm-up")).is_some());
        assert!(lines.next(&at("dense")).is_some());
    }

    #[test]
    fn a_line_names_phase_share_and_time_left() {
        let now = Snapshot {
            phase: "[7/20] cached-lookup".to_owned(),
            done: 0.58,
            detail: "1998 req/s".to_owned(),
            eta_s: Some(151.2),
        };
        assert_eq!(now.line(), "revbench: [7/20] cached-lookup  58 %  1998 req/s  eta 151 s");
    }
}

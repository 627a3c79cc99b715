//! When a server stops: a signal, its parent's end, or a word from the thread that started it.

use std::io::Read;

use nix::sys::stat::{SFlag, fstat};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// What a server waits for.
#[derive(Debug)]
pub struct Stop(Cause);

#[derive(Debug)]
enum Cause {
    Process,
    Word(watch::Receiver<()>),
}

/// Stops a server of this process when it is dropped.
#[derive(Debug)]
pub struct StopHandle(#[expect(dead_code, reason = "dropping it is what it is for")] watch::Sender<()>);

impl Stop {
    /// SIGTERM, SIGINT, or the end of standard input where that is a pipe: its other end is held by the
    /// parent, so that a server goes with it however it dies.
    pub fn with_process() -> Self {
        Stop(Cause::Process)
    }

    /// The end of the handle.
    pub fn by_word() -> (StopHandle, Self) {
        let (sender, receiver) = watch::channel(());
        (StopHandle(sender), Stop(Cause::Word(receiver)))
    }

    pub(crate) async fn wait(self) {
        match self.0 {
            Cause::Process => process_told().await,
            // Nothing is ever sent: the only change is the end.
            Cause::Word(mut receiver) => while receiver.changed().await.is_ok() {},
        }
    }
}

async fn process_told() {
    let (sender, mut parent_gone) = watch::channel(());
    // The thread lives as long as the pipe; dropping the sender is its message.
    let watcher = stdin_is_pipe().then(|| std::thread::spawn(move || drain_stdin(&sender)));
    tokio::select! {
        () = one_signal(SignalKind::terminate()) => {}
        () = one_signal(SignalKind::interrupt()) => {}
        _ = parent_gone.changed(), if watcher.is_some() => {}
    }
}

async fn one_signal(kind: SignalKind) {
    match signal(kind) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        // Without a handler the signal's default action ends the process, which serves as well.
        Err(_) => std::future::pending().await,
    }
}

fn stdin_is_pipe() -> bool {
    fstat(std::io::stdin()).is_ok_and(|stat| {
        let kind = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits());
        kind == SFlag::S_IFIFO || kind == SFlag::S_IFSOCK
    })
}

fn drain_stdin(_told_when_dropped: &watch::Sender<()>) {
    let mut buffer = [0; 256];
    while std::io::stdin().lock().read(&mut buffer).is_ok_and(|length| length > 0) {}
}

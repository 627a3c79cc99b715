//! Waits for the sockets until an instant: tokio's reactor, woken by a timer of the kernel's, because tokio's own timers
//! have whole milliseconds.

use std::future::poll_fn;
use std::io;
use std::task::{Poll, ready};

use rustix::event::Timespec;
use rustix::fd::OwnedFd;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::yield_now;

use super::tasks::Tasks;
use crate::clock::mono_ns;
use crate::error::DriverError;

/// The reactor and its alarm.
pub(super) struct Rest {
    alarm: AsyncFd<OwnedFd>,
    /// Last, because the alarm is registered with it.
    runtime: Runtime,
}

impl Rest {
    /// A reactor of this thread.
    pub(super) fn new() -> Result<Rest, DriverError> {
        let failed = |action| move |source: io::Error| DriverError::System { action, source };
        let runtime = Builder::new_current_thread().enable_io().build().map_err(failed("start a runtime"))?;
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)
            .map_err(DriverError::system("create a timer"))?;
        let alarm = {
            let _inside = runtime.enter();
            #[expect(
                unsafe_code,
                reason = "tokio's safe way in is deprecated, for descriptors that are not owned"
            )]
            // SAFETY: an owned descriptor stays what it is for as long as the value has it.
            let registered = unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE) };
            registered.map_err(|error| failed("watch a timer")(error.into()))?
        };
        Ok(Rest { alarm, runtime })
    }

    /// What sockets are registered with.
    pub(super) fn handle(&self) -> Handle {
        self.runtime.handle().clone()
    }

    /// Sleeps until there is something to be run, or until the instant, CLOCK_MONOTONIC ns.
    pub(super) fn sleep(&self, tasks: &Tasks, until_ns: u64) -> Result<(), DriverError> {
        self.set(until_ns)?;
        let rung = poll_fn(|context| {
            if tasks.poll_rung(context).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut fired = ready!(self.alarm.poll_read_ready(context))?;
            fired.clear_ready();
            Poll::Ready(Ok(()))
        });
        let slept: io::Result<()> = self.runtime.block_on(rung);
        slept.map_err(|source| DriverError::System { action: "wait for sockets", source })
    }

    /// Looks at the sockets, again and again until there is something to be run, or until the instant.
    pub(super) fn spin(&self, tasks: &Tasks, until_ns: u64) {
        self.runtime.block_on(async {
            loop {
                yield_now().await; // the reactor has its turn
                if tasks.is_rung() || mono_ns() >= until_ns {
                    return;
                }
            }
        });
    }

    /// An instant that has passed fires at once; 0 would disarm.
    fn set(&self, at_ns: u64) -> Result<(), DriverError> {
        let at_ns = at_ns.max(1);
        let it_value =
            Timespec { tv_sec: (at_ns / 1_000_000_000) as i64, tv_nsec: (at_ns % 1_000_000_000) as _ };
        let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        let once = Itimerspec { it_interval, it_value };
        timerfd_settime(self.alarm.get_ref(), TimerfdTimerFlags::ABSTIME, &once)
            .map(drop)
            .map_err(DriverError::system("set a timer"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The point of the alarm: not a millisecond late, and never early.
    #[test]
    fn it_wakes_at_the_instant() {
        let (rest, tasks) = (Rest::new().unwrap(), Tasks::default());
        let late_ns = |after_ns: u64| {
            let until_ns = mono_ns() + after_ns;
            rest.sleep(&tasks, until_ns).unwrap();
            mono_ns() as i64 - until_ns as i64
        };
        let late: Vec<i64> = (0..40).map(|_| late_ns(300_000)).collect();
        assert!(late.iter().all(|late| *late >= 0), "{late:?}");
        let best = late.iter().min().unwrap();
        assert!(*best < 500_000, "{best} ns late at best");
    }

    #[test]
    fn an_instant_that_has_passed_does_not_hold_it() {
        let (rest, tasks) = (Rest::new().unwrap(), Tasks::default());
        rest.sleep(&tasks, 0).unwrap();
        rest.spin(&tasks, 0);
    }
}

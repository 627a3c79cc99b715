//! Holds answers until they are due, to some microseconds.
//!
//! The runtime's own timer is a wheel of milliseconds and would be most of the error of a truth of 5 ms. A thread
//! of its own waits on the kernel's nanosecond timer with the smallest slack and spins the last stretch.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::thread::set_current_timer_slack;
use tokio::sync::oneshot;

use crate::clock;
use crate::config::ServerError;

/// How long before a due instant the thread stops sleeping: the wake-up of a sleeping core takes this long.
const SPIN_NS: u64 = 80_000;

#[derive(Default)]
struct State {
    /// Who waits, by due instant, then by order of arrival.
    waiting: BTreeMap<(u64, u64), oneshot::Sender<()>>,
    arrived: u64,
    over: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    news: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread that holds answers; it ends when this is dropped.
pub(crate) struct Alarm {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Alarm {
    pub(crate) fn start() -> Result<Alarm, ServerError> {
        let shared = Arc::new(Shared::default());
        let heard = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("alarm".to_owned())
            .spawn(move || ring(&heard))
            .map_err(ServerError::io("starting a thread"))?;
        Ok(Alarm { shared, thread: Some(thread) })
    }

    /// Waits until an instant; not at all where it has passed.
    pub(crate) async fn until(&self, due_ns: u64) {
        if due_ns <= clock::mono_ns() {
            return;
        }
        let (told, rings) = oneshot::channel();
        {
            let mut state = self.shared.state();
            state.arrived += 1;
            let place = (due_ns, state.arrived);
            state.waiting.insert(place, told);
        }
        self.shared.news.notify_one();
        // An alarm that is gone means that the server ends.
        let _ = rings.await;
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.shared.state().over = true;
        self.shared.news.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn ring(shared: &Shared) {
    // A kernel that refuses wakes this thread some 50 µs later, which the spin mostly covers.
    let _ = set_current_timer_slack(NonZeroU64::new(1));
    let mut state = shared.state();
    while !state.over {
        let Some((&(due_ns, number), _)) = state.waiting.first_key_value() else {
            state = shared.news.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        let left_ns = due_ns.saturating_sub(clock::mono_ns());
        if left_ns > SPIN_NS {
            let pause = Duration::from_nanos(left_ns - SPIN_NS);
            state = shared.news.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
            continue;
        }
        let told = state.waiting.remove(&(due_ns, number));
        drop(state);
        while clock::mono_ns() < due_ns {
            std::hint::spin_loop();
        }
        // A client that hung up waits for nothing.
        let _ = told.map(|told| told.send(()));
        state = shared.state();
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn nothing_rings_early_and_the_first_due_rings_first() {
        let alarm = Alarm::start().unwrap();
        let start_ns = clock::mono_ns();
        let after = async |ms: u64| {
            let due_ns = start_ns + ms * 1_000_000;
            alarm.until(due_ns).await;
            (clock::mono_ns() >= due_ns, clock::mono_ns())
        };
        let runtime = Builder::new_current_thread().build().unwrap();
        let (late, early, past) = runtime.block_on(async { tokio::join!(after(30), after(10), after(0)) });
        assert!(late.0 && early.0 && past.0);
        assert!(past.1 <= early.1 && early.1 < late.1);
    }
}

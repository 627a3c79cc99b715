//! Futures of this thread, run when the loop says so and not when a scheduler likes: what was woken is run until nothing of
//! it can go on, so that a request is on its way when the clock is read again.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

type Work = Pin<Box<dyn Future<Output = ()>>>;
/// Work that other work began, with its owner.
type Newcomers = Rc<RefCell<Vec<(u32, Work)>>>;

/// Work that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TaskId {
    slot: u32,
    serial: u64,
}

/// All work of a loop.
#[derive(Default)]
pub(super) struct Tasks {
    slots: Vec<Slot>,
    free: Vec<u32>,
    begun: u64,
    newcomers: Newcomers,
    board: Arc<Mutex<Board>>,
    /// What is run at present; kept for its allocation.
    batch: Vec<u32>,
}

struct Slot {
    task: Option<Task>,
    bell: Arc<Bell>,
    waker: Waker,
}

struct Task {
    owner: u32,
    serial: u64,
    work: Work,
}

/// What was woken, and who is to be told while nothing runs.
#[derive(Default)]
struct Board {
    rung: Vec<u32>,
    sleeper: Option<Waker>,
}

/// Wakes the work of one slot.
struct Bell {
    slot: u32,
    is_rung: AtomicBool,
    board: Arc<Mutex<Board>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_rung.swap(true, AcqRel) {
            return;
        }
        let sleeper = {
            let mut board = lock(&self.board);
            board.rung.push(self.slot);
            board.sleeper.take()
        };
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
    }
}

fn lock(board: &Mutex<Board>) -> MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tasks {
    /// Begins work of an owner; it is run with the next [`Tasks::run`].
    pub(super) fn begin(&mut self, owner: u32, work: impl Future<Output = ()> + 'static) -> TaskId {
        self.place(owner, Box::pin(work))
    }

    /// For work that begins other work of the same owner.
    pub(super) fn beginner(&self, owner: u32) -> Beginner {
        Beginner { owner, newcomers: Rc::clone(&self.newcomers) }
    }

    fn place(&mut self, owner: u32, work: Work) -> TaskId {
        self.begun += 1;
        let task = Some(Task { owner, serial: self.begun, work });
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize].task = task;
                slot
            }
            None => {
                let slot = self.slots.len() as u32;
                let board = Arc::clone(&self.board);
                let bell = Arc::new(Bell { slot, is_rung: AtomicBool::new(false), board });
                let waker = Waker::from(Arc::clone(&bell));
                self.slots.push(Slot { task, bell, waker });
                slot
            }
        };
        self.slots[slot as usize].waker.wake_by_ref();
        TaskId { slot, serial: self.begun }
    }

    /// Runs what was woken, and what that wakes, until nothing can go on.
    pub(super) fn run(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        loop {
            for (owner, work) in self.newcomers.take() {
                self.place(owner, work);
            }
            {
                let mut board = lock(&self.board);
                board.sleeper = None;
                std::mem::swap(&mut batch, &mut board.rung);
            }
            if batch.is_empty() {
                break;
            }
            for slot in batch.drain(..) {
                self.poll(slot);
            }
        }
        self.batch = batch;
    }

    fn poll(&mut self, slot: u32) {
        let Slot { task, bell, waker } = &mut self.slots[slot as usize];
        bell.is_rung.store(false, Release);
        let Some(running) = task else { return };
        if running.work.as_mut().poll(&mut Context::from_waker(waker)).is_ready() {
            *task = None;
            self.free.push(slot);
        }
    }

    /// Is there something to be run?
    pub(super) fn is_rung(&self) -> bool {
        !lock(&self.board).rung.is_empty()
    }

    /// Ready when there is something to be run.
    pub(super) fn poll_rung(&self, context: &Context<'_>) -> Poll<()> {
        let mut board = lock(&self.board);
        if !board.rung.is_empty() {
            return Poll::Ready(());
        }
        board.sleeper = Some(context.waker().clone());
        Poll::Pending
    }

    /// Drops work where it stands.
    pub(super) fn cancel(&mut self, id: TaskId) {
        let slot = &mut self.slots[id.slot as usize];
        if slot.task.as_ref().is_some_and(|task| task.serial == id.serial) {
            slot.task = None;
            self.free.push(id.slot);
        }
    }

    /// Drops all work of an owner where it stands.
    pub(super) fn cancel_all_of(&mut self, owner: u32) {
        self.newcomers.borrow_mut().retain(|(other, _)| *other != owner);
        for (number, slot) in self.slots.iter_mut().enumerate() {
            if slot.task.as_ref().is_some_and(|task| task.owner == owner) {
                slot.task = None;
                self.free.push(number as u32);
            }
        }
    }
}

/// Begins work of one owner from within other work.
#[derive(Clone)]
pub(super) struct Beginner {
    owner: u32,
    newcomers: Newcomers,
}

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Beginner {
    fn execute(&self, work: F) {
        self.newcomers.borrow_mut().push((self.owner, Box::pin(work)));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;

    use hyper::rt::Executor;

    use super::*;

    /// Goes on once each time it is woken; leaves its waker with the test.
    fn steps(
        count: &Rc<Cell<u32>>,
        waker: &Rc<RefCell<Option<Waker>>>,
        last: u32,
    ) -> impl Future<Output = ()> + use<> {
        let (count, waker) = (Rc::clone(count), Rc::clone(waker));
        poll_fn(move |context| {
            count.set(count.get() + 1);
            *waker.borrow_mut() = Some(context.waker().clone());
            if count.get() >= last { Poll::Ready(()) } else { Poll::Pending }
        })
    }

    fn wake(waker: &Rc<RefCell<Option<Waker>>>) {
        waker.borrow().as_ref().expect("it was polled").wake_by_ref();
    }

    #[test]
    fn work_goes_on_when_it_is_woken_and_not_else() {
        let (count, waker) = (Rc::new(Cell::new(0)), Rc::default());
        let mut tasks = Tasks::default();
        tasks.begin(0, steps(&count, &waker, 3));
        assert_eq!(count.get(), 0, "nothing runs by itself");
        tasks.run();
        tasks.run();
        assert_eq!(count.get(), 1);
        wake(&waker);
        wake(&waker);
        assert!(tasks.is_rung());
        tasks.run();
        assert_eq!(count.get(), 2, "two bells are one turn");
        wake(&waker);
        tasks.run();
        wake(&waker);
        tasks.run();
        assert_eq!(count.get(), 3, "what is done is not run again");
    }

    #[test]
    fn work_that_begins_work_is_run_with_it() {
        let done = Rc::new(Cell::new(false));
        let mut tasks = Tasks::default();
        let (beginner, seen) = (tasks.beginner(4), Rc::clone(&done));
        tasks.begin(4, async move { beginner.execute(async move { seen.set(true) }) });
        tasks.run();
        assert!(done.get());
    }

    #[test]
    fn what_is_cancelled_is_dropped_and_its_place_is_used_again() {
        let (count, waker) = (Rc::new(Cell::new(0)), Rc::default());
        let mut tasks = Tasks::default();
        let first = tasks.begin(1, steps(&count, &waker, 9));
        tasks.run();
        tasks.cancel(first);
        assert_eq!(Rc::strong_count(&count), 1);
        let second = tasks.begin(2, steps(&count, &waker, 9));
        assert_eq!(first.slot, second.slot);
        tasks.cancel(first);
        assert_eq!(Rc::strong_count(&count), 2, "an old name is nobody's");
        tasks.cancel_all_of(1);
        assert_eq!(Rc::strong_count(&count), 2);
        tasks.cancel_all_of(2);
        assert_eq!(Rc::strong_count(&count), 1);
        tasks.run();
        assert_eq!(count.get(), 1);
    }
}

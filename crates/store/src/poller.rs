//! One epoll instance in the few words that the link and the embedded server need.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

/// Events taken from the kernel at once.
const BATCH: usize = 256;

/// What a socket is watched for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interest {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Interest {
    pub(crate) const READ: Self = Self { read: true, write: false };

    fn flags(self) -> epoll::EventFlags {
        let mut flags = epoll::EventFlags::empty();
        flags.set(epoll::EventFlags::IN, self.read);
        flags.set(epoll::EventFlags::OUT, self.write);
        flags
    }
}

/// A socket that can go on; one that failed is both, so that reading or writing meets the error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) token: u64,
    pub(crate) read: bool,
    pub(crate) write: bool,
}

pub(crate) struct Poller {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, events: Vec::with_capacity(BATCH) })
    }

    pub(crate) fn watch(&self, socket: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, epoll::EventData::new_u64(token), interest.flags())?)
    }

    /// Changes what a watched socket is watched for. A socket of no interest is taken out altogether: the
    /// kernel would go on reporting its hang-up, and the loop would never sleep.
    pub(crate) fn change(
        &self,
        socket: impl AsFd,
        token: u64,
        before: Interest,
        after: Interest,
    ) -> io::Result<()> {
        let nothing = Interest::default();
        if before == after {
            return Ok(());
        }
        if after == nothing {
            return Ok(epoll::delete(&self.epoll, socket)?);
        }
        if before == nothing {
            return self.watch(socket, token, after);
        }
        Ok(epoll::modify(&self.epoll, socket, epoll::EventData::new_u64(token), after.flags())?)
    }

    /// Waits for events, at most `timeout_ns` (forever without), and puts them into `ready`.
    pub(crate) fn wait(&mut self, timeout_ns: Option<u64>, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        let timeout = timeout_ns
            .map(|ns| Timespec { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as i64 });
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        ready.extend(self.events.drain(..).map(|event| {
            let flags = event.flags;
            let failed = flags.intersects(epoll::EventFlags::ERR | epoll::EventFlags::HUP);
            Ready {
                token: event.data.u64(),
                read: failed || flags.contains(epoll::EventFlags::IN),
                write: failed || flags.contains(epoll::EventFlags::OUT),
            }
        }));
        Ok(())
    }
}

//! What a fleet's processes have used, read at the boundaries of slices from the operating system and from
//! their own `/metrics`.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use revbench_driver::plan::Progress;
use revbench_model::counters::Counters;
use revbench_model::event::{Slice, Usage};

use crate::contact::Contact;
use crate::{clock, machine};

/// What a process is to the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Issues tokens, owns the truth.
    Authority,
    /// Decides.
    Resource,
    /// Keeps the state.
    Store,
    /// Works for a database, with whose first process it shares most of its memory.
    Backend,
    /// Adds distance.
    Link,
}

impl Role {
    /// The word used in messages and tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Authority => "authority",
            Role::Resource => "resource server",
            Role::Store => "store",
            Role::Backend => "database process",
            Role::Link => "link",
        }
    }
}

/// A process to be read.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    /// What it is.
    pub(crate) role: Role,
    /// Its process number.
    pub(crate) pid: u32,
    /// Where it prints its counters, if it does.
    pub(crate) metrics: Option<SocketAddr>,
}

/// One reading of all processes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    /// One per process; `None` for one that did not answer, which must not be taken for zero.
    processes: Option<Vec<ProcessReading>>,
    jiffies: (u64, u64),
}

#[derive(Clone, Debug, Default)]
struct ProcessReading {
    cpu_ns: u64,
    resident_bytes: u64,
    counters: Counters,
}

impl Reading {
    /// Reads every process now.
    pub(crate) fn take(processes: &[Process], contact: &Contact, agent: &ureq::Agent) -> Reading {
        let read = |process: &Process| {
            let counters = match process.metrics {
                Some(address) => scrape(agent, &contact.url(address, "/metrics"))?,
                None => Counters::default(),
            };
            let cpu_ns = clock::process_cpu_ns(process.pid)?;
            let resident_bytes = match process.role {
                Role::Backend => machine::private_bytes(process.pid),
                _ => machine::resident_bytes(process.pid),
            };
            Some(ProcessReading { cpu_ns, resident_bytes, counters })
        };
        Reading { processes: processes.iter().map(read).collect(), jiffies: machine::steal_jiffies() }
    }
}

fn scrape(agent: &ureq::Agent, url: &str) -> Option<Counters> {
    let mut page = agent.get(url).call().ok()?;
    Some(Counters::parse(&page.body_mut().read_to_string().ok()?))
}

/// What was used between two readings; nothing at all where one of them is incomplete, so that a slice has either
/// whole costs or none.
pub(crate) fn usage(processes: &[Process], from: &Reading, to: &Reading) -> Usage {
    let mut usage = Usage::default();
    let jiffies = to.jiffies.0.saturating_sub(from.jiffies.0).max(1);
    usage.steal_share = to.jiffies.1.saturating_sub(from.jiffies.1) as f64 / jiffies as f64;
    let (Some(from), Some(to)) = (&from.processes, &to.processes) else { return usage };
    for ((process, before), after) in processes.iter().zip(from).zip(to) {
        let cpu_ns = after.cpu_ns.saturating_sub(before.cpu_ns);
        let counted = after.counters.since(&before.counters);
        match process.role {
            Role::Authority => {
                usage.authority_cpu_ns += cpu_ns;
                usage.authority_memory_bytes += after.resident_bytes;
                usage.authority = counted;
            }
            Role::Resource => {
                usage.resource_cpu_ns += cpu_ns;
                usage.resource_memory_bytes += after.resident_bytes;
                usage.resource = Counters::sum([&usage.resource, &counted]);
            }
            Role::Store | Role::Backend => {
                usage.store_cpu_ns += cpu_ns;
                usage.store_memory_bytes += after.resident_bytes;
            }
            Role::Link => usage.link_cpu_ns += cpu_ns,
        }
    }
    usage
}

/// Reads at every slice boundary the processes that there are, from the moment the driver starts its clock until the last slice ends or
/// the driver is done. `each_turn` is called several times a second, and no later than the instant, CLOCK_MONOTONIC ns,
/// that it gave last. Runs beside the driver, on another thread and off its core.
pub(crate) fn sample(
    processes: impl Fn() -> Vec<Process>,
    contact: &Contact,
    slices: &[Slice],
    progress: &Progress,
    done: &AtomicBool,
    mut each_turn: impl FnMut() -> u64,
) -> Vec<Usage> {
    let agent = contact.agent(Duration::from_secs(2));
    let mut wait_until = |at_ns: u64| {
        while clock::mono_ns() < at_ns && !done.load(Ordering::Relaxed) {
            let left_ns = at_ns.min(each_turn()).saturating_sub(clock::mono_ns());
            std::thread::sleep(Duration::from_nanos(left_ns.min(100_000_000)));
        }
    };
    while progress.started_mono_ns.load(Ordering::Acquire) == 0 && !done.load(Ordering::Relaxed) {
        wait_until(clock::mono_ns() + 5_000_000);
    }
    let zero_ns = progress.started_mono_ns.load(Ordering::Acquire);
    let mut before = Reading::take(&processes(), contact, &agent);
    let mut usages = Vec::with_capacity(slices.len());
    for slice in slices {
        wait_until(zero_ns + slice.end_ns);
        let present = processes();
        let after = Reading::take(&present, contact, &agent);
        usages.push(usage(&present, &before, &after));
        before = after;
    }
    usages
}

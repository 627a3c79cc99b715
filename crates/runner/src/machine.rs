//! The machine: what it is, which cores the run may use, and who runs where.

use std::fs;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use revbench_model::summary::Machine;

use crate::clock;

/// Who runs on which cores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Cores of authority, resource servers, store and link.
    pub servers: Vec<usize>,
    /// The driver's core.
    pub driver: usize,
}

impl Placement {
    /// The driver alone on the last core that this process may use, everything else on the others; on a
    /// single core they share it.
    pub fn of_this_process() -> Placement {
        let allowed = allowed_cores();
        match allowed.split_last() {
            Some((&driver, rest)) if !rest.is_empty() => Placement { servers: rest.to_vec(), driver },
            Some((&only, _)) => Placement { servers: vec![only], driver: only },
            None => Placement { servers: vec![0], driver: 0 },
        }
    }

    /// In words, for the manifest.
    pub fn describe(&self) -> String {
        let servers = self.servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        if self.servers.contains(&self.driver) {
            format!("shared cores: driver, servers, store and link on core {servers}")
        } else {
            format!(
                "driver on core {}; authority, resource servers, store and link on core {servers}",
                self.driver
            )
        }
    }
}

/// The cores that this process may run on, in order.
pub fn allowed_cores() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(Pid::from_raw(0)) else { return vec![0] };
    (0..CpuSet::count()).filter(|&core| set.is_set(core).unwrap_or(false)).collect()
}

/// Keeps the calling thread, and what it starts from then on, on these cores; a machine that refuses is left as it
/// is, and shows it in the driver's send lag, which has its own gate.
pub fn pin_this_thread(cores: &[usize]) {
    let mut set = CpuSet::new();
    if cores.iter().all(|&core| set.set(core).is_ok()) {
        let _ = sched_setaffinity(Pid::from_raw(0), &set);
    }
}

/// What the report says of the machine.
pub fn describe(placement: &Placement) -> Machine {
    let first_line = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let field = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let cpu_info = first_line("/proc/cpuinfo");
    let memory = field(&first_line("/proc/meminfo"), "MemTotal").unwrap_or_default();
    let memory_kib: u64 = memory.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0);
    Machine {
        cpu: field(&cpu_info, "model name").unwrap_or_else(|| "unknown".to_owned()),
        cores: allowed_cores().len(),
        memory_mib: memory_kib / 1024,
        kernel: first_line("/proc/sys/kernel/osrelease"),
        clock_source: first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        placement: placement.describe(),
    }
}

/// Jiffies of the whole machine so far: (all, stolen by the hypervisor).
pub fn steal_jiffies() -> (u64, u64) {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let fields: Vec<u64> =
        line.split_ascii_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
    // proc(5): user nice system idle iowait irq softirq steal; guest time is inside user already.
    (fields.iter().take(8).sum(), fields.get(7).copied().unwrap_or(0))
}

/// The processes that this one has started and that still are.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// Memory that a process shares with nobody, bytes; 0 once it is gone.
pub(crate) fn private_bytes(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0) * 1_024
}

/// Is there a process of this number, whose CPU clock can be read?
pub fn cpu_can_be_read(pid: u32) -> bool {
    clock::process_cpu_ns(pid).is_some()
}

/// Resident memory of a process, bytes; 0 once it is gone.
pub fn resident_bytes(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages: u64 = text.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    pages * rustix::param::page_size() as u64
}

//! Child processes that cannot outlive their parent, not even a killed one.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};
use rustix::thread::{CpuSet, sched_setaffinity};

/// Makes the kernel kill the child when the thread that spawns it ends, and pins the child to `cores` (empty:
/// it keeps the cores of its parent). The child gets a process group of its own: Ctrl-C at the terminal reaches
/// only the parent, which then ends its children in order.
///
/// The kernel watches the spawning *thread*, not the process: spawn from one that lives as long as the child
/// is wanted, such as the main thread.
pub fn bind_to_parent<'a>(command: &'a mut Command, cores: &[usize]) -> &'a mut Command {
    end_with_parent(command, cores, Signal::KILL)
}

/// The same with another signal than SIGKILL, for a child that has children of its own to end. A change of user that
/// `command` asks for comes first: the kernel forgets the signal with the former user.
pub fn end_with_parent<'a>(command: &'a mut Command, cores: &[usize], signal: Signal) -> &'a mut Command {
    let parent = getpid();
    let pinned = cpu_set(cores);
    let before_exec = move || {
        set_parent_process_death_signal(Some(signal))?;
        // A parent that died before the line above sends no signal any more.
        if getppid() != Some(parent) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if let Some(set) = &pinned {
            sched_setaffinity(None, set)?;
        }
        Ok(())
    };
    #[expect(unsafe_code, reason = "between fork and exec: three system calls, no allocation, no lock")]
    // SAFETY: the closure only makes system calls on values prepared before the fork.
    unsafe {
        command.process_group(0).pre_exec(before_exec)
    }
}

fn cpu_set(cores: &[usize]) -> Option<CpuSet> {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core);
    }
    (!cores.is_empty()).then_some(set)
}

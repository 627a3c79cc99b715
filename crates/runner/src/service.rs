//! Somebody's service, started by a command of theirs for as long as it is measured.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use revbench_store::child::end_with_parent;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use thiserror::Error;

/// How long a service may take until it listens everywhere.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// Runs the command that is given, and passes the end on to its whole group, once: the kernel tells the shell alone.
const GUARD: &str = "trap 'trap \"\" TERM; kill -TERM 0' TERM; eval \"$1\" & wait $!";
/// How long it may take to end when it is asked to.
const END_WITHIN: Duration = Duration::from_secs(10);
/// How long its ports may be held after all of it was killed.
const FREE_WITHIN: Duration = Duration::from_secs(2);

/// Why a service is not there.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// The shell did not start.
    #[error("cannot start '{command}': {source}")]
    Start {
        /// As it was given.
        command: String,
        /// Why not.
        source: io::Error,
    },
    /// Somebody listens there already, who would be measured instead.
    #[error("somebody listens on {address} already; end that service first")]
    Taken {
        /// Where.
        address: SocketAddr,
    },
    /// It ended by itself.
    #[error("'{command}' ended before it listened ({status})")]
    Ended {
        /// As it was given.
        command: String,
        /// How.
        status: String,
    },
    /// It does not listen.
    #[error("'{command}' does not listen on {address} within {} s", READY_WITHIN.as_secs())]
    Silent {
        /// As it was given.
        command: String,
        /// Where it was awaited.
        address: SocketAddr,
    },
}

/// A running service; dropping it ends it, and all that it has started in its group.
#[derive(Debug)]
pub struct Service {
    child: Child,
    command: String,
    addresses: Vec<SocketAddr>,
}

impl Service {
    /// Starts a command through `sh` and waits until somebody listens on every address. What it prints goes to our stderr.
    /// The shell ends with the calling thread, even a killed one, and ends all that it has started then.
    ///
    /// # Errors
    /// It cannot be started, ends, does not listen, or another already does.
    pub fn start(command: &str, addresses: &[SocketAddr]) -> Result<Service, ServiceError> {
        if let Some(&address) = addresses.iter().find(|address| listens(**address)) {
            return Err(ServiceError::Taken { address });
        }
        let mut shell = Command::new("sh");
        shell.args(["-c", GUARD, "sh", command]).stdin(Stdio::null()).stdout(io::stderr());
        let child = end_with_parent(&mut shell, &[], Signal::TERM).spawn();
        let child = child.map_err(|source| ServiceError::Start { command: command.to_owned(), source })?;
        let mut service = Service { child, command: command.to_owned(), addresses: addresses.to_vec() };
        service.wait_until_it_listens()?;
        Ok(service)
    }

    fn wait_until_it_listens(&mut self) -> Result<(), ServiceError> {
        for _ in 0..READY_WITHIN.as_millis() / LOOK.as_millis() {
            if let Ok(Some(status)) = self.child.try_wait() {
                let status = status.to_string();
                return Err(ServiceError::Ended { command: self.command.clone(), status });
            }
            if self.addresses.iter().all(|address| listens(*address)) {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        let address = self.addresses.iter().find(|address| !listens(**address)).copied();
        match address {
            None => Ok(()),
            Some(address) => Err(ServiceError::Silent { command: self.command.clone(), address }),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.child);
        // The shell tells its group; where it has ended before, as that of `server &` has, nobody does.
        let is_shell_gone = matches!(self.child.try_wait(), Ok(Some(_)));
        let _ = if is_shell_gone {
            kill_process_group(group, Signal::TERM)
        } else {
            kill_process(group, Signal::TERM)
        };
        // The shell ends first; what it has started may have something to put away.
        within(END_WITHIN, || matches!(self.child.try_wait(), Ok(Some(_))) && !has_living(group));
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.child.wait();
        within(FREE_WITHIN, || !self.addresses.iter().any(|address| listens(*address)));
    }
}

/// Is any process of a group still at work? One that has ended may stay for good where nobody asks how, as in a container whose
/// first process asks nobody.
fn has_living(group: Pid) -> bool {
    let is_its = |stat: String| {
        // After the name, which may have anything in it: state, parent, group (proc_pid_stat(5)).
        let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        let state = fields.next();
        fields.nth(1) == Some(&group.as_raw_nonzero().to_string()) && !matches!(state, Some("Z" | "X"))
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(|process| std::fs::read_to_string(process.path().join("stat")).ok()).any(is_its)
}

/// Looks until it is so, for at most so long.
fn within(most: Duration, mut is_so: impl FnMut() -> bool) {
    for _ in 0..most.as_millis() / LOOK.as_millis() {
        if is_so() {
            return;
        }
        std::thread::sleep(LOOK);
    }
}

fn listens(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_ends_or_a_place_that_is_taken_is_told() {
        let ended = Service::start("exit 3", &["127.0.0.1:9".parse().expect("an address")]);
        assert!(matches!(ended, Err(ServiceError::Ended { .. })), "{ended:?}");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let taken = Service::start("true", &[listener.local_addr().expect("its address")]);
        assert!(matches!(taken, Err(ServiceError::Taken { .. })), "{taken:?}");
    }

    #[test]
    fn what_outlives_its_shell_is_asked_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let (said, up) = (folder.path().join("said"), folder.path().join("up"));
        let (said_at, up_at) = (said.display(), up.display());
        let waits =
            format!("trap \"echo asked >{said_at}; exit\" TERM; : >{up_at}; while :; do sleep 0.05; done");
        let mut service = Service::start(&format!("sh -c '{waits}' & exit"), &[]).expect("a service");
        within(END_WITHIN, || up.exists() && matches!(service.child.try_wait(), Ok(Some(_))));
        drop(service);
        assert_eq!(std::fs::read_to_string(said).expect("what it said"), "asked\n");
    }

    #[test]
    fn a_service_is_asked_once_and_may_put_its_things_away() {
        let folder = tempfile::tempdir().expect("a folder");
        let said = folder.path().join("said");
        let up = folder.path().join("up");
        let command = format!(
            "sh -c 'trap \"echo asked >>{said}; sleep 0.3; echo gone >>{said}; exit\" TERM; : >{up}; while :; do sleep 0.05; done'",
            said = said.display(),
            up = up.display()
        );
        let service = Service::start(&command, &[]).expect("a service");
        within(END_WITHIN, || up.exists());
        drop(service);
        assert_eq!(std::fs::read_to_string(said).expect("what it said"), "asked\ngone\n");
    }
}

//! The processes of a fleet: this program again, in another role.
//!
//! What a child is to be goes over its standard input, secrets included, because every user may read a command
//! line. It answers with one line saying where it listens. It ends when its standard input does, and the kernel
//! ends it when its parent is gone, however that came about.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{self, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use revbench_model::Settings;
use revbench_store::child::bind_to_parent;
use revbench_store::{DatabaseAddress, Mode, StoreAddress, Traffic};
use revbench_strategies::StrategyKind;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A child generates keys before it listens; RSA in an unoptimised build takes seconds.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// A link that has not switched by then never will.
const OBEYED_WITHIN: Duration = Duration::from_secs(5);
/// So much of what a child said last is kept for the error message.
const TAIL_BYTES: usize = 4_096;

/// What a child process is to be.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ChildConfig {
    /// Keys, source of truth, tokens, changes.
    Authority {
        /// Its strategy.
        strategy: StrategyKind,
        /// Settings of strategy and server.
        settings: Settings,
        /// The store, or the link in front of it.
        store: Option<StoreAddress>,
        /// The database, or the link in front of it, where resource servers read one.
        database: Option<DatabaseAddress>,
        /// The bearer token that administrators send.
        admin_token: String,
        /// The bearer token that resource servers send.
        resource_token: String,
        /// The shared secret where tokens are signed with HS256.
        hmac_secret: Option<String>,
        /// Worker threads.
        threads: usize,
        /// What it needs to speak TLS, where it does.
        #[serde(default)]
        tls: Option<ServerTls>,
    },
    /// Decisions.
    Resource {
        /// Its strategy.
        strategy: StrategyKind,
        /// Settings of strategy and server.
        settings: Settings,
        /// The store, or the link in front of it.
        store: Option<StoreAddress>,
        /// The database, or the link in front of it, if its strategy reads one.
        database: Option<DatabaseAddress>,
        /// The name that it gives itself in every answer.
        instance: String,
        /// Where it gets the keys that tokens are verified with, and asks about tokens if its strategy does: the
        /// authority, or the link in front of it.
        authority: SocketAddr,
        /// The bearer token that it sends there.
        resource_token: String,
        /// The shared secret where tokens are signed with HS256.
        hmac_secret: Option<String>,
        /// A fault built in, to show that it is noticed.
        mutant: Option<String>,
        /// Worker threads.
        threads: usize,
        /// Where it listens on the loopback address; 0: the system chooses.
        #[serde(default)]
        port: u16,
        /// How far its wall clock is ahead of the machine's; negative: behind.
        #[serde(default)]
        wall_offset_ms: i64,
        /// What it needs to speak TLS, where it and the authority do.
        #[serde(default)]
        tls: Option<ServerTls>,
    },
    /// The store that needs nothing installed.
    EmbeddedStore {
        /// What its clients must present.
        password: Option<String>,
        /// Where it listens on the loopback address; 0: the system chooses.
        #[serde(default)]
        port: u16,
    },
    /// Network distance in front of a store. Obeys a [`LinkOrder`] in each further line, and answers with [`Switched`].
    Link {
        /// Where everything goes on to.
        upstream: SocketAddr,
        /// How long each chunk is held in each direction.
        one_way_delay_ns: u64,
        /// What the link takes by itself, subtracted from that.
        overhead_ns: u64,
        /// How long before a due time it stops sleeping.
        spin_ns: u64,
    },
    /// A whole fleet of known truth in one process.
    Calibration {
        /// How it behaves, by name.
        behaviour: String,
        /// Seed of what it draws.
        seed: u64,
        /// Resource servers.
        instances: u16,
        /// Life of an access token.
        token_ttl_ms: u64,
        /// The bearer token that administrators send.
        admin_token: String,
        /// What it needs to speak TLS, where it does.
        #[serde(default)]
        tls: Option<ServerTls>,
    },
}

impl ChildConfig {
    /// The word on the command line, which is all of it that others may read.
    pub fn role(&self) -> &'static str {
        match self {
            ChildConfig::Authority { .. } => "authority",
            ChildConfig::Resource { .. } => "resource",
            ChildConfig::EmbeddedStore { .. } => "embedded-store",
            ChildConfig::Link { .. } => "link",
            ChildConfig::Calibration { .. } => "calibration",
        }
    }

    /// Where it is to listen; 0: the system chooses.
    pub fn port(&self) -> u16 {
        match self {
            ChildConfig::Resource { port, .. } | ChildConfig::EmbeddedStore { port, .. } => *port,
            ChildConfig::Authority { .. } | ChildConfig::Link { .. } | ChildConfig::Calibration { .. } => 0,
        }
    }
}

/// What a server needs to speak TLS. PEM.
#[derive(Clone, Serialize, Deserialize)]
pub struct ServerTls {
    /// What it shows.
    pub certificate_pem: String,
    /// The certificate's key.
    pub key_pem: String,
    /// Who signed for all servers of the fleet.
    pub authority_pem: String,
    /// Is HTTP/2 offered beside HTTP/1.1?
    pub http2: bool,
}

/// What a running link is told: from now on, for this traffic, that mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkOrder {
    /// Which connections.
    pub traffic: Traffic,
    /// What becomes of what they carry.
    pub mode: Mode,
}

/// A link's answer to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switched {
    /// Since when it is so, CLOCK_MONOTONIC ns.
    pub mono_ns: u64,
}

/// The line by which a child says that it is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Where it listens.
    pub listening: SocketAddr,
}

/// Why there is no child.
#[derive(Debug, Error)]
pub enum SpawnError {
    /// The operating system refused.
    #[error("cannot start {}: {source}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It ended before it was ready.
    #[error("ended before it was ready ({status}){}", said(.stderr))]
    Ended {
        /// How.
        status: String,
        /// What it said last.
        stderr: String,
    },
    /// It took too long.
    #[error("not ready within {} s{}", READY_WITHIN.as_secs(), said(.stderr))]
    Silent {
        /// What it said last.
        stderr: String,
    },
    /// It said something else than where it listens.
    #[error("said '{line}' instead of where it listens{}", said(.stderr))]
    Misspoke {
        /// The line.
        line: String,
        /// What it said last on stderr.
        stderr: String,
    },
}

fn said(stderr: &str) -> String {
    if stderr.trim().is_empty() { String::new() } else { format!(": {}", stderr.trim()) }
}

/// A running child; dropping it kills it and waits for its end.
#[derive(Debug)]
pub struct Child {
    /// Its process.
    pub pid: u32,
    /// Where it listens.
    pub address: SocketAddr,
    process: Running,
    /// What it says after the first line.
    lines: Receiver<String>,
}

impl Child {
    /// Starts `program` in the role that `config` says, pinned to `cores` (none: it keeps those of its parent), and
    /// waits until it listens. The kernel ends it with the calling *thread*: call from one that lives long enough.
    ///
    /// # Errors
    /// It cannot be started, ends, stays silent, or says something unexpected; what it said last is in the error.
    pub fn spawn(program: &Path, config: &ChildConfig, cores: &[usize]) -> Result<Child, SpawnError> {
        Child::spawn_within(program, config, cores, READY_WITHIN)
    }

    fn spawn_within(
        program: &Path,
        config: &ChildConfig,
        cores: &[usize],
        within: Duration,
    ) -> Result<Child, SpawnError> {
        let failed = |source| SpawnError::Start { program: program.to_owned(), source };
        let (mut process, stdout) = Running::start(program, config, cores).map_err(failed)?;
        let lines = lines_of(stdout);
        let line = match lines.recv_timeout(within) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => return Err(process.ended()),
            Err(RecvTimeoutError::Timeout) => {
                return Err(SpawnError::Silent { stderr: process.last_words() });
            }
        };
        let Ok(ready) = serde_json::from_str::<Ready>(&line) else {
            return Err(SpawnError::Misspoke { line: line.trim().to_owned(), stderr: process.last_words() });
        };
        Ok(Child { pid: process.child.id(), address: ready.listening, process, lines })
    }

    /// Tells a link what to do, and waits until it has done so.
    ///
    /// # Errors
    /// It is gone, does not answer, or says something else.
    pub fn order(&mut self, order: LinkOrder) -> io::Result<Switched> {
        let mut line = serde_json::to_vec(&order)?;
        line.push(b'\n');
        let stdin = self.process.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        stdin.write_all(&line)?;
        let answer = self.lines.recv_timeout(OBEYED_WITHIN).map_err(|_| io::ErrorKind::TimedOut)?;
        Ok(serde_json::from_str(&answer)?)
    }

    /// Stops it where it stands: what it is sent piles up, and nobody is told.
    ///
    /// # Errors
    /// The system refuses.
    pub fn halt(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// The system refuses.
    pub fn go_on(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Ends it at once, without a word.
    pub fn kill(&mut self) {
        self.process.end();
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = Pid::from_child(&self.process.child);
        Ok(kill_process(pid, signal)?)
    }

    /// How it ended and what it said last; `None` while it lives.
    pub fn exited(&mut self) -> Option<String> {
        let status = self.process.child.try_wait().ok()??;
        let how = status.to_string();
        Some(format!("{how}{}", said(&self.process.last_words())))
    }
}

/// A process with what must be kept of it.
#[derive(Debug)]
struct Running {
    child: process::Child,
    /// Its end is the child's signal to end; open as long as the child is wanted.
    stdin: Option<ChildStdin>,
    tail: Arc<Mutex<Vec<u8>>>,
    listener: Option<thread::JoinHandle<()>>,
}

impl Running {
    fn start(program: &Path, config: &ChildConfig, cores: &[usize]) -> io::Result<(Running, ChildStdout)> {
        let mut command = Command::new(program);
        command.args(["serve", "--role", config.role()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = bind_to_parent(&mut command, cores).spawn()?;
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        let tail = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&tail);
        let listener = thread::spawn(move || keep_tail(stderr, &kept));
        let mut line = serde_json::to_vec(config)?;
        line.push(b'\n');
        // A child that is gone already is noticed by its silence, with its own words as the reason.
        let _ = stdin.write_all(&line);
        Ok((Running { child, stdin: Some(stdin), tail, listener: Some(listener) }, stdout))
    }

    fn ended(&mut self) -> SpawnError {
        // Its stdout is closed; should it linger nevertheless, it is of no use any more.
        let status = match self.child.try_wait() {
            Ok(Some(status)) => status.to_string(),
            _ => {
                let _ = self.child.kill();
                self.child
                    .wait()
                    .map_or_else(|error| error.to_string(), |status: ExitStatus| status.to_string())
            }
        };
        SpawnError::Ended { status, stderr: self.last_words() }
    }

    /// What a child that has ended, or is ended here, said last.
    fn last_words(&mut self) -> String {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&tail).trim().to_owned()
    }
}

impl Running {
    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// The lines of a stream as they come; over with it.
fn lines_of(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let lines = BufReader::new(stdout).lines().map_while(Result::ok);
        lines.map_while(|line| sender.send(line).ok()).for_each(drop);
    });
    receiver
}

/// Keeps the last bytes of a stream until it ends.
fn keep_tail(mut stderr: ChildStderr, tail: &Mutex<Vec<u8>>) {
    let mut chunk = [0; 1_024];
    while let Ok(length @ 1..) = stderr.read(&mut chunk) {
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend_from_slice(&chunk[..length]);
        let surplus = tail.len().saturating_sub(TAIL_BYTES);
        tail.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    /// A program of our own in the place of this one.
    fn program(folder: &TempDir, script: &str) -> PathBuf {
        let path = folder.path().join("program");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// A file that another test's fork still holds open for writing cannot be run (ETXTBSY).
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    fn spawn(script: &str, within: Duration) -> Result<Child, SpawnError> {
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = TempDir::new().unwrap();
        let config = ChildConfig::EmbeddedStore { password: Some("very-secret".to_owned()), port: 0 };
        Child::spawn_within(&program(&folder, script), &config, &[], within)
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_child_gets_its_configuration_and_says_where_it_listens() {
        let folder = TempDir::new().unwrap();
        let seen = folder.path().join("seen");
        let script = format!(
            "read line; echo \"$line $*\" > {}; echo '{{\"listening\":\"127.0.0.1:4242\"}}'; cat > /dev/null",
            seen.display()
        );
        let mut child = spawn(&script, LONG).unwrap();
        assert_eq!(child.address.port(), 4242);
        assert_eq!(child.exited(), None);
        let seen = fs::read_to_string(seen).unwrap();
        let (config, arguments) =
            seen.split_once("} ").map(|(config, rest)| (format!("{config}}}"), rest)).unwrap();
        assert_eq!(arguments.trim(), "serve --role embedded-store");
        assert!(matches!(
            serde_json::from_str(&config).unwrap(),
            ChildConfig::EmbeddedStore { password: Some(password), port: 0 } if password == "very-secret"
        ));
    }

    #[test]
    fn a_dropped_child_is_gone() {
        let child = spawn("echo '{\"listening\":\"127.0.0.1:1\"}'; exec sleep 600", LONG).unwrap();
        let process = PathBuf::from(format!("/proc/{}", child.pid));
        assert!(process.exists());
        let pid = nix::unistd::Pid::from_raw(child.pid as i32);
        assert_eq!(nix::unistd::getpgid(Some(pid)), Ok(pid), "Ctrl-C at the terminal must not reach it");
        drop(child);
        assert!(!process.exists());
    }

    #[test]
    fn a_child_that_does_not_come_up_says_why() {
        let check = |script: &str, within: Duration, expected: &str| {
            let error = spawn(script, within).expect_err("no child").to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("echo 'no keys' >&2; exit 3", LONG, "exit status: 3): no keys");
        check("echo hello; exec sleep 600", LONG, "said 'hello' instead of where it listens");
        check("echo 'still thinking' >&2; exec sleep 600", Duration::from_millis(300), "still thinking");
        let missing = Child::spawn(
            Path::new("/nonexistent/revbench"),
            &ChildConfig::EmbeddedStore { password: None, port: 0 },
            &[],
        );
        assert!(missing.expect_err("no program").to_string().contains("cannot start /nonexistent/revbench"));
    }

    #[test]
    fn the_end_of_a_child_is_noticed_with_its_last_words() {
        let script =
            "echo '{\"listening\":\"127.0.0.1:1\"}'; read line; read end; echo 'out of memory' >&2; exit 9";
        let mut child = spawn(script, LONG).unwrap();
        child.process.stdin = None;
        let how = loop {
            if let Some(how) = child.exited() {
                break how;
            }
            thread::yield_now();
        };
        assert_eq!(how, "exit status: 9: out of memory");
    }
}

//! A Redis or Valkey of one's own: started for a run, alone on its port, gone with the run.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;
use std::{env, fs, io};

use tempfile::TempDir;
use thiserror::Error;

use crate::address::StoreAddress;
use crate::child::bind_to_parent;
use crate::error::StoreError;
use crate::round_trip::{connect_blocking, request_blocking};

/// Names the program to start instead of searching PATH.
pub const PROGRAM_VARIABLE: &str = "REVBENCH_REDIS_SERVER";

/// Somebody may take the port between choosing it and listening on it; then another one is chosen.
const PORTS_TRIED: usize = 5;

const READINESS_PAUSE: Duration = Duration::from_millis(2);
const READINESS_CHECKS: usize = 2_500;

/// Which program to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKind {
    /// `redis-server`, else `valkey-server`.
    Auto,
    /// Only `redis-server`.
    RedisServer,
    /// Only `valkey-server`.
    ValkeyServer,
}

impl ServerKind {
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Auto => &["redis-server", "valkey-server"],
            Self::RedisServer => &["redis-server"],
            Self::ValkeyServer => &["valkey-server"],
        }
    }
}

/// What a result says about its store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerDescription {
    /// `redis-server` or `valkey-server`.
    pub kind: String,
    /// Its version.
    pub version: String,
    /// Allocator, eviction policy, persistence, in words.
    pub settings: String,
}

/// Why there is no private server.
#[derive(Debug, Error)]
pub enum PrivateServerError {
    /// The program is not installed.
    #[error("no {} on PATH: install one, name it in {PROGRAM_VARIABLE}, or use the embedded store", .names.join(" or "))]
    NotInstalled {
        /// What was looked for.
        names: &'static [&'static str],
    },
    /// The operating system refused.
    #[error("cannot start {}: {source}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The program ended or stayed silent.
    #[error("{} did not become ready: {log}", program.display())]
    NotReady {
        /// The program.
        program: PathBuf,
        /// Last lines of its log.
        log: String,
    },
    /// It runs, but does not answer as expected.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A running private server; dropping it ends it and removes its folder.
#[derive(Debug)]
pub struct PrivateServer {
    process: Process,
    address: StoreAddress,
    description: ServerDescription,
}

impl PrivateServer {
    /// Starts a server on a free port of the loopback address, pinned to `cores` unless empty, and waits
    /// until it answers. The kernel ends it with the calling *thread*, see [`bind_to_parent`].
    pub fn start(kind: ServerKind, cores: &[usize]) -> Result<Self, PrivateServerError> {
        let program = find_program(kind)?;
        let mut last = None;
        for _ in 0..PORTS_TRIED {
            match Self::start_once(&program, cores) {
                Err(error @ PrivateServerError::NotReady { .. }) => last = Some(error),
                other => return other,
            }
        }
        Err(last.expect("at least one port is tried"))
    }

    fn start_once(program: &Path, cores: &[usize]) -> Result<Self, PrivateServerError> {
        let failed = |source| PrivateServerError::Start { program: program.to_owned(), source };
        let address = choose_address().map_err(failed)?;
        let mut process = Process::spawn(program, &address, cores).map_err(failed)?;
        let info = process.wait_until_ready(&address)?;
        let description = describe(program, &info);
        Ok(Self { process, address, description })
    }

    /// Where it listens, password included.
    pub fn address(&self) -> &StoreAddress {
        &self.address
    }

    /// Its process, for CPU and memory readings.
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// What a result says about it.
    pub fn description(&self) -> &ServerDescription {
        &self.description
    }

    /// Kills it without a word and starts it again where it was, with the same password and nothing that it held.
    ///
    /// # Errors
    /// It does not come up again.
    pub fn restart_empty(&mut self, cores: &[usize]) -> Result<(), PrivateServerError> {
        let program = self.process.program.clone();
        let failed = |source| PrivateServerError::Start { program: program.clone(), source };
        self.process.end();
        self.process = Process::spawn(&program, &self.address, cores).map_err(failed)?;
        self.process.wait_until_ready(&self.address).map(drop)
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.process.child.try_wait(), Ok(None))
    }
}

/// The program that [`PrivateServer::start`] would use.
pub fn find_program(kind: ServerKind) -> Result<PathBuf, PrivateServerError> {
    let named = env::var_os(PROGRAM_VARIABLE).filter(|named| !named.is_empty()).map(PathBuf::from);
    if let Some(named) = named {
        return Ok(named);
    }
    let names = kind.names();
    let path = env::var_os("PATH").unwrap_or_default();
    let candidate = names.iter().find_map(|name| {
        env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
    });
    candidate.ok_or(PrivateServerError::NotInstalled { names })
}

#[derive(Debug)]
struct Process {
    program: PathBuf,
    child: Child,
    folder: TempDir,
}

impl Process {
    fn spawn(program: &Path, address: &StoreAddress, cores: &[usize]) -> io::Result<Self> {
        let folder = TempDir::with_prefix("revbench-store-")?;
        let log = File::create(log_file(folder.path()))?;
        let mut command = Command::new(program);
        // The settings come by standard input: on the command line every user could read the password.
        command.arg("-").stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        let mut child = bind_to_parent(&mut command, cores).spawn()?;
        let written = child.stdin.take().map(|mut input| input.write_all(&settings(address, folder.path())));
        let process = Self { program: program.to_owned(), child, folder };
        written.transpose()?;
        Ok(process)
    }

    /// Waits for the first answer, which is the server's INFO.
    fn wait_until_ready(&mut self, address: &StoreAddress) -> Result<String, PrivateServerError> {
        for _ in 0..READINESS_CHECKS {
            if !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            match connect_blocking(address) {
                // Whoever accepts our random password is our server.
                Ok(mut connection) => {
                    return Ok(request_blocking(
                        &mut connection,
                        address,
                        redis::cmd("INFO").arg("everything"),
                    )?);
                }
                Err(StoreError::Unavailable { .. }) => sleep(READINESS_PAUSE),
                Err(_) => break,
            }
        }
        let log = fs::read_to_string(log_file(self.folder.path())).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(3).collect();
        let log = lines.into_iter().rev().collect::<Vec<_>>().join(" / ");
        Err(PrivateServerError::NotReady { program: self.program.clone(), log })
    }
}

impl Process {
    fn end(&mut self) {
        // It may have ended already; nothing on disk is worth an orderly end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

fn log_file(folder: &Path) -> PathBuf {
    folder.join("server.log")
}

fn settings(address: &StoreAddress, folder: &Path) -> Vec<u8> {
    let password = address.password.as_deref().unwrap_or_default();
    format!(
        "bind {}\nport {}\nrequirepass {password}\ndir \"{}\"\nsave \"\"\nappendonly no\ndaemonize no\n",
        address.host,
        address.port,
        folder.display()
    )
    .into_bytes()
}

fn choose_address() -> io::Result<StoreAddress> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    Ok(StoreAddress { host: Ipv4Addr::LOCALHOST.to_string(), port, password: Some(random_password()?) })
}

/// 192 random bits as hexadecimal digits.
pub fn random_password() -> io::Result<String> {
    let mut bytes = [0; 24];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What a result says about a server, from its INFO.
fn describe(program: &Path, info: &str) -> ServerDescription {
    let field = |name: &str| {
        info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or("unknown").trim()
    };
    // Valkey gives its own version beside the Redis version that it is compatible with.
    let valkey = info.contains("valkey_version:");
    let (kind, version) =
        if valkey { ("valkey-server", "valkey_version") } else { ("redis-server", "redis_version") };
    let persistence = if field("aof_enabled") == "0" { "nothing on disk" } else { "append-only file" };
    let settings = format!(
        "private ({}), allocator {}, eviction {}, {persistence}",
        program.file_name().map(|name| name.to_string_lossy()).unwrap_or_default(),
        field("mem_allocator"),
        field("maxmemory_policy"),
    );
    ServerDescription { kind: kind.into(), version: field(version).into(), settings }
}

/// What a result says about a server that somebody else runs, from its INFO.
pub fn describe_url(address: &StoreAddress) -> Result<ServerDescription, StoreError> {
    let mut connection = connect_blocking(address)?;
    let info: String = request_blocking(&mut connection, address, redis::cmd("INFO").arg("everything"))?;
    let described = describe(Path::new("url"), &info);
    let settings = described.settings.replacen("private (url)", &described.kind, 1);
    Ok(ServerDescription { kind: "url".into(), settings, ..described })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn description() {
        let redis = "redis_version:7.0.15\r\nmem_allocator:jemalloc-5.3.0\r\nmaxmemory_policy:noeviction\r\n\
                     aof_enabled:0\r\n";
        let described = describe(Path::new("/bin/redis-server"), redis);
        assert_eq!(described.kind, "redis-server");
        assert_eq!(described.version, "7.0.15");
        assert_eq!(
            described.settings,
            "private (redis-server), allocator jemalloc-5.3.0, eviction noeviction, nothing on disk"
        );
        let valkey = describe(Path::new("v"), "redis_version:7.2.4\r\nvalkey_version:8.1.0\r\n");
        assert_eq!((valkey.kind.as_str(), valkey.version.as_str()), ("valkey-server", "8.1.0"));
    }

    #[test]
    fn passwords_differ() {
        let (one, other) = (random_password().unwrap(), random_password().unwrap());
        assert_eq!(one.len(), 48);
        assert_ne!(one, other);
    }
}

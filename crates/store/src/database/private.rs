//! A Postgres of one's own: started for a fleet, alone on its port, gone with the run.
//!
//! `initdb` takes seconds, so it runs once, into a template; each server gets a copy of that folder and is a fresh
//! process. Postgres refuses to run as root: there it runs as `postgres` or `nobody`, to whom its folder is given.
//! Nothing it writes is meant to last, so it does not wait for the disk (`fsync off`), and says so. The folder, some
//! thirty megabytes, goes with the server, and also when we are killed: a process that waits for that removes it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;
use std::{env, io};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;
use thiserror::Error;

use super::address::DatabaseAddress;
use super::control::describe;
use super::error::DatabaseError;
use crate::child::{bind_to_parent, end_with_parent};
use crate::private::{ServerDescription, random_password};

/// Names the folder of `postgres` and `initdb` instead of searching PATH and the distribution's folders.
pub const FOLDER_VARIABLE: &str = "REVBENCH_POSTGRES";

/// Where Debian and its kin keep the servers of each version, off PATH.
const DISTRIBUTION: &str = "/usr/lib/postgresql";

/// The role and the database that servers and strategies use.
const NAME: &str = "revbench";

/// Who Postgres may run as where we are root.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// Somebody may take the port between choosing it and listening on it; then another one is chosen.
const PORTS_TRIED: usize = 5;
const READINESS_PAUSE: Duration = Duration::from_millis(5);
const READINESS_CHECKS: usize = 4_000;
/// How long a server that is told to end may take; it ends its own children first.
const END_PAUSE: Duration = Duration::from_millis(2);
const END_CHECKS: usize = 2_500;

/// What differs from a server as it is shipped. Shared memory lies in files of the folder, which goes with the server.
/// Vacuum would start now and then beside a measurement, and tables live for seconds.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
dynamic_shared_memory_type = mmap
logging_collector = off
log_destination = 'stderr'
fsync = off
full_page_writes = off
autovacuum = off
";

/// Why there is no private database.
#[derive(Debug, Error)]
pub enum PrivateDatabaseError {
    /// The programs are not installed.
    #[error(
        "no postgres and initdb on PATH or below {DISTRIBUTION}: install Postgres (on Debian the package postgresql), \
         or name their folder in {FOLDER_VARIABLE}"
    )]
    NotInstalled,
    /// We are root and there is nobody else.
    #[error("postgres does not run as root, and there is no user 'postgres' or 'nobody' to run it as")]
    NobodyElse,
    /// The operating system refused.
    #[error("{doing} failed: {source}")]
    Io {
        /// What was tried.
        doing: String,
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
    Database(#[from] DatabaseError),
}

fn io_error(doing: impl Into<String>) -> impl FnOnce(io::Error) -> PrivateDatabaseError {
    let doing = doing.into();
    move |source| PrivateDatabaseError::Io { doing, source }
}

/// The folder of `postgres` and `initdb` that [`Template::create`] would use: the newest of a distribution.
///
/// # Errors
/// There is none.
pub fn find_programs() -> Result<PathBuf, PrivateDatabaseError> {
    let has_both = |folder: &PathBuf| ["postgres", "initdb"].iter().all(|name| folder.join(name).is_file());
    if let Some(named) = env::var_os(FOLDER_VARIABLE).filter(|named| !named.is_empty()) {
        return Some(PathBuf::from(named)).filter(has_both).ok_or(PrivateDatabaseError::NotInstalled);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).find(has_both);
    on_path.or_else(|| newest(Path::new(DISTRIBUTION), has_both)).ok_or(PrivateDatabaseError::NotInstalled)
}

fn newest(distribution: &Path, has_both: impl Fn(&PathBuf) -> bool) -> Option<PathBuf> {
    let versions = fs::read_dir(distribution).ok()?.flatten();
    let numbered = versions.filter_map(|version| {
        let number = version.file_name().to_str()?.parse::<f64>().ok()?;
        Some((number, version.path().join("bin")))
    });
    let usable = numbered.filter(|(_, folder)| has_both(folder));
    usable.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, folder)| folder)
}

/// Somebody else than root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct User {
    uid: u32,
    gid: u32,
}

/// Whom Postgres is to run as; `None`: as whoever we are.
fn other_user() -> Result<Option<User>, PrivateDatabaseError> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let known = fs::read_to_string("/etc/passwd").map_err(io_error("reading /etc/passwd"))?;
    let found = UNPRIVILEGED.iter().find_map(|name| user(&known, name));
    found.map(Some).ok_or(PrivateDatabaseError::NobodyElse)
}

/// The line of this name in `/etc/passwd`.
fn user(known: &str, name: &str) -> Option<User> {
    let mut fields =
        known.lines().map(|line| line.split(':')).find(|fields| fields.clone().next() == Some(name))?;
    let (uid, gid) = (fields.nth(2)?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(User { uid, gid })
}

/// What private servers are copies of; gone with this value.
#[derive(Debug)]
pub struct Template {
    programs: PathBuf,
    user: Option<User>,
    folder: Folder,
    password: String,
}

impl Template {
    /// Runs `initdb`: about a second. The kernel ends it with the calling *thread*.
    ///
    /// # Errors
    /// Postgres is not installed, or `initdb` fails.
    pub fn create() -> Result<Self, PrivateDatabaseError> {
        let (programs, user) = (find_programs()?, other_user()?);
        let folder = Folder::new(user)?;
        let password = random_password().map_err(io_error("reading /dev/urandom"))?;
        let password_file = folder.path().join("password");
        write_private(&password_file, &password, user)
            .map_err(io_error("writing the database's password"))?;
        let program = programs.join("initdb");
        let mut command = quiet(&program, folder.path(), user);
        command.args(["--username", NAME, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"]);
        command.args(["--no-sync", "--no-instructions", "--wal-segsize", "1", "--pgdata"]).arg(data(&folder));
        command.arg("--pwfile").arg(&password_file).stdout(Stdio::piped()).stderr(Stdio::piped());
        let ended = bind_to_parent(&mut command, &[]).output().map_err(io_error("starting initdb"))?;
        if !ended.status.success() {
            return Err(PrivateDatabaseError::NotReady { program, log: tail(&ended.stderr) });
        }
        fs::remove_file(&password_file).map_err(io_error("removing the database's password"))?;
        Ok(Self { programs, user, folder, password })
    }

    /// Starts a fresh server on a copy, on a free port of the loopback address, pinned to `cores` unless empty, and
    /// waits until it answers. The kernel ends it with the calling *thread*, see [`bind_to_parent`].
    ///
    /// # Errors
    /// It does not start, or does not answer.
    pub fn start(&self, cores: &[usize]) -> Result<PrivateDatabase, PrivateDatabaseError> {
        let mut last = None;
        for _ in 0..PORTS_TRIED {
            match self.start_once(cores) {
                Err(error @ PrivateDatabaseError::NotReady { .. }) => last = Some(error),
                other => return other,
            }
        }
        Err(last.expect("at least one port is tried"))
    }

    fn start_once(&self, cores: &[usize]) -> Result<PrivateDatabase, PrivateDatabaseError> {
        let folder = Folder::new(self.user)?;
        copy_tree(&data(&self.folder), &data(&folder), self.user)
            .map_err(io_error("copying the database"))?;
        let address = self.choose_address().map_err(io_error("choosing a port"))?;
        let settings = format!("{SETTINGS}port = {}\n", address.port);
        append(&data(&folder).join("postgresql.conf"), &settings)
            .map_err(io_error("configuring postgres"))?;
        let program = self.programs.join("postgres");
        let log = File::create(log_file(&folder)).map_err(io_error("creating the database's log"))?;
        let again = log.try_clone().map_err(io_error("creating the database's log"))?;
        let mut command = quiet(&program, folder.path(), self.user);
        command.arg("-D").arg(data(&folder)).stdout(again).stderr(log);
        // It ends its own children and gives its shared memory back; a killed one would leave that behind.
        let child = end_with_parent(&mut command, cores, Signal::QUIT).spawn();
        let mut process = Process { child: child.map_err(io_error("starting postgres"))?, program, folder };
        let description = process.wait_until_ready(&address)?;
        let user = if self.user.is_some() { ", not root" } else { "" };
        let settings = format!("private (postgres{user}), {}", description.settings);
        let description = ServerDescription { settings, ..description };
        Ok(PrivateDatabase { process, address, description })
    }

    fn choose_address(&self) -> io::Result<DatabaseAddress> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let (host, password) = (Ipv4Addr::LOCALHOST.to_string(), Some(self.password.clone()));
        // The database that every cluster has.
        Ok(DatabaseAddress { host, port, user: NAME.to_owned(), password, database: "postgres".to_owned() })
    }
}

/// A running private database; dropping it ends it and removes its folder.
#[derive(Debug)]
pub struct PrivateDatabase {
    process: Process,
    address: DatabaseAddress,
    description: ServerDescription,
}

impl PrivateDatabase {
    /// Where it listens, password included.
    pub fn address(&self) -> &DatabaseAddress {
        &self.address
    }

    /// Its first process; there is one more for each connection, and some for housekeeping: its children.
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// What a result says about it.
    pub fn description(&self) -> &ServerDescription {
        &self.description
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.process.child.try_wait(), Ok(None))
    }
}

#[derive(Debug)]
struct Process {
    child: Child,
    program: PathBuf,
    folder: Folder,
}

impl Process {
    /// Waits for the first answer, which says what it is. Whoever accepts our random password is our server.
    fn wait_until_ready(
        &mut self,
        address: &DatabaseAddress,
    ) -> Result<ServerDescription, PrivateDatabaseError> {
        for _ in 0..READINESS_CHECKS {
            if !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            match describe(address) {
                Ok(described) => return Ok(described),
                Err(error) if error.is_unavailable() => sleep(READINESS_PAUSE),
                Err(_) => break,
            }
        }
        let log = fs::read(log_file(&self.folder)).unwrap_or_default();
        Err(PrivateDatabaseError::NotReady { program: self.program.clone(), log: tail(&log) })
    }

    fn ended_in_order(&mut self) -> bool {
        let Some(pid) = Pid::from_raw(self.child.id() as i32) else { return false };
        // Its "immediate" shutdown. It may have ended already.
        let _ = kill_process(pid, Signal::QUIT);
        (0..END_CHECKS).any(|_| {
            let ended = !matches!(self.child.try_wait(), Ok(None));
            if !ended {
                sleep(END_PAUSE);
            }
            ended
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.ended_in_order() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

fn data(folder: &Folder) -> PathBuf {
    folder.path().join("data")
}

fn log_file(folder: &Folder) -> PathBuf {
    folder.path().join("server.log")
}

/// The last lines of a log.
fn tail(log: &[u8]) -> String {
    let text = String::from_utf8_lossy(log);
    let lines: Vec<&str> = text.lines().rev().filter(|line| !line.trim().is_empty()).take(3).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
}

/// A command without input and without the settings of other databases, in a folder that its user may enter.
fn quiet(program: &Path, folder: &Path, user: Option<User>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).current_dir(folder);
    let is_setting = |name: &OsStr| name.as_encoded_bytes().starts_with(b"PG");
    for (name, _) in env::vars_os().filter(|(name, _)| is_setting(name)) {
        command.env_remove(name);
    }
    if let Some(User { uid, gid }) = user {
        command.uid(uid).gid(gid);
    }
    command
}

/// A folder that goes with this value, and with this process should it be killed.
#[derive(Debug)]
struct Folder {
    folder: TempDir,
    /// Waits for the end of its standard input, whose other end we hold; then removes what is still there.
    remover: Child,
}

/// Servers of the folder need a moment to end by themselves; until then they may write into it.
const REMOVE: &str = "read -r end; for pause in 0.5 1 2; do sleep $pause; rm -rf -- \"$0\" && break; done";

impl Folder {
    fn new(user: Option<User>) -> Result<Self, PrivateDatabaseError> {
        let folder = TempDir::with_prefix("revbench-database-").map_err(io_error("creating a folder"))?;
        give(folder.path(), user).map_err(io_error("giving the folder to the database's user"))?;
        let mut remover = Command::new("/bin/sh");
        remover.args(["-c", REMOVE]).arg(folder.path()).process_group(0);
        remover.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let remover = remover.spawn().map_err(io_error("starting /bin/sh"))?;
        Ok(Self { folder, remover })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The folder itself removes what is in it.
        let _ = self.remover.kill();
        let _ = self.remover.wait();
    }
}

fn give(path: &Path, user: Option<User>) -> io::Result<()> {
    user.map_or(Ok(()), |User { uid, gid }| chown(path, Some(uid), Some(gid)))
}

/// A file that only its user reads.
fn write_private(path: &Path, text: &str, user: Option<User>) -> io::Result<()> {
    File::options().write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())?;
    give(path, user)
}

fn append(path: &Path, text: &str) -> io::Result<()> {
    File::options().append(true).open(path)?.write_all(text.as_bytes())
}

/// Copies a folder of folders and files, which is all that a fresh cluster consists of.
fn copy_tree(from: &Path, to: &Path, user: Option<User>) -> io::Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o700))?;
    give(to, user)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let copy = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &copy, user)?;
        } else {
            fs::copy(entry.path(), &copy)?;
            give(&copy, user)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_by_name() {
        let known = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65533:n:/:/bin/false\nbad:x:y:z\n";
        assert_eq!(user(known, "nobody"), Some(User { uid: 65_534, gid: 65_533 }));
        assert_eq!(user(known, "postgres"), None);
        assert_eq!(user(known, "bad"), None);
    }

    #[test]
    fn the_newest_version_is_by_number() {
        let folder = TempDir::new().unwrap();
        for version in ["9.6", "15", "8.4", "current"] {
            fs::create_dir_all(folder.path().join(version).join("bin")).unwrap();
        }
        assert_eq!(newest(folder.path(), |_| true), Some(folder.path().join("15/bin")));
        assert_eq!(newest(folder.path(), |_| false), None);
    }

    #[test]
    fn logs_end_with_what_matters() {
        assert_eq!(tail(b"one\ntwo\n\nthree\nfour\n"), "two / three / four");
    }
}

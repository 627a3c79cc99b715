//! A store that is killed and comes back, with its memory on disk and without: whom each strategy then believes.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use revbench_store::child::bind_to_parent;
use revbench_store::private::find_program;
use revbench_store::{ServerKind, StoreAddress};
use revbench_strategies::StrategyKind;
use tempfile::TempDir;

use crate::fleet::{Fleet, quick};
use crate::valve::eventually;

/// A real server on a port and a folder of its own that outlive it.
pub(crate) struct Mortal {
    program: PathBuf,
    folder: TempDir,
    pub(crate) address: StoreAddress,
    persistent: bool,
    child: Option<Child>,
}

impl Mortal {
    /// `None` where no real server is installed.
    pub(crate) async fn start(persistent: bool) -> Option<Mortal> {
        let program = find_program(ServerKind::Auto).ok()?;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = StoreAddress { host: "127.0.0.1".to_owned(), port, password: None };
        let folder = TempDir::with_prefix("revbench-mortal-").unwrap();
        let mut server = Mortal { program, folder, address, persistent, child: None };
        server.spawn().await;
        Some(server)
    }

    async fn spawn(&mut self) {
        let mut command = Command::new(&self.program);
        command.arg("-").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = bind_to_parent(&mut command, &[]).spawn().unwrap();
        let log = if self.persistent { "yes" } else { "no" };
        let (port, folder) = (self.address.port, self.folder.path().display());
        let settings = format!(
            "bind 127.0.0.1\nport {port}\ndir \"{folder}\"\nsave \"\"\nappendonly {log}\nappendfsync always\n"
        );
        child.stdin.take().unwrap().write_all(settings.as_bytes()).unwrap();
        self.child = Some(child);
        eventually(async || TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
    }

    /// Killed like a power cut, and started again.
    async fn again(&mut self) {
        self.kill();
        self.spawn().await;
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Status of a revoked token and of a good one, once the store is back.
async fn after_restart(kind: StrategyKind, persistent: bool) -> Option<(u16, u16)> {
    let mut server = Mortal::start(persistent).await?;
    let fleet = Fleet::new(kind, quick(), &server.address).await;
    for subject in ["ann", "bob"] {
        fleet.seed(subject, &["orders:write"]).await;
    }
    let (ann, bob) = (fleet.sign_in("ann").await, fleet.sign_in("bob").await);
    fleet.revoke_token(&ann.access).await;
    let status = async |access: &str| fleet.call(access, "orders:write").await.status;
    assert_eq!((status(&ann.access).await, status(&bob.access).await), (401, 200), "{kind:?}");
    server.again().await;
    // While it was away, and while it reads its disk, there is no decision.
    eventually(async || status(&bob.access).await != 503).await;
    eventually(async || status(&ann.access).await != 503).await;
    Some((status(&ann.access).await, status(&bob.access).await))
}

#[tokio::test]
async fn a_store_without_a_disk_forgets_whom_it_denied() {
    use StrategyKind::{AllowList, DenyAndRefresh, DenyList, Lookup, TokenVersion, ValidAfter};
    for kind in [DenyList, DenyAndRefresh, ValidAfter, AllowList, TokenVersion, Lookup] {
        let check = async |persistent, expected: (u16, u16)| {
            if let Some(seen) = after_restart(kind, persistent).await {
                assert_eq!(seen, expected, "{kind:?}, persistent: {persistent}");
            }
        };
        check(true, (401, 200)).await;
        let without = match kind {
            // The revoked token is honoured again.
            DenyList | DenyAndRefresh | ValidAfter => (200, 200),
            // Nobody is let in.
            Lookup => (403, 403),
            _ => (401, 401),
        };
        check(false, without).await;
    }
}

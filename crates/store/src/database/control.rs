//! The control plane: what a database is and how far away it is, asked once by who starts a fleet.

use std::future::Future;
use std::thread::{scope, sleep};
use std::time::Duration;

use tokio::time::timeout;

use super::address::DatabaseAddress;
use super::client::sign_in;
use super::error::DatabaseError;
use crate::clock::monotonic_ns;
use crate::private::ServerDescription;
use crate::round_trip::{PAUSE, RoundTripStats, WARM_UP, stats};

/// How long one connection or request may take.
const LIMIT: Duration = Duration::from_secs(2);

/// What a result says about a server: its version, and the settings that decide what a commit costs.
const DESCRIBE: &str = "SELECT current_setting('server_version'), current_setting('fsync'), \
     current_setting('synchronous_commit'), current_setting('full_page_writes'), \
     current_setting('autovacuum'), current_setting('shared_buffers')";

/// Asks the database `samples` times for nothing (`SELECT 1`, prepared), one after the other.
///
/// # Errors
/// It does not answer, or no samples were asked for.
pub fn measure_round_trip(
    address: &DatabaseAddress,
    samples: usize,
) -> Result<RoundTripStats, DatabaseError> {
    let mut measured_ns = blocking(address, async {
        let (client, _driver) = within(address, sign_in(address)).await?;
        let sorted = |error| DatabaseError::sorted(&error, address);
        let statement = within(address, async { client.prepare("SELECT 1").await.map_err(sorted) }).await?;
        let mut measured_ns = Vec::with_capacity(samples);
        for ping in 0..WARM_UP + samples {
            sleep(PAUSE);
            let sent = monotonic_ns();
            within(address, async { client.query_one(&statement, &[]).await.map_err(sorted) }).await?;
            if ping >= WARM_UP {
                measured_ns.push(monotonic_ns() - sent);
            }
        }
        Ok(measured_ns)
    })?;
    stats(&mut measured_ns).ok_or_else(|| DatabaseError::Unexpected { reason: "no samples asked for".into() })
}

/// What a result says about a server that somebody else runs.
///
/// # Errors
/// It does not answer.
pub fn describe_url(address: &DatabaseAddress) -> Result<ServerDescription, DatabaseError> {
    let described = describe(address)?;
    Ok(ServerDescription {
        kind: "url".into(),
        settings: format!("yours, {}", described.settings),
        ..described
    })
}

/// What a server says about itself.
pub(super) fn describe(address: &DatabaseAddress) -> Result<ServerDescription, DatabaseError> {
    let row = blocking(address, async {
        let (client, _driver) = within(address, sign_in(address)).await?;
        let sorted = |error| DatabaseError::sorted(&error, address);
        within(address, async { client.query_one(DESCRIBE, &[]).await.map_err(sorted) }).await
    })?;
    let text = |at: usize| row.get::<_, String>(at);
    // Debian adds its own version after a space.
    let version = text(0).split_whitespace().next().unwrap_or_default().to_owned();
    let settings = format!(
        "fsync {}, synchronous_commit {}, full_page_writes {}, autovacuum {}, shared_buffers {}",
        text(1),
        text(2),
        text(3),
        text(4),
        text(5)
    );
    Ok(ServerDescription { kind: "postgres".into(), version, settings })
}

async fn within<T>(
    address: &DatabaseAddress,
    answer: impl Future<Output = Result<T, DatabaseError>>,
) -> Result<T, DatabaseError> {
    timeout(LIMIT, answer).await.unwrap_or_else(|_| {
        Err(DatabaseError::unavailable(address, format!("no answer within {} s", LIMIT.as_secs())))
    })
}

/// Waits for an answer on a thread of its own: the caller may be inside of a runtime, where waiting is forbidden.
fn blocking<T: Send>(
    address: &DatabaseAddress,
    answer: impl Future<Output = Result<T, DatabaseError>> + Send,
) -> Result<T, DatabaseError> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| DatabaseError::unavailable(address, error.to_string()))?;
        runtime.block_on(answer)
    };
    scope(|scope| scope.spawn(run).join().expect("asking does not panic"))
}

//! The store client of a server: one multiplexed, pipelined connection that comes back by itself (`reconnecting.rs`).

use std::future::Future;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ProtocolVersion, RedisConnectionInfo, RedisError, cmd};
use tokio::net::TcpStream;

use crate::address::StoreAddress;
use crate::command::{Command, Value, score_text};
use crate::error::StoreError;
use crate::reconnecting::{Driver, Limits, Place, Reconnecting};

/// Requests that may wait for the socket before a further one waits for them; the library's default of 50
/// would be felt at the rates of a load test.
const QUEUED_REQUESTS: usize = 4096;

/// A connection to a store, shared by its clones. Needs a tokio runtime, one thread is enough.
#[derive(Clone)]
pub struct Client {
    kept: Reconnecting<StoreAddress>,
}

impl Client {
    /// Connects and authenticates; the first connection is not retried.
    pub async fn connect(address: &StoreAddress, limits: Limits) -> Result<Self, StoreError> {
        Ok(Self { kept: Reconnecting::connect(address.clone(), limits).await? })
    }

    /// Asks for a sign of life.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.query(&cmd("PING")).await.map(drop)
    }

    /// The value of a key.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        bytes_or_nil(self.query(cmd("GET").arg(key)).await?)
    }

    /// The values of several keys, in their order: one operation. No keys, no request.
    pub async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        list(self.query(cmd("MGET").arg(keys)).await?)?.into_iter().map(bytes_or_nil).collect()
    }

    /// How many of the keys exist: one operation. No keys, no request.
    pub async fn count_existing(&self, keys: &[&str]) -> Result<u64, StoreError> {
        if keys.is_empty() {
            return Ok(0);
        }
        match self.query(cmd("EXISTS").arg(keys)).await? {
            Value::Integer(count) => u64::try_from(count).map_err(|_| unexpected(&count, "a count")),
            other => Err(unexpected(&other, "a count")),
        }
    }

    /// Members of a sorted set with a score above `above`, by score.
    pub async fn members_scored_above(&self, key: &str, above: f64) -> Result<Vec<String>, StoreError> {
        let above = format!("({}", score_text(above));
        let members = self.query(cmd("ZRANGEBYSCORE").arg(key).arg(above).arg("+inf")).await?;
        list(members)?.into_iter().map(text).collect()
    }

    /// Members of a sorted set by score, the lowest first, `most` of them at the most: one operation.
    pub async fn first_members(&self, key: &str, most: u64) -> Result<Vec<String>, StoreError> {
        let mut range = cmd("ZRANGEBYSCORE");
        range.arg(key).arg("-inf").arg("+inf").arg("LIMIT").arg(0).arg(most);
        list(self.query(&range).await?)?.into_iter().map(text).collect()
    }

    /// One step.
    pub async fn one(&self, command: Command) -> Result<Value, StoreError> {
        self.query(&command.encode()).await
    }

    /// All steps or none, nobody else's in between; sent as one pipeline, so one round trip. One answer per
    /// step. A step that the store refuses makes the whole an error although the others were carried out.
    pub async fn transaction(&self, commands: Vec<Command>) -> Result<Vec<Value>, StoreError> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = redis::Pipeline::with_capacity(commands.len());
        pipeline.atomic();
        for command in &commands {
            pipeline.add_command(command.encode());
        }
        let steps = commands.len() as u64;
        let ask = |mut connection| async move { pipeline.query_async(&mut connection).await };
        list(self.send(steps, ask).await?)
    }

    /// Commands sent since connect; a transaction counts its steps.
    pub fn operations(&self) -> u64 {
        self.kept.operations()
    }

    /// Requests sent since connect; a transaction counts once.
    pub fn round_trips(&self) -> u64 {
        self.kept.round_trips()
    }

    /// Requests since connect that ended as `Unavailable`, sent or not.
    pub fn unavailable(&self) -> u64 {
        self.kept.unavailable()
    }

    pub(crate) fn address(&self) -> &StoreAddress {
        self.kept.place()
    }

    pub(crate) fn limits(&self) -> Limits {
        self.kept.limits()
    }

    /// Counts a request of `operations` commands.
    pub(crate) fn count(&self, operations: u64) {
        self.kept.count(operations);
    }

    async fn query(&self, command: &Cmd) -> Result<Value, StoreError> {
        let ask = |mut connection: MultiplexedConnection| async move {
            connection.send_packed_command(command).await?.extract_error()
        };
        self.send(1, ask).await
    }

    /// Counts and sends a request of `operations` commands.
    async fn send<F>(
        &self,
        operations: u64,
        ask: impl FnOnce(MultiplexedConnection) -> F,
    ) -> Result<Value, StoreError>
    where
        F: Future<Output = Result<redis::Value, RedisError>>,
    {
        let (address, limit_ms) = (self.address(), self.limits().response_timeout_ms);
        let sorted = |error| StoreError::sorted(&error, address, limit_ms);
        let ask = |connection| async move { ask(connection).await.map_err(sorted).and_then(Value::try_from) };
        self.kept.ask(operations, ask).await
    }
}

impl Place for StoreAddress {
    type Connection = MultiplexedConnection;
    type Error = StoreError;

    async fn open(&self, limits: Limits) -> Result<(MultiplexedConnection, Driver), StoreError> {
        let info = handshake(self);
        let attempt = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            stream.set_nodelay(true)?;
            MultiplexedConnection::new_with_config(&info, stream, configuration(limits)).await
        };
        let opened: Result<_, RedisError> = attempt.await;
        let (connection, driver) =
            opened.map_err(|error| StoreError::sorted(&error, self, limits.connect_timeout_ms))?;
        Ok((connection, Box::pin(driver)))
    }

    fn unavailable(&self, reason: String) -> StoreError {
        StoreError::unavailable(self, reason)
    }

    fn is_unavailable(error: &StoreError) -> bool {
        error.is_unavailable()
    }
}

fn configuration(limits: Limits) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_response_timeout(Some(Duration::from_millis(limits.response_timeout_ms)))
        .set_pipeline_buffer_size(QUEUED_REQUESTS)
}

fn handshake(address: &StoreAddress) -> RedisConnectionInfo {
    // RESP2 says everything that `Value` holds; the library's name would be one more command per connection.
    let info = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP2).set_skip_set_lib_name();
    match &address.password {
        Some(password) => info.set_password(password),
        None => info,
    }
}

fn unexpected(value: &impl std::fmt::Debug, expected: &str) -> StoreError {
    StoreError::Unexpected { reason: format!("{value:?} instead of {expected}") }
}

fn list(value: Value) -> Result<Vec<Value>, StoreError> {
    match value {
        Value::List(values) => Ok(values),
        other => Err(unexpected(&other, "a list")),
    }
}

fn bytes_or_nil(value: Value) -> Result<Option<Vec<u8>>, StoreError> {
    match value {
        Value::Nil => Ok(None),
        Value::Bytes(bytes) => Ok(Some(bytes)),
        // A value that happens to be the word OK is a value.
        Value::Ok => Ok(Some(b"OK".to_vec())),
        other => Err(unexpected(&other, "a value")),
    }
}

fn text(value: Value) -> Result<String, StoreError> {
    let Some(bytes) = bytes_or_nil(value)? else { return Err(unexpected(&Value::Nil, "text")) };
    String::from_utf8(bytes).map_err(|error| unexpected(&error.into_bytes(), "text"))
}

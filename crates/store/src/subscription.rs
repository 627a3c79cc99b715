//! A subscription to a channel: a connection of its own, asked for a sign of life when it is quiet.
//!
//! A store delivers a message at most once and keeps none for who is away. The end of a subscription is therefore
//! news to whoever acts on its messages, and is told instead of being mended in silence: [`Subscription::renew`]
//! says from when on messages come again, and what was missed before then is the caller's to make good. A peer that
//! is gone without a word (half open) sounds like one that has nothing to say; so silence is answered with a PING,
//! and a PING that is not answered in time is an end.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use redis::cmd;
use redis_protocol::resp2::decode::decode_bytes_mut;
use redis_protocol::resp2::types::BytesFrame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::client::Client;
use crate::error::StoreError;
use crate::reconnecting::RECONNECT_PAUSE;

/// Read at once at the least.
const READ_BYTES: usize = 4 << 10;

/// Messages of one channel, in their order.
pub struct Subscription {
    client: Client,
    channel: String,
    heartbeat_ms: u64,
    line: Line,
}

/// What is said to a subscriber.
#[derive(Debug, PartialEq)]
enum Said {
    /// The password is right.
    Welcome,
    /// From here on messages come.
    Subscribed,
    /// A message.
    Message(Bytes),
    /// The answer to a PING.
    Pong,
}

impl Client {
    /// Subscribes to a channel over a connection of its own, with this client's address and limits. Once it
    /// returns, every message published from now on comes. After `heartbeat_ms` without a word the store is asked
    /// for a sign of life, and that is counted as an operation of this client; connecting is not.
    ///
    /// # Errors
    /// No connection, or no confirmation within the limit for connecting; or the store refused.
    pub async fn subscribe(&self, channel: &str, heartbeat_ms: u64) -> Result<Subscription, StoreError> {
        let line = Line::subscribed(self, channel).await?;
        Ok(Subscription { client: self.clone(), channel: channel.to_owned(), heartbeat_ms, line })
    }
}

impl Subscription {
    /// The next message. Not to be dropped before it returns: a PING may be under way.
    ///
    /// # Errors
    /// The subscription is over, and messages may have been missed.
    pub async fn next(&mut self) -> Result<Bytes, StoreError> {
        loop {
            while let Some(said) = self.line.take().map_err(|error| self.told(error))? {
                if let Said::Message(message) = said {
                    return Ok(message);
                }
            }
            let heartbeat = Duration::from_millis(self.heartbeat_ms);
            match timeout(heartbeat, self.line.hear()).await {
                Ok(heard) => heard.map_err(|error| self.told(error))?,
                Err(_) => self.ask_for_a_sign_of_life().await?,
            }
        }
    }

    /// Subscribes again, however long that takes. Messages come again from its return on.
    pub async fn renew(&mut self) {
        loop {
            sleep(RECONNECT_PAUSE).await;
            if let Ok(line) = Line::subscribed(&self.client, &self.channel).await {
                self.line = line;
                return;
            }
        }
    }

    /// Whatever comes is one; messages may be on their way before the answer.
    async fn ask_for_a_sign_of_life(&mut self) -> Result<(), StoreError> {
        self.client.count(1);
        let limit_ms = self.client.limits().response_timeout_ms;
        let asked = async {
            self.line.say(&cmd("PING").get_packed_command()).await?;
            self.line.hear().await
        };
        match timeout(Duration::from_millis(limit_ms), asked).await {
            Ok(heard) => heard.map_err(|error| self.told(error)),
            Err(_) => {
                let silence_ms = self.heartbeat_ms + limit_ms;
                let words = format!("no sign of life of the subscription for {silence_ms} ms");
                Err(StoreError::unavailable(self.client.address(), words))
            }
        }
    }

    fn told(&self, failure: Failure) -> StoreError {
        failure.of(&self.client)
    }
}

/// What went wrong on a line.
#[derive(Debug)]
enum Failure {
    /// The connection.
    Io(std::io::Error),
    /// The store's own words.
    Refused(String),
    /// Something else than a subscriber is told.
    Nonsense(String),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::Io(error)
    }
}

impl Failure {
    fn of(self, client: &Client) -> StoreError {
        match self {
            Failure::Io(error) => StoreError::unavailable(client.address(), error.to_string()),
            Failure::Nonsense(reason) => StoreError::Unexpected { reason },
            Failure::Refused(reason)
                if ["NOAUTH", "WRONGPASS"].iter().any(|code| reason.starts_with(code)) =>
            {
                StoreError::WrongPassword { address: client.address().to_string(), reason }
            }
            Failure::Refused(reason) => StoreError::Refused { reason },
        }
    }
}

/// A connection of a subscriber.
struct Line {
    socket: TcpStream,
    input: BytesMut,
}

impl Line {
    /// Connects and subscribes, within the client's limit for connecting.
    async fn subscribed(client: &Client, channel: &str) -> Result<Line, StoreError> {
        let limit_ms = client.limits().connect_timeout_ms;
        match timeout(Duration::from_millis(limit_ms), Line::open(client, channel)).await {
            Ok(opened) => opened.map_err(|failure| failure.of(client)),
            Err(_) => {
                let words = format!("no subscription within {limit_ms} ms");
                Err(StoreError::unavailable(client.address(), words))
            }
        }
    }

    async fn open(client: &Client, channel: &str) -> Result<Line, Failure> {
        let address = client.address();
        let socket = TcpStream::connect((address.host.as_str(), address.port)).await?;
        socket.set_nodelay(true)?;
        let mut line = Line { socket, input: BytesMut::new() };
        let mut words = Vec::new();
        if let Some(password) = &address.password {
            words.extend(cmd("AUTH").arg(password).get_packed_command());
        }
        words.extend(cmd("SUBSCRIBE").arg(channel).get_packed_command());
        line.say(&words).await?;
        loop {
            match line.take()? {
                Some(Said::Subscribed) => return Ok(line),
                Some(_) => {}
                None => line.hear().await?,
            }
        }
    }

    async fn say(&mut self, words: &[u8]) -> Result<(), Failure> {
        Ok(self.socket.write_all(words).await?)
    }

    /// Waits for bytes.
    async fn hear(&mut self) -> Result<(), Failure> {
        self.input.reserve(READ_BYTES);
        match self.socket.read_buf(&mut self.input).await? {
            0 => Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
            _ => Ok(()),
        }
    }

    /// What has arrived whole.
    fn take(&mut self) -> Result<Option<Said>, Failure> {
        let frame =
            decode_bytes_mut(&mut self.input).map_err(|error| Failure::Nonsense(error.to_string()))?;
        frame.map(|(frame, ..)| understood(&frame)).transpose()
    }
}

fn understood(frame: &BytesFrame) -> Result<Said, Failure> {
    match frame {
        BytesFrame::Error(words) => return Err(Failure::Refused(words.to_string())),
        BytesFrame::SimpleString(_) => return Ok(Said::Welcome),
        BytesFrame::Array(frames) => match &frames[..] {
            [BytesFrame::BulkString(kind), _, BytesFrame::BulkString(message)] if kind == "message" => {
                return Ok(Said::Message(message.clone()));
            }
            [BytesFrame::BulkString(kind), ..] if kind == "subscribe" => return Ok(Said::Subscribed),
            [BytesFrame::BulkString(kind), ..] if kind == "pong" => return Ok(Said::Pong),
            _ => {}
        },
        _ => {}
    }
    Err(Failure::Nonsense(format!("{frame:?} instead of a message")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &'static str) -> BytesFrame {
        BytesFrame::BulkString(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn subscribers_are_told_few_things() {
        let check = |frame: BytesFrame, expected: Option<Said>| {
            assert_eq!(understood(&frame).ok(), expected, "{frame:?}");
        };
        let list = |frames: Vec<BytesFrame>| BytesFrame::Array(frames);
        check(BytesFrame::SimpleString(Bytes::from_static(b"OK")), Some(Said::Welcome));
        check(list(vec![bulk("subscribe"), bulk("c"), BytesFrame::Integer(1)]), Some(Said::Subscribed));
        check(
            list(vec![bulk("message"), bulk("c"), bulk("m")]),
            Some(Said::Message(Bytes::from_static(b"m"))),
        );
        check(list(vec![bulk("pong"), bulk("")]), Some(Said::Pong));
        check(list(vec![bulk("message"), bulk("c")]), None);
        check(list(vec![bulk("unsubscribe"), bulk("c"), BytesFrame::Integer(0)]), None);
        check(list(Vec::new()), None);
        check(BytesFrame::Integer(1), None);
        check(BytesFrame::Error("ERR no".into()), None);
    }
}

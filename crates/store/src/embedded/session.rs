//! What the server knows of one connection, and the way of a command through it.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::arguments::quoted;
use super::reply::{Failure, Reply};
use super::server::Server;
use super::table::{Run, Spec};
use super::transactions::Transaction;

/// One connection.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) id: u64,
    pub(super) authenticated: bool,
    /// Between MULTI and EXEC.
    pub(super) transaction: Option<Transaction>,
    pub(super) channels: BTreeSet<Bytes>,
    pub(super) name: Bytes,
    /// The client said QUIT.
    pub(super) closing: bool,
}

impl Server {
    /// Answers one command. The checks come in the order of Redis 7.0.
    pub(super) fn answer(&mut self, session: &mut Session, mut words: Vec<Bytes>, now_ms: i64) -> Reply {
        let spec = match self.admit(session, &words) {
            Ok(spec) => spec,
            Err(failure) => {
                if let Some(transaction) = &mut session.transaction {
                    transaction.refuse();
                }
                return Reply::Error(failure);
            }
        };
        let arguments = words.split_off(1);
        match &mut session.transaction {
            Some(transaction) if !spec.controls_transaction() => transaction.queue(spec, arguments),
            _ => self.run(session, spec, &arguments, now_ms),
        }
    }

    /// Whether the command exists, is complete, and may be given by this session now.
    fn admit(&self, session: &Session, words: &[Bytes]) -> Result<&'static Spec, Failure> {
        let name = words.first().ok_or(Failure::SYNTAX)?.to_ascii_lowercase();
        let spec = self
            .find(&name)
            .ok_or_else(|| Failure::needs_a_real_server(&format!("command '{}'", quoted(&words[0]))))?;
        if !spec.takes(words.len()) {
            return Err(Failure::told(&format!("ERR wrong number of arguments for '{}' command", spec.name)));
        }
        if !session.authenticated && !spec.before_authentication() {
            return Err(Failure::known("NOAUTH Authentication required."));
        }
        if !session.channels.is_empty() && !spec.while_subscribed() {
            return Err(Failure::told(&format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are \
                 allowed in this context",
                spec.name
            )));
        }
        // Their several answers have no place among those of EXEC.
        if session.transaction.is_some() && spec.answers_several() {
            return Err(Failure::needs_a_real_server(&format!("{} inside MULTI", spec.name)));
        }
        Ok(spec)
    }

    /// Carries a command out.
    pub(super) fn run(
        &mut self,
        session: &mut Session,
        spec: &'static Spec,
        arguments: &[Bytes],
        now_ms: i64,
    ) -> Reply {
        self.commands += 1;
        let outcome = match spec.run {
            Run::Data(handler) => handler(&mut self.keyspace, arguments, now_ms),
            Run::Session(handler) => handler(self, session, arguments, now_ms),
        };
        outcome.unwrap_or_else(Reply::Error)
    }
}

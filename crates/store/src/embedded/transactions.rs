//! Transactions: MULTI, EXEC, DISCARD. One thread: what EXEC runs is alone by nature.

use bytes::Bytes;

use super::reply::{Failure, Outcome, Reply};
use super::server::Server;
use super::session::Session;
use super::table::Spec;

/// Commands between MULTI and EXEC.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    queued: Vec<(&'static Spec, Vec<Bytes>)>,
    refused: bool,
}

impl Transaction {
    pub(super) fn queue(&mut self, spec: &'static Spec, arguments: Vec<Bytes>) -> Reply {
        self.queued.push((spec, arguments));
        Reply::Simple("QUEUED")
    }

    /// A command was not even queued: EXEC will carry out none.
    pub(super) fn refuse(&mut self) {
        self.refused = true;
    }
}

pub(super) fn multi(_: &mut Server, session: &mut Session, _: &[Bytes], _: i64) -> Outcome {
    if session.transaction.is_some() {
        return Err(Failure::known("ERR MULTI calls can not be nested"));
    }
    session.transaction = Some(Transaction::default());
    Ok(Reply::OK)
}

pub(super) fn discard(_: &mut Server, session: &mut Session, _: &[Bytes], _: i64) -> Outcome {
    let transaction = session.transaction.take();
    transaction.map(|_| Reply::OK).ok_or(Failure::known("ERR DISCARD without MULTI"))
}

pub(super) fn exec(server: &mut Server, session: &mut Session, _: &[Bytes], now_ms: i64) -> Outcome {
    let transaction = session.transaction.take().ok_or(Failure::known("ERR EXEC without MULTI"))?;
    if transaction.refused {
        return Err(Failure::known("EXECABORT Transaction discarded because of previous errors."));
    }
    let run = |(spec, arguments): (_, Vec<Bytes>)| server.run(session, spec, &arguments, now_ms);
    Ok(Reply::List(transaction.queued.into_iter().map(run).collect()))
}

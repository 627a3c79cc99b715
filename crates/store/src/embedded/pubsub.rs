//! Publish and subscribe: PUBLISH, SUBSCRIBE, UNSUBSCRIBE.

use bytes::{Bytes, BytesMut};

use super::arguments::owned;
use super::reply::{Outcome, Reply};
use super::server::Server;
use super::session::Session;

pub(super) fn publish(server: &mut Server, _: &mut Session, arguments: &[Bytes], _: i64) -> Outcome {
    let Some(subscribers) = server.channels.get(&arguments[0]) else { return Ok(Reply::Integer(0)) };
    let words = [Bytes::from_static(b"message"), arguments[0].clone(), arguments[1].clone()];
    let mut message = BytesMut::new();
    Reply::List(words.map(Reply::Bytes).into()).encode(&mut message);
    let message = message.freeze();
    server.deliveries.extend(subscribers.iter().map(|session| (*session, message.clone())));
    Ok(Reply::count(subscribers.len()))
}

pub(super) fn subscribe(server: &mut Server, session: &mut Session, channels: &[Bytes], _: i64) -> Outcome {
    let answers = channels.iter().map(|channel| {
        let channel = owned(channel);
        session.channels.insert(channel.clone());
        server.channels.entry(channel.clone()).or_default().insert(session.id);
        answer("subscribe", Reply::Bytes(channel), session)
    });
    Ok(Reply::Several(answers.collect()))
}

pub(super) fn unsubscribe(server: &mut Server, session: &mut Session, channels: &[Bytes], _: i64) -> Outcome {
    let channels: Vec<Bytes> =
        if channels.is_empty() { session.channels.iter().cloned().collect() } else { channels.to_vec() };
    if channels.is_empty() {
        return Ok(answer("unsubscribe", Reply::Nil, session));
    }
    let answers = channels.into_iter().map(|channel| {
        session.channels.remove(&channel);
        server.forget_subscription(session.id, &channel);
        answer("unsubscribe", Reply::Bytes(channel), session)
    });
    Ok(Reply::Several(answers.collect()))
}

fn answer(act: &str, channel: Reply, session: &Session) -> Reply {
    Reply::List(vec![Reply::text(act), channel, Reply::count(session.channels.len())])
}

impl Server {
    /// A connection is gone.
    pub(super) fn forget_session(&mut self, session: &Session) {
        for channel in &session.channels {
            self.forget_subscription(session.id, channel);
        }
    }

    fn forget_subscription(&mut self, session: u64, channel: &Bytes) {
        let Some(subscribers) = self.channels.get_mut(channel) else { return };
        subscribers.remove(&session);
        if subscribers.is_empty() {
            self.channels.remove(channel);
        }
    }
}

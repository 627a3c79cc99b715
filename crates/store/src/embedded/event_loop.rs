//! Sockets of the embedded server: one thread, one epoll, answers in the order of the commands.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use bytes::{Buf, Bytes, BytesMut};
use redis_protocol::resp2::decode::decode_bytes_mut;
use redis_protocol::resp2::types::BytesFrame;

use super::reply::{Failure, Reply};
use super::server::Server;
use super::session::Session;
use crate::clock::wall_ms;
use crate::poller::{Interest, Poller, Ready};

const LISTENER: u64 = 0;

/// Read at once; more comes with the next event, after the others had theirs.
const READ_BYTES: usize = 64 << 10;

/// A client that sends a larger command, or reads its answers slower than this, is cut off.
const BUFFERED_BYTES: usize = 64 << 20;

/// How often keys that nobody asks for are looked at, and how many at once.
const EXPIRY_PAUSE_NS: u64 = 100_000_000;
const EXPIRED_AT_ONCE: usize = 1_000;

pub(super) struct EventLoop {
    poller: Poller,
    listener: TcpListener,
    server: Server,
    connections: HashMap<u64, Connection>,
    last_id: u64,
    buffer: Box<[u8]>,
}

struct Connection {
    socket: TcpStream,
    session: Session,
    input: BytesMut,
    output: BytesMut,
    watched: Interest,
}

impl EventLoop {
    pub(super) fn new(listener: TcpListener, password: Option<String>) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let poller = Poller::new()?;
        poller.watch(&listener, LISTENER, Interest::READ)?;
        Ok(Self {
            poller,
            listener,
            server: Server::new(password),
            connections: HashMap::new(),
            last_id: LISTENER,
            buffer: vec![0; READ_BYTES].into(),
        })
    }

    pub(super) fn run(mut self) -> io::Result<Infallible> {
        let (mut ready, mut more_expired) = (Vec::new(), false);
        loop {
            let pause_ns = if more_expired { 0 } else { EXPIRY_PAUSE_NS };
            let timeout_ns = self.server.keyspace.has_ends().then_some(pause_ns);
            self.poller.wait(timeout_ns, &mut ready)?;
            for event in &ready {
                if event.token == LISTENER {
                    self.accept_all()?;
                } else {
                    self.serve(*event);
                }
            }
            more_expired = self.server.keyspace.remove_expired(wall_ms(), EXPIRED_AT_ONCE);
        }
    }

    fn accept_all(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((socket, _)) => drop(self.add(socket)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error)
                    if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn add(&mut self, socket: TcpStream) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        self.last_id += 1;
        self.poller.watch(&socket, self.last_id, Interest::READ)?;
        let connection = Connection {
            socket,
            session: self.server.new_session(self.last_id),
            input: BytesMut::new(),
            output: BytesMut::new(),
            watched: Interest::READ,
        };
        self.connections.insert(self.last_id, connection);
        self.server.connections = self.connections.len();
        Ok(())
    }

    fn serve(&mut self, event: Ready) {
        let Some(connection) = self.connections.get_mut(&event.token) else { return };
        let mut outcome = Ok(());
        if event.read {
            outcome = connection.read(&mut self.buffer).map(|()| connection.answer_all(&mut self.server));
        }
        self.finish(event.token, outcome);
        for (session, message) in std::mem::take(&mut self.server.deliveries) {
            if let Some(subscriber) = self.connections.get_mut(&session) {
                subscriber.output.extend_from_slice(&message);
                self.finish(session, Ok(()));
            }
        }
    }

    /// Writes what a connection has to say; removes it when it is over.
    fn finish(&mut self, id: u64, outcome: io::Result<()>) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let written = outcome.and_then(|()| connection.write()).and_then(|()| connection.watch(&self.poller));
        let said_all = connection.session.closing && connection.output.is_empty();
        if (written.is_err() || said_all)
            && let Some(gone) = self.connections.remove(&id)
        {
            self.server.forget_session(&gone.session);
            self.server.connections = self.connections.len();
        }
    }
}

impl Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        match self.socket.read(buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) if self.input.len() > BUFFERED_BYTES => Err(ErrorKind::OutOfMemory.into()),
            Ok(length) => {
                self.input.extend_from_slice(&buffer[..length]);
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Answers every command that has arrived whole.
    fn answer_all(&mut self, server: &mut Server) {
        let now_ms = wall_ms();
        while !self.session.closing {
            let reply = match decode_bytes_mut(&mut self.input) {
                Ok(None) => return,
                Ok(Some((frame, ..))) => match words(frame) {
                    Some(words) if words.is_empty() => continue,
                    Some(words) => server.answer(&mut self.session, words, now_ms),
                    None => self.protocol_error(),
                },
                Err(_) => self.protocol_error(),
            };
            reply.encode(&mut self.output);
        }
    }

    fn protocol_error(&mut self) -> Reply {
        self.session.closing = true;
        Reply::Error(Failure::known("ERR Protocol error: expected an array of bulk strings"))
    }

    fn write(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            match self.socket.write(&self.output) {
                Ok(written) => self.output.advance(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.output.len() > BUFFERED_BYTES { Err(ErrorKind::OutOfMemory.into()) } else { Ok(()) }
    }

    fn watch(&mut self, poller: &Poller) -> io::Result<()> {
        let wanted = Interest { read: true, write: !self.output.is_empty() };
        poller.change(&self.socket, self.session.id, self.watched, wanted)?;
        self.watched = wanted;
        Ok(())
    }
}

/// The words of a command.
fn words(frame: BytesFrame) -> Option<Vec<Bytes>> {
    let BytesFrame::Array(frames) = frame else { return None };
    let word = |frame| if let BytesFrame::BulkString(word) = frame { Some(word) } else { None };
    frames.into_iter().map(word).collect()
}

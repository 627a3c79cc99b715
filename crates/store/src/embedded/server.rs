//! The server itself: HELLO, AUTH, PING, CLIENT, SELECT, INFO, COMMAND, QUIT.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;

use super::arguments::{integer, is, owned, quoted};
use super::keyspace::Keyspace;
use super::reply::{Failure, Outcome, Reply};
use super::session::Session;
use super::table::{Spec, TABLE};
use super::{KIND, VERSION};

const WRONG_PASSWORD: Failure =
    Failure::known("WRONGPASS invalid username-password pair or user is disabled.");

/// All that the connections share.
pub(super) struct Server {
    pub(super) keyspace: Keyspace,
    /// Sessions by the channels that they listen to.
    pub(super) channels: HashMap<Bytes, BTreeSet<u64>>,
    /// Messages that are still to be written to other sessions.
    pub(super) deliveries: Vec<(u64, Bytes)>,
    /// Commands carried out.
    pub(super) commands: u64,
    pub(super) connections: usize,
    password: Option<String>,
    by_name: HashMap<&'static [u8], &'static Spec>,
}

impl Server {
    pub(super) fn new(password: Option<String>) -> Self {
        Self {
            keyspace: Keyspace::default(),
            channels: HashMap::new(),
            deliveries: Vec::new(),
            commands: 0,
            connections: 0,
            password,
            by_name: TABLE.iter().map(|spec| (spec.name.as_bytes(), spec)).collect(),
        }
    }

    pub(super) fn find(&self, lower_case_name: &[u8]) -> Option<&'static Spec> {
        self.by_name.get(lower_case_name).copied()
    }

    pub(super) fn new_session(&self, id: u64) -> Session {
        Session { id, authenticated: self.password.is_none(), ..Session::default() }
    }

    fn authenticate(&self, session: &mut Session, user: &[u8], password: &[u8]) -> Result<(), Failure> {
        let expected = self.password.as_ref().is_none_or(|expected| expected.as_bytes() == password);
        if user != b"default" || !expected {
            return Err(WRONG_PASSWORD);
        }
        session.authenticated = true;
        Ok(())
    }
}

pub(super) fn auth(server: &mut Server, session: &mut Session, arguments: &[Bytes], _: i64) -> Outcome {
    match arguments {
        [_] if server.password.is_none() => Err(Failure::known(
            "ERR AUTH <password> called without any password configured for the default user. Are you \
             sure your configuration is correct?",
        )),
        [password] => server.authenticate(session, b"default", password).map(|()| Reply::OK),
        [user, password] => server.authenticate(session, user, password).map(|()| Reply::OK),
        _ => Err(Failure::SYNTAX),
    }
}

pub(super) fn hello(server: &mut Server, session: &mut Session, arguments: &[Bytes], _: i64) -> Outcome {
    if let Some((version, options)) = arguments.split_first() {
        let number = integer(version)
            .map_err(|_| Failure::known("ERR Protocol version is not an integer or out of range"))?;
        match number {
            2 => hello_options(server, session, options)?,
            3 => return Err(Failure::told(&format!("NOPROTO RESP3 {}", crate::error::NEEDS_REAL_SERVER))),
            _ => return Err(Failure::known("NOPROTO unsupported protocol version")),
        }
    }
    if !session.authenticated {
        return Err(Failure::known(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> \
             AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol \
             version at the same time",
        ));
    }
    let id = session.id as i64;
    let fields = [
        ("server", Reply::text(KIND)),
        ("version", Reply::text(VERSION)),
        ("proto", Reply::Integer(2)),
        ("id", Reply::Integer(id)),
        ("mode", Reply::text("standalone")),
        ("role", Reply::text("master")),
        ("modules", Reply::List(Vec::new())),
    ];
    Ok(Reply::List(fields.into_iter().flat_map(|(name, value)| [Reply::text(name), value]).collect()))
}

fn hello_options(server: &Server, session: &mut Session, mut options: &[Bytes]) -> Result<(), Failure> {
    loop {
        match options {
            [] => return Ok(()),
            [option, user, password, rest @ ..] if is(option, "AUTH") => {
                server.authenticate(session, user, password)?;
                options = rest;
            }
            [option, name, rest @ ..] if is(option, "SETNAME") => {
                session.name = owned(name);
                options = rest;
            }
            [other, ..] => {
                let other = quoted(other);
                return Err(Failure::told(&format!("ERR Syntax error in HELLO option '{other}'")));
            }
        }
    }
}

pub(super) fn ping(_: &mut Server, session: &mut Session, arguments: &[Bytes], _: i64) -> Outcome {
    let echoed = arguments.first().cloned();
    match arguments {
        [] | [_] if !session.channels.is_empty() => {
            Ok(Reply::List(vec![Reply::text("pong"), Reply::Bytes(echoed.unwrap_or_default())]))
        }
        [] | [_] => Ok(echoed.map_or(Reply::Simple("PONG"), Reply::Bytes)),
        _ => Err(Failure::known("ERR wrong number of arguments for 'ping' command")),
    }
}

pub(super) fn echo(_: &mut Server, _: &mut Session, arguments: &[Bytes], _: i64) -> Outcome {
    Ok(Reply::Bytes(arguments[0].clone()))
}

pub(super) fn client(_: &mut Server, session: &mut Session, arguments: &[Bytes], _: i64) -> Outcome {
    match arguments {
        [act, _, _] if is(act, "SETINFO") => Ok(Reply::OK),
        [act, name] if is(act, "SETNAME") => {
            session.name = owned(name);
            Ok(Reply::OK)
        }
        [act] if is(act, "GETNAME") && session.name.is_empty() => Ok(Reply::Nil),
        [act] if is(act, "GETNAME") => Ok(Reply::Bytes(session.name.clone())),
        [act] if is(act, "ID") => Ok(Reply::Integer(session.id as i64)),
        [act, ..] => Err(Failure::needs_a_real_server(&format!("CLIENT {}", quoted(act)))),
        [] => Err(Failure::SYNTAX),
    }
}

pub(super) fn select(_: &mut Server, _: &mut Session, arguments: &[Bytes], _: i64) -> Outcome {
    match integer(&arguments[0]) {
        Ok(0) => Ok(Reply::OK),
        Ok(_) => Err(Failure::needs_a_real_server("another database than 0")),
        Err(_) => Err(Failure::NOT_AN_INTEGER),
    }
}

pub(super) fn info(server: &mut Server, _: &mut Session, _: &[Bytes], now_ms: i64) -> Outcome {
    server.keyspace.remove_expired(now_ms, usize::MAX);
    Ok(Reply::text(&format!(
        "# Server\r\nserver_name:revbench-{KIND}\r\nserver_version:{VERSION}\r\nprocess_id:{}\r\n\
         # Clients\r\nconnected_clients:{}\r\n# Stats\r\ntotal_commands_processed:{}\r\n\
         # Keyspace\r\nkeys:{}\r\n",
        std::process::id(),
        server.connections,
        server.commands,
        server.keyspace.len(),
    )))
}

/// Clients ask for the commands at start; none is an answer that they cope with.
pub(super) fn command(_: &mut Server, _: &mut Session, _: &[Bytes], _: i64) -> Outcome {
    Ok(Reply::List(Vec::new()))
}

pub(super) fn quit(_: &mut Server, session: &mut Session, _: &[Bytes], _: i64) -> Outcome {
    session.closing = true;
    Ok(Reply::OK)
}

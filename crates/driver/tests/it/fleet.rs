//! A scripted fleet: an authority and two resource servers that change their minds at a known time.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::http::{Piece, Reply, Request, serve};

/// What becomes of an open stream when the decision turns.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// A last event says so.
    Told,
    /// It comes to its end without a word.
    Untold,
    /// The connection is closed in the middle.
    Broken,
}

/// How the fleet behaves.
#[derive(Clone)]
pub(crate) struct Script {
    /// From a change's arrival until each instance's decision turns.
    pub(crate) delay_ns: [u64; 2],
    /// How long tokens live.
    pub(crate) expires_in_ns: u64,
    /// Does a grant, rather than a revoke, turn the decision?
    pub(crate) grant: bool,
    /// Are renewals refused?
    pub(crate) refuse_renewals: bool,
    /// How long a renewal takes.
    pub(crate) renewal: Duration,
    /// How long a decision takes.
    pub(crate) service: Duration,
    /// What the second instance calls itself.
    pub(crate) second_name: &'static str,
    /// Are tokens from before a change replaced in the answer? The first instance does so at once with a token of
    /// version 3; the second with one of version 2, which is on its way for longer.
    pub(crate) reissues: bool,
    /// How each instance ends a stream.
    pub(crate) endings: [Ending; 2],
    /// Do events say when they were sent?
    pub(crate) dates_events: bool,
}

impl Default for Script {
    fn default() -> Script {
        Script {
            delay_ns: [0, 0],
            expires_in_ns: 3_600_000_000_000,
            grant: false,
            refuse_renewals: false,
            renewal: Duration::ZERO,
            service: Duration::ZERO,
            second_name: "r1",
            reissues: false,
            endings: [Ending::Told; 2],
            dates_events: true,
        }
    }
}

#[derive(Default)]
struct Truth {
    /// When each subject's change arrived.
    changed_ns: HashMap<String, u64>,
    /// Body and bearer of each change.
    changes: Vec<(String, String)>,
    tokens: u64,
    /// Path and instance of each call of the crowd.
    crowd_calls: Vec<(String, usize)>,
    /// How many of these were answered 401.
    crowd_refused: u64,
    /// Subject and version of each call with a token that replaced another.
    replaced_calls: Vec<(String, char)>,
    /// The versions of the tokens that replaced others.
    replacements: Vec<u64>,
    /// Path, instance and subject of each stream that was asked for.
    streams: Vec<(String, usize, String)>,
}

/// The running fleet.
pub(crate) struct Fleet {
    pub(crate) authority: SocketAddr,
    pub(crate) instances: Vec<(SocketAddr, String)>,
    truth: Arc<Mutex<Truth>>,
    script: Script,
}

pub(crate) fn mono_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

impl Fleet {
    pub(crate) fn start(script: Script) -> Fleet {
        let truth = Arc::new(Mutex::new(Truth::default()));
        let authority = {
            let (truth, script) = (Arc::clone(&truth), script.clone());
            serve(move |request| authority(request, &truth, &script))
        };
        let instances = [(0, "r0"), (1, script.second_name)].map(|(index, name)| {
            let (truth, script) = (Arc::clone(&truth), script.clone());
            serve(move |request| resource(request, index, name, &truth, &script))
        });
        let instances = instances.into_iter().zip(["r0".to_owned(), "r1".to_owned()]).collect();
        Fleet { authority, instances, truth, script }
    }

    /// When an instance's decision about a subject turned.
    pub(crate) fn turned_ns(&self, subject: &str, instance: u16) -> u64 {
        self.truth.lock().unwrap().changed_ns[subject] + self.script.delay_ns[usize::from(instance)]
    }

    /// Path and instance of each call of the crowd, in order.
    pub(crate) fn crowd_calls(&self) -> Vec<(String, usize)> {
        self.truth.lock().unwrap().crowd_calls.clone()
    }

    /// How many calls of the crowd were answered 401.
    pub(crate) fn crowd_refused(&self) -> u64 {
        self.truth.lock().unwrap().crowd_refused
    }

    /// Subject and version of each call with a token that replaced another, in order of arrival.
    pub(crate) fn replaced_calls(&self) -> Vec<(String, char)> {
        self.truth.lock().unwrap().replaced_calls.clone()
    }

    /// The versions of the tokens that replaced others.
    pub(crate) fn replacements(&self) -> Vec<u64> {
        self.truth.lock().unwrap().replacements.clone()
    }

    /// Path, instance and subject of each stream that was asked for, those of the first instance first.
    pub(crate) fn streams(&self) -> Vec<(String, usize, String)> {
        let mut streams = self.truth.lock().unwrap().streams.clone();
        streams.sort_by_key(|(_, instance, _)| *instance);
        streams
    }

    /// Body and bearer of each change.
    pub(crate) fn changes(&self) -> Vec<(String, String)> {
        self.truth.lock().unwrap().changes.clone()
    }
}

/// Tokens say what they are: `subject!number!expiry`.
fn token(subject: &str, truth: &Mutex<Truth>, script: &Script) -> Reply {
    let mut truth = truth.lock().unwrap();
    truth.tokens += 1;
    let (number, expiry) = (truth.tokens, mono_ns() + script.expires_in_ns);
    Reply::new(
        200,
        &format!(
            r#"{{"access_token":"{subject}!{number}!{expiry}","refresh_token":"{subject}!r","session":"s{number}","expires_in":{}}}"#,
            script.expires_in_ns as f64 / 1e9
        ),
    )
}

fn authority(request: &Request, truth: &Mutex<Truth>, script: &Script) -> Reply {
    let form = |name: &str| {
        let field = request.body.split('&').find_map(|field| field.strip_prefix(name));
        field.map(|value| value.replace("%21", "!"))
    };
    match request.path.as_str() {
        "/token" => match (form("username="), form("refresh_token=")) {
            (Some(subject), _) if subject == "stranger" => Reply::new(403, "who is that?"),
            (Some(subject), _) => token(&subject, truth, script),
            (_, Some(_)) if script.refuse_renewals => Reply::new(400, "invalid_grant"),
            (_, Some(refresh)) => {
                std::thread::sleep(script.renewal);
                token(refresh.split('!').next().unwrap(), truth, script)
            }
            _ => Reply::new(400, ""),
        },
        "/admin/changes" | "/me/changes" => {
            let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
            let own = request.path == "/me/changes";
            let scope =
                body["scope"]["subject"].as_str().or(request.bearer.split('!').next()).unwrap().to_owned();
            let arrived_ns = mono_ns();
            let mut locked = truth.lock().unwrap();
            locked.changed_ns.insert(scope.clone(), arrived_ns);
            locked.changes.push((request.body.clone(), request.bearer.clone()));
            drop(locked);
            if own { token(&scope, truth, script) } else { Reply::new(200, "{}") }
        }
        _ => Reply::new(404, ""),
    }
}

/// What a JWT of a version says of itself.
fn payload_of(version: u64) -> &'static str {
    // {"ver":3,"iat":1} and {"ver":2,"iat":1}
    if version == 3 { "eyJ2ZXIiOjMsImlhdCI6MX0" } else { "eyJ2ZXIiOjIsImlhdCI6MX0" }
}

fn resource(
    request: &Request,
    index: usize,
    name: &str,
    shared: &Arc<Mutex<Truth>>,
    script: &Script,
) -> Reply {
    let mut parts = request.bearer.split('!');
    let subject = parts.next().unwrap_or_default();
    let expiry: u64 = parts.nth(1).and_then(|expiry| expiry.parse().ok()).unwrap_or(0);
    std::thread::sleep(script.service);
    let mut truth = shared.lock().unwrap();
    let now_ns = mono_ns();
    if subject.starts_with("crowd") {
        truth.crowd_calls.push((request.path.clone(), index));
        truth.crowd_refused += u64::from(now_ns >= expiry);
    }
    let changed = truth.changed_ns.get(subject);
    let turned = changed.is_some_and(|at| now_ns >= at + script.delay_ns[index]);
    let allowed = (turned == script.grant || subject == "allowed") && subject != "denied";
    let allowed = allowed || subject.starts_with("crowd");
    let status = match (now_ns < expiry, allowed) {
        (false, _) => 401,
        (true, true) => 200,
        (true, false) => 403,
    };
    let mut headers = format!("x-instance: {name}\r\nx-decided-at: {now_ns}\r\n");
    if request.path.starts_with("/stream/") {
        truth.streams.push((request.path.clone(), index, subject.to_owned()));
        if status == 200 {
            return stream(request, headers, index, (subject, Arc::clone(shared)), script);
        }
    }
    if let Some(payload) = request.bearer.split('.').nth(1) {
        let version = if payload == payload_of(3) { '3' } else { '2' };
        truth.replaced_calls.push((subject.to_owned(), version));
    } else if script.reissues && truth.changed_ns.contains_key(subject) {
        let version = [3, 2][index];
        truth.replacements.push(version);
        headers += &format!("x-access-token: {subject}!0!{expiry}!.{}.s\r\n", payload_of(version));
        drop(truth);
        std::thread::sleep(Duration::from_millis(60 * index as u64));
    }
    Reply::Answer { status, headers, body: String::new() }
}

/// Events every so often while the decision stands, each in two pieces. What an event says is so at the instant it names.
fn stream(
    request: &Request,
    headers: String,
    index: usize,
    (subject, truth): (&str, Arc<Mutex<Truth>>),
    script: &Script,
) -> Reply {
    let every_ms = request.path.rsplit_once("every_ms=").and_then(|(_, every)| every.parse().ok()).unwrap();
    let (delay_ns, ending, is_dated) = (script.delay_ns[index], script.endings[index], script.dates_events);
    let subject = subject.to_owned();
    let (mut rest, mut is_over) = (None, false);
    let pieces = move || {
        if let Some(rest) = rest.take() {
            return Some(Piece::Text(rest));
        }
        if is_over {
            return None;
        }
        std::thread::sleep(Duration::from_millis(every_ms));
        let truth = truth.lock().unwrap();
        let now_ns = mono_ns();
        is_over = truth.changed_ns.get(&subject).is_some_and(|at| now_ns >= at + delay_ns);
        let (kind, status) = match (is_over, ending) {
            (true, Ending::Untold) => return None,
            (true, Ending::Broken) => return Some(Piece::Break),
            (true, Ending::Told) => ("event: end\n", 403),
            (false, _) => ("", 200),
        };
        let at = if is_dated { format!(r#","sent_at_ns":{now_ns}"#) } else { String::new() };
        let mut event = format!("{kind}data: {{\"status\":{status}{at}}}\n\n");
        rest = Some(event.split_off(event.len() / 2));
        Some(Piece::Text(event))
    };
    Reply::Stream { headers, pieces: Box::new(pieces) }
}

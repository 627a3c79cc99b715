//! A single exchange, with everything that can be said of it: for whoever describes a system and wants to see whether the
//! description is right. Text and answer go through the same code as in a measurement.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use revbench_model::target::Exchange;

use crate::clock::wall_s;
use crate::connection::Job;
use crate::cookies;
use crate::engines::AnyEngine;
use crate::error::DriverError;
use crate::head::{headers, redirected_to};
use crate::http::{Expected, Keep};
use crate::plan::{Place, Transport};
use crate::session::COOKIES;
use crate::template::{Layers, RequestTemplate, Said};
use crate::workload::{Completed, Failure, LanePlan, Queues, Workload};

/// How long an answer is waited for.
const PATIENCE_NS: u64 = 10_000_000_000;

/// What was sent and what came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchanged {
    /// The request as it was sent, secrets and all: see [`crate::Secrets`].
    pub request: String,
    /// The status of the answer.
    pub status: u16,
    /// Its headers, in order.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
    /// What the exchange captures and the answer says.
    pub captured: BTreeMap<String, String>,
    /// What the exchange captures and the answer does not say.
    pub missing: Vec<String>,
    /// The variable `cookies` from here on: what it was, and what the answer sets and takes away.
    pub cookies: String,
    /// The host that a redirect points to; `None` where the answer is none, or one within the same host. It was not
    /// followed.
    pub redirected_to: Option<String>,
    /// When it was sent, CLOCK_MONOTONIC ns.
    pub sent_ns: u64,
    /// From the send to the last byte, ns.
    pub duration_ns: u64,
}

/// Sends one exchange to `place`, with these values for its variables, and waits for the answer for ten seconds at the most.
/// Whatever its status: it is an answer.
///
/// # Errors
/// A text that cannot be filled in, nobody there, or no answer.
pub fn exchange_once(
    place: &Place,
    transport: &Transport,
    exchange: &Exchange,
    variables: &BTreeMap<String, String>,
) -> Result<Exchanged, DriverError> {
    let template = RequestTemplate::new("the exchange", exchange)?;
    let (no_cookies, nothing) = (BTreeMap::from([(COOKIES.to_owned(), String::new())]), BTreeMap::new());
    let layers = Layers { own: &[], maps: [variables, &no_cookies, &nothing] };
    let mut request = Vec::new();
    template.render(None, &place.host, &layers, &mut request)?;
    let mut once = Once { request, is_sent: false, answer: None };
    ask(place, transport, exchange.method == "HEAD", &mut once)?;
    let no_answer =
        |failure: Failure| DriverError::NoAnswer { host: place.host.clone(), problem: failure.words() };
    let answer = once.answer.unwrap_or(Err(Failure::Timeout)).map_err(no_answer)?;
    let now_s = wall_s();
    let mut captured = BTreeMap::new();
    let missing = template.capture(&Said::new(&answer.body, &answer.head, now_s), &mut captured);
    let before = variables.get(COOKIES).map_or("", String::as_str);
    let redirected = redirected_to(&answer.head).filter(|_| (300..400).contains(&answer.status));
    Ok(Exchanged {
        request: String::from_utf8_lossy(&once.request).into_owned(),
        status: answer.status,
        headers: headers(&answer.head).map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        missing: missing.into_iter().map(str::to_owned).collect(),
        captured,
        cookies: cookies::after(before, &answer.head, now_s),
        redirected_to: redirected.map(str::to_owned),
        sent_ns: answer.sent_ns,
        duration_ns: answer.duration_ns,
        body: answer.body,
    })
}

/// One request on one connection.
fn ask(place: &Place, transport: &Transport, without_body: bool, once: &mut Once) -> Result<(), DriverError> {
    let expected = Expected { keep_body: true, keep: Keep::Head, without_body, ..Expected::default() };
    let lane = LanePlan { place: place.clone(), connections: 1, expected, timeout_ns: PATIENCE_NS };
    let mut engine = AnyEngine::open(vec![lane], transport, 0)?;
    engine.drive(once, &AtomicBool::new(false))?;
    engine.refusal().map_or(Ok(()), Err)
}

/// The request, and then its answer.
struct Once {
    request: Vec<u8>,
    is_sent: bool,
    answer: Option<Result<Answered, Failure>>,
}

/// An answer, as it is kept.
struct Answered {
    status: u16,
    head: Vec<u8>,
    body: Vec<u8>,
    sent_ns: u64,
    duration_ns: u64,
}

impl Workload for Once {
    type Tag = ();

    fn next_due_ns(&self) -> u64 {
        if self.is_sent { u64::MAX } else { 0 }
    }

    fn release(&mut self, now_ns: u64, queues: &mut Queues<()>) {
        self.is_sent = true;
        queues.push(0, Job::planned((), now_ns));
    }

    fn request(&mut self, (): ()) -> &[u8] {
        &self.request
    }

    fn completed(&mut self, done: &Completed<'_, ()>, _: &mut Queues<()>) {
        self.answer = Some(done.answer.map(|answer| Answered {
            status: answer.status,
            head: done.head.to_vec(),
            body: done.body.to_vec(),
            sent_ns: done.flight.sent_ns,
            duration_ns: done.service_ns(),
        }));
    }

    fn ended(&self, _: u64) -> bool {
        self.answer.is_some()
    }
}

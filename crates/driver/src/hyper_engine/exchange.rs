//! One request's answer, read to its end.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use http_body_util::BodyExt;

use super::link::{Awaited, in_words};
use crate::clock::mono_ns;
use crate::http::{Expected, Head};
use crate::workload::Failure;

/// What has come of an answer so far.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) head: Head,
    /// Kept only where it is asked for.
    pub(super) body: Vec<u8>,
}

/// The loop looks at it while the work on the answer goes on.
pub(super) type Shared = Rc<RefCell<Reading>>;

/// Why an answer did not come.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) failure: Failure,
    pub(super) words: io::Error,
}

impl From<hyper::Error> for Broken {
    fn from(error: hyper::Error) -> Broken {
        let failure = if error.is_parse() { Failure::Malformed } else { Failure::Closed };
        Broken { failure, words: in_words(&error) }
    }
}

/// Reads an answer; tells with each piece of a stream when it came.
///
/// # Errors
/// It did not come whole.
pub(super) async fn read(
    awaited: Awaited,
    expected: &Expected,
    reading: &RefCell<Reading>,
    heard: impl Fn(u64),
) -> Result<(), Broken> {
    let answer = awaited.await?;
    let status = answer.status().as_u16();
    if status == 101 {
        let words = io::Error::other("the server switched to another protocol");
        return Err(Broken { failure: Failure::Malformed, words });
    }
    {
        let head = &mut reading.borrow_mut().head;
        head.begin(status, expected);
        for (name, value) in answer.headers() {
            head.take(name.as_str(), value.as_bytes(), expected);
        }
    }
    let mut body = answer.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame?;
        let Some(piece) = frame.data_ref().filter(|_| expected.keep_body) else { continue };
        reading.borrow_mut().body.extend_from_slice(piece);
        if expected.stream {
            heard(mono_ns());
        }
    }
    Ok(())
}

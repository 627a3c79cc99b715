//! Just enough HTTP/1.1: reads one answer at a time, however the bytes are cut, and keeps of it what a
//! measurement needs.

use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Status};

/// Longest head and longest chunk-size line that is waited for.
const LONGEST_HEAD: usize = 64 * 1024;

/// What the driver wants to know of the answers on a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected {
    /// The header that names the instance, and the name that it must give.
    pub(crate) instance: Option<(String, String)>,
    /// The header with the instant of the decision.
    pub(crate) decided_at: Option<String>,
    /// The header with a token that replaces the one it was asked with.
    pub(crate) reissued: Option<String>,
    /// Is the body wanted? Else it is counted off and dropped.
    pub(crate) keep_body: bool,
    /// Which headers are wanted beside those above.
    pub(crate) keep: Keep,
    /// Is the body a stream, of which each piece is wanted when it comes?
    pub(crate) stream: bool,
    /// Do answers have no body whatever their length header says (`HEAD`)?
    pub(crate) without_body: bool,
}

/// Which headers of an answer are copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Keep {
    /// None: what is measured pays for nothing that it does not need.
    #[default]
    Nothing,
    /// Those that set cookies.
    Cookies,
    /// All.
    Head,
}

impl Keep {
    #[inline]
    fn wants(self, name: &str) -> bool {
        match self {
            Keep::Nothing => false,
            Keep::Cookies => name.eq_ignore_ascii_case("set-cookie"),
            Keep::Head => true,
        }
    }
}

/// What an answer's head said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// Will the server close the connection?
    pub(crate) close: bool,
    /// Did it come from another instance than the one addressed, or from one that does not say?
    pub(crate) wrong_instance: bool,
    /// When the server decided, CLOCK_MONOTONIC ns.
    pub(crate) decided_at_ns: Option<u64>,
}

/// What the head of an answer said, however it came.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) answer: Answer,
    /// The value of the header with a new token; empty where there is none.
    pub(crate) reissued: Vec<u8>,
    /// The headers that are kept, as lines `name: value`, each with its end.
    pub(crate) lines: Vec<u8>,
}

impl Head {
    /// Of a new answer only its status is known.
    pub(crate) fn begin(&mut self, status: u16, expected: &Expected) {
        let wrong_instance = expected.instance.is_some();
        self.answer = Answer { status, wrong_instance, ..Answer::default() };
        self.reissued.clear();
        self.lines.clear();
    }

    /// Takes from a header what is wanted of it.
    #[inline]
    pub(crate) fn take(&mut self, name: &str, value: &[u8], expected: &Expected) {
        if expected.keep.wants(name) {
            for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                self.lines.extend_from_slice(part);
            }
        }
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
        if let Some((_, instance)) = expected.instance.as_ref().filter(|(name, _)| is(name)) {
            self.answer.wrong_instance = value != instance.as_bytes();
        } else if expected.decided_at.as_ref().is_some_and(|name| is(name)) {
            // An instant that is no number lies outside every interval: a violation, not a silence.
            self.answer.decided_at_ns = Some(number(value).unwrap_or(0));
        } else if expected.reissued.as_ref().is_some_and(|name| is(name)) {
            self.reissued.extend_from_slice(value);
        }
    }
}

/// Bytes that are no HTTP/1.1 answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Is the answer complete?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// More bytes are needed.
    Partial,
    /// Yes; `surplus` tells bytes after its end, which belong to no request.
    Done { surplus: bool },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    Length(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailer,
    UntilClose,
    Done,
}

/// Reads one answer; reused for the next after [`ResponseReader::reset`].
#[derive(Debug, Default)]
pub(crate) struct ResponseReader {
    state: State,
    said: Head,
    /// The unfinished head or line of what came before.
    carry: Vec<u8>,
    body: Vec<u8>,
}

impl ResponseReader {
    /// Ready for the next answer; buffers stay allocated.
    pub(crate) fn reset(&mut self) {
        self.state = State::Head;
        self.carry.clear();
        self.body.clear();
    }

    /// The head of the complete answer.
    #[inline]
    pub(crate) fn answer(&self) -> Answer {
        self.said.answer
    }

    /// The body, where it is kept.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The front of the body is not needed any more.
    pub(crate) fn drop_front(&mut self, length: usize) {
        self.body.drain(..length);
    }

    /// The token that came in a header, where one is looked for; else nothing.
    pub(crate) fn reissued(&self) -> &[u8] {
        &self.said.reissued
    }

    /// The headers that are kept, as lines `name: value`, each with its end.
    pub(crate) fn head_lines(&self) -> &[u8] {
        &self.said.lines
    }

    /// Takes the next bytes. The common answer comes in one piece and is read where it lies.
    pub(crate) fn advance(&mut self, input: &[u8], expected: &Expected) -> Result<Step, Malformed> {
        if self.carry.is_empty() {
            return self.consume(input, expected);
        }
        let mut joined = std::mem::take(&mut self.carry);
        joined.extend_from_slice(input);
        let step = self.consume(&joined, expected);
        if self.carry.is_empty() {
            joined.clear();
            self.carry = joined;
        }
        step
    }

    /// The server closed the connection: is that the answer's end?
    pub(crate) fn ends_at_close(&self) -> bool {
        self.state == State::UntilClose
    }

    fn consume(&mut self, mut input: &[u8], expected: &Expected) -> Result<Step, Malformed> {
        while self.state != State::Done {
            let Some(used) = self.step(input, expected)? else {
                if input.len() > LONGEST_HEAD {
                    return Err(Malformed);
                }
                self.carry.extend_from_slice(input);
                return Ok(Step::Partial);
            };
            input = &input[used..];
            if input.is_empty() && self.state != State::Done {
                return Ok(Step::Partial);
            }
        }
        Ok(Step::Done { surplus: !input.is_empty() })
    }

    /// Takes one part from the front: how many bytes, or `None` where it is not complete.
    fn step(&mut self, input: &[u8], expected: &Expected) -> Result<Option<usize>, Malformed> {
        match self.state {
            State::Head => self.head(input, expected),
            State::Length(left) => {
                let used = self.take_body(input, left, expected);
                self.state = after(left, used, State::Length, State::Done);
                Ok(Some(used))
            }
            State::ChunkSize => self.chunk_size(input),
            State::ChunkData(left) => {
                let used = self.take_body(input, left, expected);
                self.state = after(left, used, State::ChunkData, State::ChunkEnd);
                Ok(Some(used))
            }
            State::ChunkEnd => match input {
                [b'\r', b'\n', ..] => {
                    self.state = State::ChunkSize;
                    Ok(Some(2))
                }
                [] | [b'\r'] => Ok(None),
                _ => Err(Malformed),
            },
            State::Trailer => Ok(self.trailer(input)),
            State::UntilClose => Ok(Some(self.take_body(input, u64::MAX, expected))),
            State::Done => Ok(Some(0)),
        }
    }

    fn take_body(&mut self, input: &[u8], left: u64, expected: &Expected) -> usize {
        let used = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
        if expected.keep_body {
            self.body.extend_from_slice(&input[..used]);
        }
        used
    }

    fn chunk_size(&mut self, input: &[u8]) -> Result<Option<usize>, Malformed> {
        match httparse::parse_chunk_size(input) {
            Ok(Status::Complete((used, size))) => {
                self.state = if size == 0 { State::Trailer } else { State::ChunkData(size) };
                Ok(Some(used))
            }
            Ok(Status::Partial) => Ok(None),
            Err(_) => Err(Malformed),
        }
    }

    fn trailer(&mut self, input: &[u8]) -> Option<usize> {
        let end = input.windows(2).position(|pair| pair == b"\r\n")?;
        if end == 0 {
            self.state = State::Done;
        }
        Some(end + 2)
    }

    fn head(&mut self, input: &[u8], expected: &Expected) -> Result<Option<usize>, Malformed> {
        let mut headers = [const { MaybeUninit::<Header<'_>>::uninit() }; 64];
        let mut response = httparse::Response::new(&mut []);
        let parsed =
            ParserConfig::default().parse_response_with_uninit_headers(&mut response, input, &mut headers);
        let used = match parsed {
            Ok(Status::Complete(used)) => used,
            Ok(Status::Partial) => return Ok(None),
            Err(_) => return Err(Malformed),
        };
        match response.code.ok_or(Malformed)? {
            101 => return Err(Malformed),
            100..200 => return Ok(Some(used)), // the answer proper follows
            status => self.said.begin(status, expected),
        }
        let framing = self.headers(&response, expected)?;
        let bodiless = expected.without_body || matches!(self.said.answer.status, 204 | 304);
        self.state = match framing {
            _ if bodiless => State::Done,
            Framing::Chunked => State::ChunkSize,
            Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::UntilClose => State::UntilClose,
        };
        self.said.answer.close |= self.state == State::UntilClose;
        Ok(Some(used))
    }

    fn headers(
        &mut self,
        response: &httparse::Response<'_, '_>,
        expected: &Expected,
    ) -> Result<Framing, Malformed> {
        let mut framing = Framing::UntilClose;
        self.said.answer.close = response.version == Some(0);
        for header in response.headers.iter() {
            self.said.take(header.name, header.value, expected);
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("content-length") {
                framing = framing.or_length(header.value)?;
            } else if is("transfer-encoding") {
                framing = framing.or_encoding(header.value);
            } else if is("connection") {
                self.said.answer.close = match header.value {
                    value if value.eq_ignore_ascii_case(b"close") => true,
                    value if value.eq_ignore_ascii_case(b"keep-alive") => false,
                    _ => self.said.answer.close,
                };
            }
        }
        Ok(framing)
    }
}

/// The state after `used` of `left` bytes.
fn after(left: u64, used: usize, more: fn(u64) -> State, done: State) -> State {
    match left - used as u64 {
        0 => done,
        left => more(left),
    }
}

/// How the end of a body is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    Chunked,
    Length(u64),
    UntilClose,
}

impl Framing {
    /// Chunks win over a length (RFC 9112 §6.3); two lengths that differ are no answer.
    fn or_length(self, value: &[u8]) -> Result<Framing, Malformed> {
        let length = number(value).ok_or(Malformed)?;
        match self {
            Framing::Length(earlier) if earlier != length => Err(Malformed),
            Framing::Chunked => Ok(self),
            _ => Ok(Framing::Length(length)),
        }
    }

    /// Only a final `chunked` tells the end (RFC 9112 §6.3).
    fn or_encoding(self, value: &[u8]) -> Framing {
        let last = value.rsplit(|byte| *byte == b',').next().unwrap_or_default().trim_ascii();
        if last.eq_ignore_ascii_case(b"chunked") { Framing::Chunked } else { Framing::UntilClose }
    }
}

/// Decimal digits and nothing else.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |value, byte| match byte {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn expected() -> Expected {
        Expected {
            instance: Some(("x-instance".into(), "r1".into())),
            decided_at: Some("x-decided-at".into()),
            reissued: Some("x-access-token".into()),
            keep_body: true,
            keep: Keep::Nothing,
            stream: false,
            without_body: false,
        }
    }

    /// Reads a text cut at `cuts`; the answer, its body and whether it ended by itself or at the close.
    fn read(text: &[u8], cuts: &[usize]) -> Result<Option<(Answer, Vec<u8>, Step)>, Malformed> {
        let (mut reader, mut from) = (ResponseReader::default(), 0);
        for to in cuts.iter().copied().chain([text.len()]) {
            match reader.advance(&text[from..to], &expected())? {
                Step::Partial => from = to,
                done => return Ok(Some((reader.answer(), reader.body().to_vec(), done))),
            }
        }
        let ended = reader.ends_at_close();
        Ok(ended.then(|| (reader.answer(), reader.body().to_vec(), Step::Partial)))
    }

    const PLAIN: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Instance: r1\r\nx-decided-at: 42\r\n\r\nhello";
    const CHUNKED: &[u8] = b"HTTP/1.1 403 Forbidden\r\ntransfer-encoding: chunked\r\nx-instance: r1\r\n\r\n2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\nt: 1\r\n\r\n";
    const CONTINUED: &[u8] =
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nx-instance: r1\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
    const TO_CLOSE: &[u8] = b"HTTP/1.0 200 OK\r\nx-instance: r2\r\n\r\nhello";

    #[test]
    fn every_cut_reads_the_same() {
        let answer = |status, close, wrong_instance, decided_at_ns| Answer {
            status,
            close,
            wrong_instance,
            decided_at_ns,
        };
        for (text, expected) in [
            (PLAIN, answer(200, false, false, Some(42))),
            (CHUNKED, answer(403, false, false, None)),
            (CONTINUED, answer(503, true, false, None)),
            (TO_CLOSE, answer(200, true, true, None)),
        ] {
            for first in 0..=text.len() {
                for second in first..=text.len() {
                    let (got, body, _) = read(text, &[first, second]).unwrap().unwrap();
                    assert_eq!((got, body.as_slice()), (expected, &b"hello"[..]), "cut at {first}, {second}");
                }
            }
        }
    }

    #[test]
    fn byte_by_byte_reads_the_same() {
        for text in [PLAIN, CHUNKED, CONTINUED, TO_CLOSE] {
            let cuts: Vec<usize> = (0..text.len()).collect();
            assert_eq!(read(text, &cuts).unwrap().unwrap().1, b"hello");
        }
    }

    #[test]
    fn an_unfinished_answer_is_none() {
        for text in [PLAIN, CHUNKED, CONTINUED] {
            for end in 0..text.len() {
                assert_eq!(read(&text[..end], &[]), Ok(None), "{end} bytes");
            }
        }
    }

    #[test]
    fn headers_are_kept_where_they_are_wanted() {
        let text =
            b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nX: y\r\nset-cookie: b=2\r\ncontent-length: 0\r\n\r\n";
        let check = |keep, expected: &str| {
            let mut reader = ResponseReader::default();
            // The head of an answer before it is gone, and one that comes in two pieces is kept once.
            for cut in [5, text.len() - 3] {
                reader.reset();
                let wanted = Expected { keep, ..Expected::default() };
                assert_eq!(reader.advance(&text[..cut], &wanted), Ok(Step::Partial));
                let step = reader.advance(&text[cut..], &wanted);
                assert_eq!(step, Ok(Step::Done { surplus: false }));
                assert_eq!(String::from_utf8_lossy(reader.head_lines()), expected);
            }
        };
        check(Keep::Nothing, "");
        check(Keep::Cookies, "Set-Cookie: a=1\r\nset-cookie: b=2\r\n");
        check(Keep::Head, "Set-Cookie: a=1\r\nX: y\r\nset-cookie: b=2\r\ncontent-length: 0\r\n");
    }

    #[test]
    fn bytes_after_the_end_are_told() {
        let twice = [PLAIN, PLAIN].concat();
        assert_eq!(read(&twice, &[]).unwrap().unwrap().2, Step::Done { surplus: true });
        assert_eq!(read(PLAIN, &[]).unwrap().unwrap().2, Step::Done { surplus: false });
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for text in [
            "SSH-2.0-OpenSSH\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n",
            "HTTP/1.1 101 Switching\r\n\r\n",
        ] {
            assert_eq!(read(text.as_bytes(), &[]), Err(Malformed), "{text}");
        }
        let endless = [b"HTTP/1.1 200 OK\r\na: ".as_slice(), &[b'x'; LONGEST_HEAD]].concat();
        assert_eq!(read(&endless, &[]), Err(Malformed));
    }

    #[test]
    fn bodiless_answers_end_with_their_head() {
        let text = b"HTTP/1.1 204 No Content\r\nx-instance: r1\r\n\r\n";
        assert_eq!(read(text, &[]).unwrap().unwrap().2, Step::Done { surplus: false });
        let head = Expected { without_body: true, ..Expected::default() };
        let step = ResponseReader::default().advance(&PLAIN[..PLAIN.len() - 5], &head);
        assert_eq!(step, Ok(Step::Done { surplus: false }));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200) {
            let text = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", bytes.as_slice()].concat();
            let _ = read(&text, &[cut.min(text.len())]);
            let _ = read(&bytes, &[cut.min(bytes.len())]);
        }
    }
}

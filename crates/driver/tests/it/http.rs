//! A server of the simplest kind: one thread for each connection, one closure for the answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// What was asked.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) bearer: String,
    pub(crate) body: String,
    /// The request line and the headers.
    pub(crate) head: String,
}

impl Request {
    /// The value of a header; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
}

/// What is done about it.
pub(crate) enum Reply {
    Answer {
        status: u16,
        headers: String,
        body: String,
    },
    /// The same, and the connection is closed without a word.
    AnswerAndClose {
        status: u16,
        body: String,
    },
    /// A body that is said piece by piece, each a chunk of its own.
    Stream {
        headers: String,
        pieces: Pieces,
    },
    /// The connection is closed instead of an answer.
    Close,
    /// The connection is closed in the middle of an answer.
    Half,
    /// The server is gone: its connections are closed and no other is made.
    Die,
    /// Nothing, ever.
    Silence,
}

/// The next piece of a stream, when it is time for it; `None` at its end.
pub(crate) type Pieces = Box<dyn FnMut() -> Option<Piece> + Send>;

/// A piece of a stream.
pub(crate) enum Piece {
    Text(String),
    /// The connection is closed in the middle.
    Break,
}

impl Reply {
    pub(crate) fn new(status: u16, body: &str) -> Reply {
        Reply::Answer { status, headers: String::new(), body: body.to_owned() }
    }
}

/// Serves until the test process ends.
pub(crate) fn serve(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (handler, is_dead) = (Arc::new(handler), Arc::new(AtomicBool::new(false)));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if is_dead.load(SeqCst) {
                return;
            }
            let (handler, is_dead) = (Arc::clone(&handler), Arc::clone(&is_dead));
            std::thread::spawn(move || drop(talk(stream, &*handler, &is_dead)));
        }
    });
    address
}

fn talk(
    mut stream: TcpStream,
    handler: &dyn Fn(&Request) -> Reply,
    is_dead: &AtomicBool,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer)? {
        if is_dead.load(SeqCst) {
            return Ok(());
        }
        let (status, headers, body, close) = match handler(&request) {
            Reply::Answer { status, headers, body } => (status, headers, body, false),
            Reply::AnswerAndClose { status, body } => (status, String::new(), body, true),
            Reply::Stream { headers, pieces } => {
                if tell(&mut stream, &headers, pieces)? {
                    continue;
                }
                return Ok(());
            }
            Reply::Close => return Ok(()),
            Reply::Half => return stream.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 10\r\n\r\nhalf"),
            Reply::Die => {
                is_dead.store(true, SeqCst);
                // Wakes the listener, which then is gone.
                return TcpStream::connect(stream.local_addr()?).map(drop);
            }
            Reply::Silence => loop {
                std::thread::park();
            },
        };
        let length = body.len();
        let text = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n{body}");
        stream.write_all(text.as_bytes())?;
        if close {
            return Ok(());
        }
    }
    Ok(())
}

/// Says the pieces. Was it to the end?
fn tell(stream: &mut TcpStream, headers: &str, mut pieces: Pieces) -> std::io::Result<bool> {
    let head = format!("HTTP/1.1 200 X\r\n{headers}transfer-encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    while let Some(piece) = pieces() {
        let Piece::Text(text) = piece else { return Ok(false) };
        stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes())?;
    }
    stream.write_all(b"0\r\n\r\n")?;
    Ok(true)
}

fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<Option<Request>> {
    loop {
        let text = String::from_utf8_lossy(buffer).into_owned();
        if let Some((head, rest)) = text.split_once("\r\n\r\n") {
            let header = |name: &str| {
                let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name));
                line.map_or("", |line| &line[name.len()..]).trim().to_owned()
            };
            let length = header("content-length:").parse().unwrap_or(0);
            if rest.len() >= length {
                let mut words = head.split(' ');
                let mut word = || words.next().unwrap_or_default().to_owned();
                let request = Request {
                    method: word(),
                    path: word(),
                    bearer: header("authorization: bearer"),
                    body: rest[..length].to_owned(),
                    head: head.to_owned(),
                };
                buffer.drain(..head.len() + 4 + length);
                return Ok(Some(request));
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk)? {
            0 => return Ok(None),
            read => buffer.extend_from_slice(&chunk[..read]),
        }
    }
}

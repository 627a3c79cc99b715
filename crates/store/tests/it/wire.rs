//! A raw connection: sends words, reads frames, hides nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame;
use revbench_store::StoreAddress;

pub(crate) struct Wire {
    socket: TcpStream,
    input: Vec<u8>,
}

impl Wire {
    /// Connects without a word.
    pub(crate) fn open(address: &StoreAddress) -> Self {
        let socket = TcpStream::connect((address.host.as_str(), address.port)).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self { socket, input: Vec::new() }
    }

    /// Connects and authenticates.
    pub(crate) fn login(address: &StoreAddress) -> Self {
        let mut wire = Self::open(address);
        let password = address.password.clone().unwrap();
        assert_eq!(wire.ask(&["AUTH", &password]), OwnedFrame::SimpleString("OK".into()));
        wire
    }

    pub(crate) fn send<S: AsRef<str>>(&mut self, commands: &[Vec<S>]) {
        let mut bytes = Vec::new();
        for words in commands {
            bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
            for word in words {
                let word = word.as_ref();
                bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
            }
        }
        self.socket.write_all(&bytes).unwrap();
    }

    pub(crate) fn read(&mut self) -> OwnedFrame {
        loop {
            if let Some((frame, length)) = decode(&self.input).unwrap() {
                self.input.drain(..length);
                return frame;
            }
            let mut buffer = [0; 4096];
            let length = self.socket.read(&mut buffer).unwrap();
            assert!(length > 0, "the server closed the connection");
            self.input.extend_from_slice(&buffer[..length]);
        }
    }

    pub(crate) fn ask(&mut self, words: &[&str]) -> OwnedFrame {
        self.send(&[words.to_vec()]);
        self.read()
    }

    /// One write, all answers: as a pipelining client does.
    pub(crate) fn ask_all(&mut self, commands: &[Vec<String>]) -> Vec<OwnedFrame> {
        self.send(commands);
        commands.iter().map(|_| self.read()).collect()
    }
}

/// The text of an error.
pub(crate) fn error_text(frame: &OwnedFrame) -> &str {
    if let OwnedFrame::Error(text) = frame { text } else { panic!("{frame:?} is no error") }
}

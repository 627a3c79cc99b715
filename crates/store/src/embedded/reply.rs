//! What a command answers, and how RESP2 writes it.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use redis_protocol::resp2::encode::extend_encode;
use redis_protocol::resp2::types::BytesFrame;

use super::number_text::double_text;

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reply {
    Nil,
    Integer(i64),
    Double(f64),
    Simple(&'static str),
    Bytes(Bytes),
    List(Vec<Reply>),
    Error(Failure),
    /// Several answers after each other, as subscribing gives.
    Several(Vec<Reply>),
}

impl Reply {
    pub(super) const OK: Self = Self::Simple("OK");

    pub(super) fn text(text: &str) -> Self {
        Self::Bytes(Bytes::copy_from_slice(text.as_bytes()))
    }

    pub(super) fn count(count: usize) -> Self {
        Self::Integer(count as i64)
    }

    /// Appends the answer to `out`.
    pub(super) fn encode(self, out: &mut BytesMut) {
        match self {
            Self::Several(replies) => replies.into_iter().for_each(|reply| reply.encode(out)),
            reply => {
                extend_encode(out, &reply.into_frame(), false).expect("the buffer grows with the frame");
            }
        }
    }

    fn into_frame(self) -> BytesFrame {
        match self {
            Self::Nil => BytesFrame::Null,
            Self::Integer(number) => BytesFrame::Integer(number),
            Self::Double(number) => BytesFrame::BulkString(double_text(number).into()),
            Self::Simple(text) => BytesFrame::SimpleString(Bytes::from_static(text.as_bytes())),
            Self::Bytes(bytes) => BytesFrame::BulkString(bytes),
            Self::List(replies) | Self::Several(replies) => {
                BytesFrame::Array(replies.into_iter().map(Self::into_frame).collect())
            }
            Self::Error(failure) => BytesFrame::Error(failure.0.as_ref().into()),
        }
    }
}

/// An error, in the words of Redis 7.0.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failure(pub(super) Cow<'static, str>);

impl Failure {
    pub(super) const SYNTAX: Self = Self::known("ERR syntax error");
    pub(super) const NOT_AN_INTEGER: Self = Self::known("ERR value is not an integer or out of range");
    pub(super) const NOT_A_FLOAT: Self = Self::known("ERR value is not a valid float");
    pub(super) const WRONG_TYPE: Self =
        Self::known("WRONGTYPE Operation against a key holding the wrong kind of value");

    pub(super) const fn known(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    pub(super) fn told(text: &str) -> Self {
        // The client's bytes may be quoted in it; a line break would end the error early.
        Self(Cow::Owned(text.replace(['\r', '\n'], " ")))
    }

    /// What only Redis or Valkey can do.
    pub(super) fn needs_a_real_server(what: &str) -> Self {
        Self::told(&format!("ERR {what} {}", crate::error::NEEDS_REAL_SERVER))
    }
}

pub(super) type Outcome = Result<Reply, Failure>;

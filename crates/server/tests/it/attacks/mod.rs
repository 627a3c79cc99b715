//! Attacks on the servers, each with the answer that it must get, sent over sockets.
//!
//! The classes are a catalogue's, by its numbers. Every row of every table names its class, and a class without a row
//! says why it has none. A server that panics gives no answer, one that dawdles runs into the client's limit, and what
//! a refusal costs is read from the server's own `/metrics`: nothing, before the signature is good.

mod algorithms;
mod asked;
mod authority;
mod claims;
mod classes;
mod forge;
mod forms;
mod headers;
mod key_sets;
mod requests;
mod revoked;
mod signatures;
mod stage;
mod tenants;
mod tokens;
mod trap;
mod verifier;

use revbench_model::Reason;

/// A token, and what every server that takes access tokens must think of it.
#[derive(Debug)]
pub(super) struct Attack {
    /// Its number in the catalogue.
    pub(super) class: u8,
    pub(super) what: String,
    pub(super) token: String,
    pub(super) expected: Reason,
}

impl Attack {
    fn refused(class: u8, what: impl Into<String>, token: impl Into<String>) -> Attack {
        Attack { class, what: what.into(), token: token.into(), expected: Reason::InvalidToken }
    }

    /// Close to an attack, and right.
    fn allowed(class: u8, what: impl Into<String>, token: impl Into<String>) -> Attack {
        Attack { expected: Reason::Allowed, ..Attack::refused(class, what, token) }
    }

    fn with(self, expected: Reason) -> Attack {
        Attack { expected, ..self }
    }
}

//! Why a measurement could not be made at all. What goes wrong with one request is a value in the record.

use std::net::SocketAddr;

/// Why the driver could not start or had to give up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    /// Nobody listens, nobody accepts, or one of the two does not believe the other's certificate.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Where to.
        address: SocketAddr,
        /// What the system says, or TLS.
        source: std::io::Error,
    },
    /// The first sessions could not be made.
    #[error("cannot sign in {subject}: {problem}; the answer was status {status}: {body}")]
    SignIn {
        /// Who.
        subject: String,
        /// What is wrong with the answer.
        problem: &'static str,
        /// Its status; 0 where no answer came.
        status: u16,
        /// The beginning of its body.
        body: String,
    },
    /// A subject that a change is to reinstate could not be suspended.
    #[error("cannot suspend {subject}, which a change is to reinstate; the answer was status {status}")]
    Suspension {
        /// Who.
        subject: String,
        /// The answer's status; 0 where no answer came.
        status: u16,
    },
    /// A text of the target cannot be filled in.
    #[error("cannot fill in {part} of the target: {problem}")]
    Template {
        /// Which text.
        part: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Certificates, keys or authorities that cannot be used.
    #[error("cannot speak TLS: {0}")]
    Tls(String),
    /// The plan contradicts itself.
    #[error("the plan cannot be driven: {0}")]
    Plan(String),
    /// A system call that cannot fail on a sound machine did.
    #[error("cannot {action}: {source}")]
    System {
        /// What was attempted.
        action: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
}

impl DriverError {
    /// A failed system call.
    pub(crate) fn system(action: &'static str) -> impl FnOnce(rustix::io::Errno) -> DriverError {
        move |errno| DriverError::System { action, source: errno.into() }
    }
}

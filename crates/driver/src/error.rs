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
    /// Something that is done for a subject before the clock starts was not: making it known, signing it in, taking from
    /// it what a change is to give. No secret of the target stands in it.
    #[error("cannot {act} {subject}: {problem}{}", answered(.status, .body))]
    Preparation {
        /// What was to be done.
        act: &'static str,
        /// For whom.
        subject: String,
        /// What is wrong with the answer.
        problem: String,
        /// Its status; 0 where no answer came.
        status: u16,
        /// The beginning of its body.
        body: String,
    },
    /// A single exchange had no answer.
    #[error("{host} did not answer: {problem}")]
    NoAnswer {
        /// Who was asked.
        host: String,
        /// What came instead.
        problem: &'static str,
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

/// What the answer was, if there was one.
fn answered(status: &u16, body: &str) -> String {
    match status {
        0 => String::new(),
        status => format!("; the answer was status {status}: {body}"),
    }
}

impl DriverError {
    /// A failed system call.
    pub(crate) fn system(action: &'static str) -> impl FnOnce(rustix::io::Errno) -> DriverError {
        move |errno| DriverError::System { action, source: errno.into() }
    }
}

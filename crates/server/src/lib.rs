//! Authority and resource server: routes, verification, issuing, one strategy plugged in.
//!
//! The same stack serves every strategy, so that what is measured between two of them is the strategies.
//! [`run_authority`] and [`run_resource`] are the two halves of a fleet; see `docs/ARCHITECTURE.md`.

mod assemble;
mod authority;
pub mod calibration;
pub mod clock;
pub mod config;
mod form;
mod http;
mod issuer;
pub mod keys;
mod process;
mod resource;
mod serve;
mod stop;
mod tls;
pub mod token;
pub mod verify;

pub use assemble::{
    authority_app, authority_apps, resource_app, run_authority, run_authority_until, run_resource,
    run_resource_until,
};
pub use config::{AuthorityConfig, IssuerAccess, KeySource, Mutant, ResourceConfig, ServerError};
pub use serve::bind;
pub use stop::{Stop, StopHandle};
pub use tls::{Listening, TlsConfig};

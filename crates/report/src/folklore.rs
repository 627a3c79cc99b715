//! What people say about revoking JWTs, held against committed runs: `docs/FOLKLORE.md`.
//!
//! The sayings are data ([`sayings`]): who says it, which figures of which cells decide, and the rule. No figure is
//! written there. Everything printed comes from the runs that are given; what they lack is said to be lacking.

mod evidence;
mod page;
mod saying;
mod sayings;

pub use page::folklore;

//! Names of things, one type each, so that a session is never passed where a subject is wanted.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $type(pub String);

        impl $type {
            /// The name as text.
            #[inline]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $type {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $type {
            fn from(text: String) -> Self {
                Self(text)
            }
        }
    };
}

name! {
    /// Who is authorised: the `sub` claim.
    SubjectId
}
name! {
    /// One login of a subject on one device: the `sid` claim.
    SessionId
}
name! {
    /// One token: the `jti` claim (RFC 7519 §4.1.7).
    Jti
}
name! {
    /// Who issued a token: the `iss` claim.
    Issuer
}
name! {
    /// One thing that a subject may do, such as `orders:write`.
    Permission
}

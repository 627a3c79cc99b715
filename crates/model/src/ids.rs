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
    /// One thing that a subject may do, such as `orders:write`; or how much of it, such as `seats=8`.
    Permission
}

impl Permission {
    /// Name and number of a value, such as `seats=8`; `None` for a right, which one has or has not. A number is written
    /// in one way: digits without leading zeros.
    pub fn value(&self) -> Option<(&str, u64)> {
        let (name, digits) = self.0.rsplit_once('=')?;
        let canonical =
            digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
        let number = digits.parse().ok().filter(|_| canonical)?;
        (!name.is_empty()).then_some((name, number))
    }

    /// Does one of `held` allow this? A right by being among them; a value by a value of its name that is as large.
    #[inline]
    pub fn is_allowed_by(&self, held: &[Permission]) -> bool {
        held.contains(self) || self.value().is_some_and(|value| is_reached(value, held))
    }
}

fn is_reached((name, wanted): (&str, u64), held: &[Permission]) -> bool {
    let values = held.iter().filter_map(Permission::value);
    values.into_iter().any(|(held, number)| held == name && wanted <= number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn held(names: &[&str]) -> Vec<Permission> {
        names.iter().map(|&name| name.into()).collect()
    }

    #[test]
    fn a_number_behind_a_name_is_a_value_and_everything_else_a_right() {
        let check = |text: &str, expected| assert_eq!(Permission::from(text).value(), expected, "{text}");
        check("seats=8", Some(("seats", 8)));
        check("seats=0", Some(("seats", 0)));
        check("a=b=3", Some(("a=b", 3)));
        check("seats=18446744073709551615", Some(("seats", u64::MAX)));
        for right in [
            "seats",
            "seats=",
            "=8",
            "seats=+8",
            "seats=-1",
            "seats=08",
            "seats=8.0",
            "seats= 8",
            "orders:write",
        ] {
            check(right, None);
        }
        check("seats=18446744073709551616", None);
    }

    #[test]
    fn a_value_allows_what_it_reaches_and_a_right_only_itself() {
        let check = |wanted: &str, names: &[&str], expected| {
            assert_eq!(
                Permission::from(wanted).is_allowed_by(&held(names)),
                expected,
                "{wanted} by {names:?}"
            );
        };
        check("orders:write", &["orders:read", "orders:write"], true);
        check("orders:write", &["orders:read"], false);
        check("seats=8", &["seats=8"], true);
        check("seats=5", &["orders:read", "seats=8"], true);
        check("seats=8", &["seats=5"], false);
        check("seats=8", &["places=9", "seats"], false);
        check("seats", &["seats=8"], false);
        check("seats=x", &["seats=8"], false);
        check("seats=08", &["seats=8"], false);
    }

    proptest! {
        #[test]
        fn values_compare_as_numbers(name in "[a-z:.]{1,8}", other in "[a-z:.]{1,8}", n in 0..u64::MAX, m in 0..u64::MAX) {
            let [small, large] = [n.min(m), n.max(m)].map(|number| Permission(format!("{name}={number}")));
            prop_assert!(small.is_allowed_by(std::slice::from_ref(&large)));
            prop_assert_eq!(large.is_allowed_by(&[small]), n == m);
            prop_assert_eq!(large.is_allowed_by(&[Permission(format!("{other}={}", u64::MAX))]), other == name);
        }

        #[test]
        fn rights_are_compared_whole(held in proptest::collection::vec("[a-z]{0,3}", 0..5), wanted in "[a-z]{0,3}") {
            let permissions: Vec<Permission> = held.iter().map(|text| text.as_str().into()).collect();
            prop_assert_eq!(Permission::from(wanted.as_str()).is_allowed_by(&permissions), held.contains(&wanted));
        }
    }
}

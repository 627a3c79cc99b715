//! Which of two access tokens is the newer one: answers overtake each other, and a token that was made earlier must not
//! replace one that was made later. Pure.
//!
//! A JWT says when it was made (`iat`), and where authority is counted, for which version (`ver`). A token that says
//! neither cannot be told from an older one.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// What orders tokens: the version first, for two tokens of one instant may be of two versions.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
struct Age {
    version: Option<u64>,
    issued_at: f64,
}

/// Was `token` certainly made after `present`?
pub(crate) fn is_newer(token: &str, present: &str) -> bool {
    age(token).zip(age(present)).is_some_and(|(token, present)| token > present)
}

/// What a JWT says of itself. Its signature is the servers' business: a client believes who it asks.
fn age(token: &str) -> Option<Age> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    Some(Age { version: claims.get("ver").and_then(Value::as_u64), issued_at: claims.get("iat")?.as_f64()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn the_version_decides_and_then_the_instant() {
        let check = |one: &str, other: &str, expected: bool| {
            assert_eq!(is_newer(&token(one), &token(other)), expected, "{one} {other}");
        };
        check(r#"{"ver":2,"iat":1.0}"#, r#"{"ver":1,"iat":1.0}"#, true);
        check(r#"{"ver":1,"iat":1.0}"#, r#"{"ver":2,"iat":1.0}"#, false);
        // Two servers' clocks differ; versions do not.
        check(r#"{"ver":2,"iat":0.5}"#, r#"{"ver":1,"iat":1.0}"#, true);
        check(r#"{"ver":2,"iat":1.001}"#, r#"{"ver":2,"iat":1.0}"#, true);
        check(r#"{"iat":2}"#, r#"{"iat":1.5}"#, true);
        check(r#"{"iat":1}"#, r#"{"iat":1}"#, false);
        check("{}", r#"{"iat":1}"#, false);
        check(r#"{"iat":"2"}"#, r#"{"iat":1}"#, false);
        for opaque in ["", "opaque", "a.b.c", "a.!.c"] {
            assert!(!is_newer(opaque, &token(r#"{"iat":1}"#)) && !is_newer(&token(r#"{"iat":1}"#), opaque));
        }
    }
}

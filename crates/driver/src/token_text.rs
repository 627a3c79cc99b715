//! What a client reads in its own access token: it decodes the payload and verifies nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// Does the token name `wanted` where `pointer` points in its payload? `None` where there is no list of names, or an
/// empty one: such a token says nothing of permissions.
pub(crate) fn names(token: &str, pointer: &str, wanted: &str) -> Option<bool> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let payload: Value = serde_json::from_slice(&payload).ok()?;
    let listed = payload.pointer(pointer)?.as_array()?;
    (!listed.is_empty()).then(|| listed.iter().any(|name| name.as_str() == Some(wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_reads_its_payload_and_nothing_else() {
        let check = |payload: &str, expected: Option<bool>| {
            let token = format!("head.{}.signature", URL_SAFE_NO_PAD.encode(payload));
            assert_eq!(names(&token, "/permissions", "reports"), expected, "{payload}");
        };
        check(r#"{"permissions":["orders","reports"]}"#, Some(true));
        check(r#"{"permissions":["orders"]}"#, Some(false));
        check(r#"{"permissions":[]}"#, None);
        check(r#"{"scope":"reports"}"#, None);
        check("no JSON", None);
        assert_eq!(names("opaque", "/permissions", "reports"), None);
    }
}

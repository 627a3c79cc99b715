//! What an OpenID discovery document tells of a system.

use serde_json::Value;

use super::place::Place;
use super::{Blank, Draft};

/// A target file to begin with, filled in from the document of an issuer (OpenID Connect Discovery 1.0, RFC 8414): where
/// tokens are issued, renewed and revoked. What it cannot know stays a placeholder.
pub fn init_from_openid(configuration: &Value) -> String {
    let mut draft = Draft::new();
    let text = |key: &str| configuration.get(key).and_then(Value::as_str);
    draft.note(&format!(
        "Filled in from the discovery document of {}.",
        text("issuer").unwrap_or("an issuer")
    ));
    let token = text("token_endpoint").map(Place::of);
    let authority = token.as_ref().and_then(|place| place.origin.clone());
    draft.fill(Blank::Authority, authority.as_deref());
    let token_path = token.as_ref().and_then(Place::plain_path);
    draft.fill(Blank::SignIn, token_path);
    draft.fill(Blank::Refresh, token_path);
    if let Some(place) = text("revocation_endpoint").map(Place::of) {
        draft.revocation(&place, authority.as_deref());
    }
    note_grants(&mut draft, configuration);
    if let Some(userinfo) = text("userinfo_endpoint") {
        draft.note(&format!("A protected resource of the issuer itself, to begin with: {userinfo}"));
    }
    draft.finish()
}

/// Subjects sign in without a browser, or not at all.
fn note_grants(draft: &mut Draft, configuration: &Value) {
    let Some(grants) = configuration.get("grant_types_supported").and_then(Value::as_array) else { return };
    if !grants.iter().any(|grant| grant == "password") {
        draft.note("It does not offer the grant `password`: allow it for the client of the load test, or sign in another way.");
    }
}

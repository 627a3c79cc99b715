//! What an OpenAPI document tells of a system.

use serde_json::{Map, Value};

use super::place::Place;
use super::{Blank, Draft, FORM_OF_SIGN_IN, name_of, quoted};

/// Last words of paths that sign in, the likeliest first.
const SIGN_IN_WORDS: [&str; 8] =
    ["token", "login", "signin", "authenticate", "authentication", "session", "sessions", "auth"];
/// Words in paths that may change what somebody may do.
const CHANGE_WORDS: [&str; 10] =
    ["role", "permission", "user", "account", "member", "grant", "suspend", "disable", "ban", "logout"];
/// Words in paths of no interest: everyone may have them.
const OPEN_WORDS: [&str; 6] = ["health", "metrics", "version", "openapi", "docs", "ping"];
/// Fields that name who signs in.
const NAME_FIELDS: [&str; 5] = ["username", "email", "login", "user", "name"];
/// As many requests are named that may make a change.
const MOST_CANDIDATES: usize = 6;

/// A target file to begin with, filled in from an OpenAPI document (2.0 to 3.1): addresses, what looks like the sign-in, a
/// protected resource, and which requests may make a change. What it cannot know stays a placeholder.
pub fn init_from_openapi(document: &Value) -> String {
    let mut draft = Draft::new();
    let info = |key: &str| document.pointer(&format!("/info/{key}")).and_then(Value::as_str);
    draft.note(&format!("Filled in from the OpenAPI document of {}.", info("title").unwrap_or("a service")));
    draft.fill(Blank::Name, info("title").and_then(name_of).as_deref());
    draft.set_version(info("version"));
    let server = server(document);
    let operations = operations(document);
    let token = token_urls(document).map(|(token, renewal)| (Place::of(token), renewal.map(Place::of)));
    let authority = token.as_ref().and_then(|(token, _)| token.origin.clone()).or(server.origin.clone());
    draft.fill(Blank::Authority, authority.as_deref());
    draft.fill(Blank::Instance, server.origin.as_deref());
    match &token {
        Some((token, renewal)) => {
            let path = |place: &Place| match place.origin {
                Some(_) => place.plain_path().map(str::to_owned),
                None => place.plain_path().and_then(|path| server.below(path)),
            };
            draft.fill(Blank::SignIn, path(token).as_deref());
            draft.fill(Blank::Refresh, path(renewal.as_ref().unwrap_or(token)).as_deref());
        }
        None => sign_in_of(&operations, document, &server, &mut draft),
    }
    draft.fill(Blank::Protected, protected(&operations, document, &server).as_deref());
    let revokes = |operation: &&Operation<'_>| operation.method == "post" && operation.has_word(&["revoke"]);
    if let Some(path) = operations.iter().find(revokes).and_then(|operation| server.below(operation.path)) {
        draft.revocation(&Place::of(&path), authority.as_deref());
    }
    note_candidates(&operations, &mut draft);
    draft.finish()
}

/// A request of the document.
struct Operation<'d> {
    method: &'d str,
    path: &'d str,
    described: &'d Map<String, Value>,
}

impl Operation<'_> {
    /// Does any part of its path contain one of these words?
    fn has_word(&self, words: &[&str]) -> bool {
        let path = self.path.to_ascii_lowercase();
        words.iter().any(|word| path.contains(word))
    }

    /// The last part of its path, in lowercase letters and digits.
    fn last_word(&self) -> String {
        let last = self.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        last.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    }

    /// Must a caller be signed in?
    fn is_protected(&self, document: &Value) -> bool {
        let security = self.described.get("security").or(document.get("security"));
        security.and_then(Value::as_array).is_some_and(|any| !any.is_empty())
    }
}

/// Every request, by path and method.
fn operations(document: &Value) -> Vec<Operation<'_>> {
    let mut found = Vec::new();
    for (path, item) in document.get("paths").and_then(Value::as_object).into_iter().flatten() {
        for (method, described) in item.as_object().into_iter().flatten() {
            if let Some(described) = described.as_object() {
                found.push(Operation { method, path, described });
            }
        }
    }
    found
}

/// The first server of the document, or what an older one says of its host.
fn server(document: &Value) -> Place {
    if let Some(url) = document.pointer("/servers/0/url").and_then(Value::as_str) {
        return Place::of(url);
    }
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    let base = text("/basePath").unwrap_or("/");
    match text("/host") {
        Some(host) => Place::of(&format!("{}://{host}{base}", text("/schemes/0").unwrap_or("https"))),
        None => Place::of(base),
    }
}

/// Where a flow of OAuth 2.0 has its tokens from, and where it renews them if that is elsewhere: those of the grant
/// `password` first, with which nobody needs a browser.
fn token_urls(document: &Value) -> Option<(&str, Option<&str>)> {
    let schemes = document
        .pointer("/components/securitySchemes")
        .or(document.get("securityDefinitions"))?
        .as_object()?;
    let mut found: Option<(&str, Option<&str>)> = None;
    for scheme in schemes.values() {
        // An older document has one flow for each scheme, and says which.
        let own = scheme.get("flow").and_then(Value::as_str).map(|flow| (flow, scheme));
        let flows = scheme.get("flows").and_then(Value::as_object).into_iter().flatten();
        for (name, flow) in flows.map(|(name, flow)| (name.as_str(), flow)).chain(own) {
            let text = |key: &str| flow.get(key).and_then(Value::as_str);
            let Some(token) = text("tokenUrl") else { continue };
            if name == "password" {
                return Some((token, text("refreshUrl")));
            }
            found = found.or(Some((token, text("refreshUrl"))));
        }
    }
    found
}

/// The request that looks most like a sign-in.
fn sign_in_of(operations: &[Operation<'_>], document: &Value, server: &Place, draft: &mut Draft) {
    let rank = |operation: &Operation<'_>| {
        SIGN_IN_WORDS
            .iter()
            .position(|word| *word == operation.last_word())
            .filter(|_| operation.method == "post")
    };
    let ranked = operations.iter().filter_map(|operation| Some((rank(operation)?, operation)));
    let Some((_, operation)) = ranked.min_by_key(|(rank, operation)| (*rank, operation.path.len())) else {
        return;
    };
    draft.fill(Blank::SignIn, server.below(operation.path).as_deref());
    let described = Value::Object(operation.described.clone());
    let Some(schema) = described.pointer("/requestBody/content/application~1json/schema") else { return };
    let schema = match schema.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix('#')) {
        Some(pointer) => document.pointer(pointer),
        None => Some(schema),
    };
    let fields = schema.and_then(|schema| schema.get("properties"));
    let field = NAME_FIELDS.iter().find(|name| fields.is_some_and(|fields| fields.get(**name).is_some()));
    let name = field.copied().unwrap_or("username");
    let json = format!("json = {{ {} = \"{{{{subject}}}}\", password = \"{{{{subject}}}}\" }}", quoted(name));
    draft.replace(FORM_OF_SIGN_IN, &json);
}

/// A resource that a caller must be signed in for, without places to be filled in: one that says when it refuses first,
/// then the shortest.
fn protected(operations: &[Operation<'_>], document: &Value, server: &Place) -> Option<String> {
    let candidates = operations.iter().filter(|operation| {
        operation.method == "get"
            && operation.is_protected(document)
            && !operation.has_word(&OPEN_WORDS)
            && !operation.path.contains('{')
    });
    let refuses = |operation: &Operation<'_>| {
        operation.described.get("responses").is_some_and(|responses| responses.get("403").is_some())
    };
    let best = candidates.min_by_key(|operation| (!refuses(operation), operation.path.len()))?;
    server.below(best.path)
}

/// Names requests that may make a change: which of them does, nobody can read off a document.
fn note_candidates(operations: &[Operation<'_>], draft: &mut Draft) {
    let writes = |operation: &&Operation<'_>| {
        matches!(operation.method, "post" | "put" | "patch" | "delete") && operation.has_word(&CHANGE_WORDS)
    };
    let named: Vec<String> = operations
        .iter()
        .filter(writes)
        .take(MOST_CANDIDATES)
        .map(|operation| format!("{} {}", operation.method.to_ascii_uppercase(), operation.path))
        .collect();
    if !named.is_empty() {
        draft.note("Requests that may make a change, for [[change]] and the seed:");
        named.iter().for_each(|operation| draft.note(&format!("  {operation}")));
    }
}

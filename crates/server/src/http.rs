//! Small pieces of HTTP that the routes of both servers use.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::body::Body;
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, Response, StatusCode};
use revbench_model::Reason;
use serde::Serialize;

/// In which an answer carries a token that replaces the one it was asked with.
static REISSUED: HeaderName = HeaderName::from_static("x-access-token");

/// Hands a token to whoever reads the answer, and to no cache.
pub(crate) fn put_reissued(response: &mut Response<Body>, token: &str) {
    // A token that cannot stand in a header is none.
    if let Ok(value) = HeaderValue::from_str(token) {
        response.headers_mut().insert(REISSUED.clone(), value);
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// The bearer token of a request (RFC 6750 §2.1), and no other way of sending one.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, Reason> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Reason::MissingToken)?;
    // Two of them: what one layer reads another might not.
    if values.next().is_some() {
        return Err(Reason::InvalidToken);
    }
    let value = value.to_str().map_err(|_| Reason::InvalidToken)?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Reason::MissingToken);
    }
    if token.is_empty() { Err(Reason::InvalidToken) } else { Ok(token) }
}

/// Does the request carry this secret as its bearer token?
pub(crate) fn carries_secret(headers: &HeaderMap, secret: &str) -> bool {
    bearer(headers).is_ok_and(|token| verify_slices_are_equal(token.as_bytes(), secret.as_bytes()).is_ok())
}

/// The challenge that goes with a reason (RFC 6750 §3), where one does.
pub(crate) fn challenge(reason: Reason) -> Option<HeaderValue> {
    let text = match (reason, reason.status()) {
        (Reason::MissingToken, _) => "Bearer",
        (Reason::RefreshNeeded, _) => {
            r#"Bearer error="invalid_token", error_description="refresh and come back""#
        }
        (_, 401) => r#"Bearer error="invalid_token""#,
        (_, 403) => r#"Bearer error="insufficient_scope""#,
        _ => return None,
    };
    Some(HeaderValue::from_static(text))
}

/// A JSON answer that nobody may keep.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_vec(body).expect("answers are plain words and finite numbers");
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A page of plain text.
pub(crate) fn text(body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// An error in the form of RFC 6749 §5.2, used by all routes of the authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) error: &'static str,
    pub(crate) description: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, error: &'static str, description: impl Into<String>) -> Self {
        Problem { status, error, description: description.into() }
    }

    /// The request makes no sense.
    pub(crate) fn bad_request(description: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    /// What is named is not there.
    pub(crate) fn not_found(description: impl Into<String>) -> Self {
        Problem::new(StatusCode::NOT_FOUND, "not_found", description)
    }

    /// What is asked for is more than is done at once.
    pub(crate) fn too_large(description: impl Into<String>) -> Self {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", description)
    }

    /// The caller is nobody.
    pub(crate) fn unauthorized() -> Self {
        Problem::new(StatusCode::UNAUTHORIZED, "invalid_token", "a valid bearer token is needed")
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let body = serde_json::json!({ "error": self.error, "error_description": self.description });
        let mut response = json(self.status, &body);
        if self.status == StatusCode::UNAUTHORIZED {
            let value = HeaderValue::from_static(r#"Bearer error="invalid_token""#);
            response.headers_mut().insert(WWW_AUTHENTICATE, value);
        }
        response
    }
}

impl From<revbench_strategies::Unavailable> for Problem {
    fn from(unavailable: revbench_strategies::Unavailable) -> Self {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", unavailable.to_string())
    }
}

impl From<revbench_store::StoreError> for Problem {
    fn from(error: revbench_store::StoreError) -> Self {
        revbench_strategies::Unavailable::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_tokens_come_in_one_header_only() {
        let check = |values: &[&str], expected: Result<&str, Reason>| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            }
            assert_eq!(bearer(&headers), expected, "{values:?}");
        };
        check(&["Bearer abc"], Ok("abc"));
        check(&["bearer abc"], Ok("abc"));
        check(&[], Err(Reason::MissingToken));
        check(&["Basic abc"], Err(Reason::MissingToken));
        check(&["Bearerabc"], Err(Reason::MissingToken));
        check(&["Bearer"], Err(Reason::InvalidToken));
        check(&["Bearer "], Err(Reason::InvalidToken));
        check(&["Bearer abc", "Bearer abc"], Err(Reason::InvalidToken));
    }
}

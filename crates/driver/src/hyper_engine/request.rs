//! From the bytes that templates write to a request as hyper takes it. Pure.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{HOST, HeaderName, HeaderValue};
use hyper::http::uri::Authority;
use hyper::{Method, Request, Uri};

use crate::plan::Place;

/// As many headers as a request may have.
const MOST_HEADERS: usize = 64;

/// Reads a request; `None` for bytes that are none. Under HTTP/2 the host header becomes the authority, as there is no
/// such header (RFC 9113 §8.3.1).
pub(super) fn parse(bytes: &[u8], place: &Place, http2: bool) -> Option<Request<Full<Bytes>>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = parsed.parse(bytes).ok()? else { return None };
    let mut request = Request::new(Full::new(Bytes::copy_from_slice(&bytes[head..])));
    *request.method_mut() = Method::from_bytes(parsed.method?.as_bytes()).ok()?;
    for header in parsed.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(header.value).ok()?);
    }
    let path: Uri = parsed.path?.parse().ok()?;
    *request.uri_mut() = match http2 {
        false => path,
        true => {
            let host = request.headers_mut().remove(HOST)?;
            let mut parts = path.into_parts();
            parts.authority = Some(Authority::try_from(host.as_bytes()).ok()?);
            parts.scheme = Some(if place.tls { "https" } else { "http" }.parse().ok()?);
            Uri::from_parts(parts).ok()?
        }
    };
    Some(request)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn place(tls: bool) -> Place {
        Place { tls, ..std::net::SocketAddr::from(([127, 0, 0, 1], 80)).into() }
    }

    fn body(request: Request<Full<Bytes>>) -> Bytes {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(request.into_body().collect()).unwrap().to_bytes()
    }

    const POST: &[u8] =
        b"POST /token?a=b HTTP/1.1\r\nhost: api.example:8443\r\nX: 1\r\nX: 2\r\ncontent-length: 3\r\n\r\nk=v";

    #[test]
    fn nothing_is_lost_under_http_1() {
        let request = parse(POST, &place(true), false).unwrap();
        assert_eq!((request.method(), request.uri().to_string()), (&Method::POST, "/token?a=b".to_owned()));
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        let headers: Vec<_> =
            request.headers().iter().map(|(name, value)| (name.as_str(), text(value))).collect();
        let expected = [("host", "api.example:8443"), ("x", "1"), ("x", "2"), ("content-length", "3")];
        assert_eq!(headers, expected.map(|(name, value)| (name, value.to_owned())));
        assert_eq!(body(request), "k=v");
    }

    #[test]
    fn the_host_is_the_authority_under_http_2() {
        for (tls, scheme) in [(true, "https"), (false, "http")] {
            let request = parse(POST, &place(tls), true).unwrap();
            assert_eq!(request.uri().to_string(), format!("{scheme}://api.example:8443/token?a=b"));
            assert!(request.headers().get("host").is_none());
            assert_eq!(body(request), "k=v");
        }
    }

    #[test]
    fn what_is_no_request_is_none() {
        for text in [
            "",
            "GET / HTTP/1.1\r\nhost: a\r\n",
            "GET /a b HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nb c: d\r\n\r\n",
        ] {
            assert!(parse(text.as_bytes(), &place(false), false).is_none(), "{text}");
        }
        assert!(parse(b"GET / HTTP/1.1\r\n\r\n", &place(false), true).is_none(), "no host, no authority");
    }
}

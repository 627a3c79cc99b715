//! A resource server's way to the issuer, over HTTP connections that are kept: questions of RFC 7662, exchanges of
//! RFC 8693, and the key set.
//!
//! Each thread has its own, as it has its own store client. A connection carries one question at a time and is kept
//! once the answer was read to its end; where none comes in time it is closed, so that a late answer is never taken
//! for that to the next question. The other side may close a kept connection at any time: a question, which changes
//! nothing that matters, is then put again on another one, within the same time.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use axum::http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use revbench_model::Permission;
use revbench_strategies::{AskIssuer, ExchangeToken, Exchanged, Introspected, Unavailable};
use rustls::pki_types::ServerName;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::config::{IssuerAccess, ServerError};
use crate::keys::FetchKeys;
use crate::tls;

/// Connections that a thread keeps while nothing is asked.
const KEPT: usize = 64;

/// Longest answer that is read; one with 500 permissions fits, and so do the keys of a thousand tenants.
const LONGEST_ANSWER: usize = 1024 * 1024;

type Connection = SendRequest<Full<Bytes>>;

/// Asks one issuer, with the credentials of one resource server.
#[derive(Clone)]
pub(crate) struct IssuerClient {
    address: SocketAddr,
    /// Where it speaks TLS.
    tls: Option<(TlsConnector, ServerName<'static>)>,
    host: HeaderValue,
    authorization: HeaderValue,
    limit: Duration,
    kept: Arc<Mutex<Vec<Connection>>>,
}

/// RFC 7662 §2.2, as far as it is needed.
#[derive(Deserialize)]
struct Answer {
    active: bool,
    #[serde(default)]
    exp: Option<f64>,
    #[serde(default)]
    permissions: Vec<Permission>,
}

fn unavailable(what: &str, why: impl Display) -> Unavailable {
    Unavailable::new(format!("{what}: {why}"))
}

impl IssuerClient {
    /// That waits this long for an answer.
    pub(crate) fn new(access: &IssuerAccess, timeout_ms: u64) -> Result<Self, ServerError> {
        let unusable =
            |_| ServerError::io("naming the issuer")(std::io::Error::other("not a header's value"));
        let mut authorization =
            HeaderValue::from_str(&format!("Bearer {}", access.bearer)).map_err(unusable)?;
        authorization.set_sensitive(true);
        Ok(IssuerClient {
            address: access.address,
            tls: match &access.authority_pem {
                Some(pem) => Some(tls::connector(pem, access.address)?),
                None => None,
            },
            host: HeaderValue::from_str(&access.address.to_string()).map_err(unusable)?,
            authorization,
            limit: Duration::from_millis(timeout_ms),
            kept: Arc::default(),
        })
    }

    /// A question that anyone may ask.
    fn fetch(&self, path: &'static str) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.uri_mut() = Uri::from_static(path);
        request.headers_mut().insert(HOST, self.host.clone());
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        request
    }

    fn request(&self, question: &Question) -> Request<Full<Bytes>> {
        let form = question.form.clone();
        let mut request = Request::new(Full::new(Bytes::from(form)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static(question.path);
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        request
    }

    /// Asks within the time given.
    async fn ask(
        &self,
        question: impl Fn() -> Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), Unavailable> {
        match tokio::time::timeout(self.limit, self.ask_at_leisure(question)).await {
            Ok(answer) => answer,
            Err(_) => Err(Unavailable::new(format!("no answer from the issuer within {:?}", self.limit))),
        }
    }

    async fn ask_at_leisure(
        &self,
        question: impl Fn() -> Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), Unavailable> {
        while let Some(kept) = self.take() {
            if let Ok(answer) = self.exchange_over(kept, question()).await {
                return Ok(answer);
            }
        }
        self.exchange_over(self.connect().await?, question()).await
    }

    /// One question and its answer.
    async fn exchange_over(
        &self,
        mut connection: Connection,
        question: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), Unavailable> {
        let lost = |error| unavailable("the connection to the issuer was lost", error);
        connection.ready().await.map_err(lost)?;
        let response = connection.send_request(question).await.map_err(lost)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, LONGEST_ANSWER).collect().await;
        let body = body.map_err(|error| unavailable("the issuer's answer ends early", error))?.to_bytes();
        self.keep(connection);
        Ok((head.status, body))
    }

    async fn connect(&self) -> Result<Connection, Unavailable> {
        let stream = TcpStream::connect(self.address).await;
        let stream = stream
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(|error| unavailable("the issuer cannot be reached", error))?;
        let Some((connector, name)) = &self.tls else { return begin(TokioIo::new(stream)).await };
        let stream = connector.connect(name.clone(), stream).await;
        begin(TokioIo::new(stream.map_err(|error| unavailable("the issuer is not believed", error))?)).await
    }

    fn take(&self) -> Option<Connection> {
        let mut kept = self.lock();
        while let Some(connection) = kept.pop() {
            if !connection.is_closed() {
                return Some(connection);
            }
        }
        None
    }

    fn keep(&self, connection: Connection) {
        let mut kept = self.lock();
        if kept.len() < KEPT {
            kept.push(connection);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        // A push or a pop is all that is done under the lock.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn begin<S>(stream: S) -> Result<Connection, Unavailable>
where
    S: Read + Write + Unpin + Send + 'static,
{
    let made = http1::handshake(stream).await;
    let (connection, driver) = made.map_err(|error| unavailable("no connection to the issuer", error))?;
    // Its end is seen by whoever uses the connection next.
    tokio::spawn(async move { drop(driver.await) });
    Ok(connection)
}

/// A form and where it goes.
struct Question {
    path: &'static str,
    form: String,
}

impl Question {
    fn new(path: &'static str, parameters: &[(&str, &str)]) -> Self {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        Question { path, form }
    }
}

impl AskIssuer for IssuerClient {
    async fn introspect(&self, token: &str) -> Result<Introspected, Unavailable> {
        let form = [("token", token), ("token_type_hint", "access_token")];
        let question = Question::new("/introspect", &form);
        let (status, body) = self.ask(|| self.request(&question)).await?;
        understood(status, &body)
    }
}

impl FetchKeys for IssuerClient {
    async fn key_set(&self) -> Result<String, Unavailable> {
        let (status, body) = self.ask(|| self.fetch("/.well-known/jwks.json")).await?;
        if status != StatusCode::OK {
            return Err(unavailable("the issuer refused", status));
        }
        String::from_utf8(body.into()).map_err(|error| unavailable("the key set is no text", error))
    }
}

impl ExchangeToken for IssuerClient {
    async fn exchange(&self, token: &str) -> Result<Exchanged, Unavailable> {
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", token),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ];
        let question = Question::new("/token", &form);
        let (status, body) = self.ask(|| self.request(&question)).await?;
        exchanged(status, &body)
    }
}

/// RFC 8693 §2.2.1 and RFC 6749 §5.2, as far as they are needed.
#[derive(Deserialize)]
#[serde(untagged)]
enum Exchange {
    Issued { access_token: Box<str>, scope: String },
    Failed { error: String },
}

/// What an exchange says: only what RFC 8693 has for a token that is not good means that it is not.
fn exchanged(status: StatusCode, body: &[u8]) -> Result<Exchanged, Unavailable> {
    let answer: Exchange = serde_json::from_slice(body)
        .map_err(|error| unavailable("the issuer's answer does not parse", error))?;
    match (status, answer) {
        (StatusCode::OK, Exchange::Issued { access_token: token, scope }) => {
            let permissions = scope.split_whitespace().map(Permission::from).collect();
            Ok(Exchanged::Issued { token, permissions })
        }
        (StatusCode::BAD_REQUEST, Exchange::Failed { error }) if error == "invalid_request" => {
            Ok(Exchanged::Refused)
        }
        (status, _) => Err(unavailable("the issuer refused", status)),
    }
}

/// What an answer says. One that is not as RFC 7662 has it says nothing: it is neither yes nor no.
fn understood(status: StatusCode, body: &[u8]) -> Result<Introspected, Unavailable> {
    if status != StatusCode::OK {
        return Err(unavailable("the issuer refused", status));
    }
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|error| unavailable("the issuer's answer does not parse", error))?;
    match (answer.active, answer.exp) {
        (false, _) => Ok(Introspected::Inactive),
        (true, Some(exp)) if exp >= 0.0 => Ok(Introspected::Active {
            permissions: answer.permissions.into(),
            exp_ms: (exp * 1_000.0).round() as u64,
        }),
        (true, _) => Err(Unavailable::new("the issuer's answer does not say until when")),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::{mpsc, oneshot};

    use super::*;

    #[test]
    fn answers_are_yes_no_or_none() {
        let check = |status: u16, body: &str, expected: Option<Introspected>| {
            let answer = understood(StatusCode::from_u16(status).unwrap(), body.as_bytes()).ok();
            assert_eq!(answer, expected, "{status} {body}");
        };
        let active = Introspected::Active {
            permissions: Arc::new([Permission::from("a")]),
            exp_ms: 1_700_000_000_250,
        };
        check(200, r#"{"active":true,"exp":1700000000.25,"permissions":["a"],"sub":"ann"}"#, Some(active));
        check(200, r#"{"active":false}"#, Some(Introspected::Inactive));
        check(200, r#"{"active":true,"permissions":["a"]}"#, None);
        check(200, r#"{"active":true,"exp":-1,"permissions":["a"]}"#, None);
        check(200, r#"{"active":"true","exp":1}"#, None);
        check(200, r#"{"active":null,"exp":1}"#, None);
        check(200, "{}", None);
        check(200, "", None);
        check(401, r#"{"active":false}"#, None);
        check(503, r#"{"active":true,"exp":1,"permissions":["a"]}"#, None);
    }

    #[test]
    fn exchanges_are_a_token_a_refusal_or_nothing() {
        let check = |status: u16, body: &str, expected: Option<Exchanged>| {
            let answer = exchanged(StatusCode::from_u16(status).unwrap(), body.as_bytes()).ok();
            assert_eq!(answer, expected, "{status} {body}");
        };
        let issued = |names: &[&str]| Exchanged::Issued {
            token: "t".into(),
            permissions: names.iter().map(|&name| Permission::from(name)).collect(),
        };
        check(200, r#"{"access_token":"t","scope":"a b","expires_in":1}"#, Some(issued(&["a", "b"])));
        check(200, r#"{"access_token":"t","scope":""}"#, Some(issued(&[])));
        check(200, r#"{"access_token":"t"}"#, None);
        check(200, r#"{"error":"invalid_request"}"#, None);
        check(400, r#"{"error":"invalid_request"}"#, Some(Exchanged::Refused));
        check(400, r#"{"error":"unsupported_grant_type"}"#, None);
        check(401, r#"{"error":"invalid_client"}"#, None);
        check(503, r#"{"error":"temporarily_unavailable"}"#, None);
        check(400, "", None);
    }

    const INACTIVE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{\"active\":false}";
    const ACTIVE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 24\r\n\r\n{\"active\":true,\"exp\":10}";

    /// What an issuer does with the next question that it hears.
    enum Does {
        Answer(&'static str),
        AnswerAndClose(&'static str),
        /// Not before the first happens, and makes the second happen.
        AnswerBetween(oneshot::Receiver<()>, &'static str, oneshot::Sender<()>),
    }

    /// An issuer made of a script; tells the number of the connection on which each question came.
    async fn scripted(script: Vec<Does>) -> (IssuerClient, mpsc::UnboundedReceiver<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let access = IssuerAccess {
            address: listener.local_addr().unwrap(),
            bearer: "b".to_owned(),
            authority_pem: None,
        };
        let script = Arc::new(tokio::sync::Mutex::new(script.into_iter()));
        let (heard, hears) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            for number in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (script, heard) = (script.clone(), heard.clone());
                tokio::spawn(async move {
                    let mut buffer = [0; 4_096];
                    while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {
                        heard.send(number).unwrap();
                        let next = script.lock().await.next();
                        let (text, closes, then) = match next {
                            Some(Does::Answer(text)) => (text, false, None),
                            Some(Does::AnswerAndClose(text)) => (text, true, None),
                            Some(Does::AnswerBetween(after, text, then)) => {
                                after.await.unwrap();
                                (text, false, Some(then))
                            }
                            None => return,
                        };
                        let sent = stream.write_all(text.as_bytes()).await;
                        let _ = then.map(|then| then.send(()));
                        if closes || sent.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        (IssuerClient::new(&access, 2_000).unwrap(), hears)
    }

    fn is_active(answer: &Result<Introspected, Unavailable>) -> bool {
        matches!(answer, Ok(Introspected::Active { .. }))
    }

    #[tokio::test]
    async fn a_connection_is_kept_and_replaced_when_it_was_closed() {
        let script = [Does::Answer(INACTIVE), Does::AnswerAndClose(INACTIVE), Does::Answer(ACTIVE)];
        let (client, mut hears) = scripted(script.into()).await;
        assert_eq!(client.introspect("a").await, Ok(Introspected::Inactive));
        assert_eq!(client.introspect("b").await, Ok(Introspected::Inactive));
        assert!(is_active(&client.introspect("c").await));
        let mut connections = Vec::new();
        while let Ok(number) = hears.try_recv() {
            connections.push(number);
        }
        assert_eq!(connections, [0, 0, 1]);
        assert!(client.introspect("d").await.is_err(), "the script is at its end");
    }

    /// The first question is given up; its answer, a yes, comes while the second one is waiting for a no.
    #[tokio::test]
    async fn a_late_answer_is_not_taken_for_the_next_one() {
        let ((asked_again, again), (was_late, late), (was_told, _told)) =
            (oneshot::channel(), oneshot::channel(), oneshot::channel());
        let (client, mut hears) = scripted(vec![
            Does::AnswerBetween(again, ACTIVE, was_late),
            Does::AnswerBetween(late, INACTIVE, was_told),
        ])
        .await;
        let hasty = IssuerClient { limit: Duration::from_millis(50), ..client.clone() };
        assert!(hasty.introspect("a").await.is_err());
        let meanwhile = async {
            assert_eq!(hears.recv().await, Some(0));
            // Over a connection that was not given up it would be heard after the late answer only.
            drop(tokio::time::timeout(Duration::from_secs(1), hears.recv()).await);
            asked_again.send(()).unwrap();
        };
        let (answer, ()) = tokio::join!(client.introspect("b"), meanwhile);
        assert_eq!(answer, Ok(Introspected::Inactive));
    }

    #[tokio::test]
    async fn who_cannot_be_reached_says_nothing() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let access = IssuerAccess {
            address: listener.local_addr().unwrap(),
            bearer: "b".to_owned(),
            authority_pem: None,
        };
        let client = IssuerClient::new(&access, 50).unwrap();
        let silent = client.introspect("a").await.unwrap_err().to_string();
        assert!(silent.contains("within 50ms"), "{silent}");
        drop(listener);
        let gone = client.introspect("a").await.unwrap_err().to_string();
        assert!(gone.contains("cannot be reached"), "{gone}");
        let unusable = IssuerAccess { bearer: "a\nb".to_owned(), ..access };
        assert!(IssuerClient::new(&unusable, 50).is_err());
    }
}

//! A server of tokio's and hyper's that speaks TLS and HTTP/2, with an authority of its own.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// An authority, and what it signs.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate and its key.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for one name or address, valid from the first year to the last.
    pub(crate) fn sign(&self, name: &str, years: (i32, i32)) -> Identity {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity { certificate, key: key.serialize_pem() }
    }

    /// One for this machine that is valid now.
    pub(crate) fn valid(&self) -> Identity {
        self.sign("127.0.0.1", (2020, 4000))
    }
}

/// How TLS is spoken.
pub(crate) struct Secure<'a> {
    pub(crate) identity: Identity,
    /// What is offered in the handshake.
    pub(crate) protocols: &'a [&'a str],
    /// Whose certificates clients must have.
    pub(crate) clients_of: Option<&'a Authority>,
}

impl Secure<'_> {
    fn config(&self) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match self.clients_of {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let chain = vec![CertificateDer::from_pem_slice(self.identity.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(self.identity.key.as_bytes()).unwrap();
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = self.protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }
}

/// What was asked.
pub(crate) struct Asked {
    pub(crate) version: Version,
    pub(crate) method: String,
    pub(crate) path: String,
    /// The host header, or HTTP/2's authority.
    pub(crate) host: String,
    pub(crate) bearer: String,
    pub(crate) body: Bytes,
}

/// Serves until the test process ends; `streams` is how many requests at once an HTTP/2 connection may carry.
pub(crate) fn serve<F, R>(secure: Option<&Secure<'_>>, streams: u32, handler: F) -> SocketAddr
where
    F: Fn(Asked) -> R + Send + Sync + 'static,
    R: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = secure.map(|secure| TlsAcceptor::from(Arc::new(secure.config())));
    let handler = Arc::new(handler);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((socket, _)) = listener.accept().await {
                socket.set_nodelay(true).unwrap();
                tokio::spawn(connection(socket, acceptor.clone(), streams, Arc::clone(&handler)));
            }
        });
    });
    address
}

async fn connection<F, R>(socket: TcpStream, acceptor: Option<TlsAcceptor>, streams: u32, handler: Arc<F>)
where
    F: Fn(Asked) -> R + Send + Sync + 'static,
    R: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let handler = Arc::clone(&handler);
        async move {
            let asked = asked(request).await;
            Ok::<_, Infallible>(handler(asked).await)
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http2().max_concurrent_streams(streams);
    // A connection that ends badly is the client's to notice.
    match acceptor {
        None => drop(builder.serve_connection(TokioIo::new(socket), service).await),
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(socket).await {
                drop(builder.serve_connection(TokioIo::new(stream), service).await);
            }
        }
    }
}

async fn asked(request: Request<Incoming>) -> Asked {
    let (head, body) = request.into_parts();
    let header = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let authority = head.uri.authority().map(|authority| authority.to_string());
    Asked {
        version: head.version,
        method: head.method.to_string(),
        path: head.uri.path_and_query().unwrap().to_string(),
        host: authority.or_else(|| header("host")).unwrap_or_default(),
        bearer: header("authorization").unwrap_or_default(),
        body: body.collect().await.map(|body| body.to_bytes()).unwrap_or_default(),
    }
}

/// An answer with a status and no body.
pub(crate) fn status(status: u16) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status.try_into().unwrap();
    response
}

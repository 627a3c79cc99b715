//! TLS of the servers: what they show to clients, and whom they believe where they are clients of the authority.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::config::ServerError;

/// What a server shows to its clients, PEM.
#[derive(Clone)]
pub struct TlsConfig {
    /// The certificate, and those between it and an authority.
    pub certificate_pem: String,
    /// The certificate's key.
    pub key_pem: String,
    /// Is HTTP/2 offered beside HTTP/1.1 (RFC 7301)?
    pub http2: bool,
}

/// Where a server listens, and whether it speaks TLS there.
pub struct Listening {
    pub(crate) socket: TcpListener,
    pub(crate) tls: Option<TlsConfig>,
}

impl Listening {
    /// Over TLS.
    pub fn over_tls(socket: TcpListener, tls: TlsConfig) -> Listening {
        Listening { socket, tls: Some(tls) }
    }
}

impl From<TcpListener> for Listening {
    /// Plainly.
    fn from(socket: TcpListener) -> Listening {
        Listening { socket, tls: None }
    }
}

/// The cryptography that signs tokens too.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> ServerError {
    ServerError::io("preparing TLS")(std::io::Error::other(error))
}

/// Makes the server's side of TLS connections.
pub(crate) fn acceptor(tls: &TlsConfig) -> Result<TlsAcceptor, ServerError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(tls.certificate_pem.as_bytes()).collect();
    let key = PrivateKeyDer::from_pem_slice(tls.key_pem.as_bytes()).map_err(failed)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_no_client_auth()
        .with_single_cert(chain.map_err(failed)?, key)
        .map_err(failed)?;
    let offered: &[&[u8]] = if tls.http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
    config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A resource server's side of connections to the authority: it believes one certificate authority and no other.
pub(crate) fn connector(
    authority_pem: &str,
    address: SocketAddr,
) -> Result<(TlsConnector, ServerName<'static>), ServerError> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(authority_pem.as_bytes()) {
        roots.add(authority.map_err(failed)?).map_err(failed)?;
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((TlsConnector::from(Arc::new(config)), ServerName::IpAddress(address.ip().into())))
}

//! Whom TLS connections believe, and who they say they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

use crate::error::DriverError;
use crate::plan::{Place, Transport};

/// Makes TLS connections.
pub(super) struct Tls {
    pub(super) connector: TlsConnector,
    /// Did a server ask for a certificate while there is none?
    asked_in_vain: Arc<AtomicBool>,
}

impl Tls {
    /// By what the transport says.
    ///
    /// # Errors
    /// A PEM text that holds nothing of its kind, a key that fits no certificate, or nobody to be believed.
    pub(super) fn new(transport: &Transport) -> Result<Tls, DriverError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let asked_in_vain = Arc::new(AtomicBool::new(false));
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?
            .with_root_certificates(roots(transport)?);
        let mut config = match &transport.client_identity_pem {
            Some((chain, key)) => {
                let (chain, key) = (certificates(chain, "the client's certificate")?, private_key(key)?);
                config.with_client_auth_cert(chain, key).map_err(|error| failed(&error))?
            }
            None => config.with_client_cert_resolver(Arc::new(Nobody(Arc::clone(&asked_in_vain)))),
        };
        let protocol: &[u8] = if transport.http2 { b"h2" } else { b"http/1.1" };
        config.alpn_protocols = vec![protocol.to_vec()];
        Ok(Tls { connector: TlsConnector::from(Arc::new(config)), asked_in_vain })
    }

    /// Did a server ask for a certificate while there is none?
    pub(super) fn was_asked_in_vain(&self) -> bool {
        self.asked_in_vain.load(Relaxed)
    }
}

fn failed(error: &dyn std::error::Error) -> DriverError {
    DriverError::Tls(error.to_string())
}

/// The system's authorities and those given beside them.
fn roots(transport: &Transport) -> Result<RootCertStore, DriverError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    if let Some(pem) = &transport.extra_authorities_pem {
        for authority in certificates(pem, "the further authorities")? {
            roots.add(authority).map_err(|error| failed(&error))?;
        }
    }
    if roots.is_empty() {
        let why = system.errors.first().map_or_else(String::new, |error| format!(": {error}"));
        let words = format!("no certificate authority is known, neither to the system nor given{why}");
        return Err(DriverError::Tls(words));
    }
    Ok(roots)
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, DriverError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let read = read.map_err(|error| DriverError::Tls(format!("{what}: {error}")))?;
    if read.is_empty() {
        return Err(DriverError::Tls(format!("{what}: there is no certificate in the PEM text")));
    }
    Ok(read)
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, DriverError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| DriverError::Tls(format!("the client's key: {error}")))
}

/// Has no certificate, and remembers that it was asked for one.
#[derive(Debug)]
struct Nobody(Arc<AtomicBool>);

impl ResolvesClientCert for Nobody {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// Whom a place's certificate must be for.
///
/// # Errors
/// A host that is neither a name nor an address.
pub(super) fn server_name(place: &Place) -> Result<ServerName<'static>, DriverError> {
    let bare = bare_host(&place.host);
    ServerName::try_from(bare.to_owned()).map_err(|_| {
        DriverError::Tls(format!("'{bare}' is neither a name nor an address that a certificate could be for"))
    })
}

/// A host without its port, and without the brackets of IPv6.
fn bare_host(host: &str) -> &str {
    if let Some((address, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    match host.split_once(':') {
        Some((name, port)) if !port.contains(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_for_hosts_without_ports() {
        let check = |host: &str, expected: &str| assert_eq!(bare_host(host), expected, "{host}");
        check("api.example", "api.example");
        check("api.example:8443", "api.example");
        check("127.0.0.1:8443", "127.0.0.1");
        check("[::1]:8443", "::1");
        check("[::1]", "::1");
        check("::1", "::1");
    }

    #[test]
    fn what_is_no_certificate_is_told_in_words() {
        let check = |transport: Transport, expected: &str| {
            let error = Tls::new(&transport).err().expect("it cannot be used").to_string();
            assert!(error.contains(expected), "{error}");
        };
        let authorities = |pem: &str| Transport {
            extra_authorities_pem: Some(pem.as_bytes().to_vec()),
            ..Transport::default()
        };
        check(authorities("nothing"), "the further authorities: there is no certificate in the PEM text");
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        check(authorities(broken), "cannot speak TLS: ");
    }
}

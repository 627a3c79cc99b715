//! How the servers of a run are spoken to: plainly, or over HTTPS with certificates of an authority that is made for the run
//! and kept nowhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use revbench_driver::plan::{EngineChoice, Plan, Transport};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::child::ServerTls;
use crate::options::TransportChoice;

/// A certificate for every server of this machine, and who signed it. PEM.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// Whom to believe.
    pub authority_pem: String,
    /// What the servers show: for 127.0.0.1, ::1 and localhost.
    pub certificate_pem: String,
    /// Its key.
    pub key_pem: String,
}

impl Certificates {
    /// Keys of ECDSA on P-256, as most web servers have. The authority's own is gone when this returns, so that it signs
    /// nothing else.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn new() -> Result<Certificates, rcgen::Error> {
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, "the authority of one revbench run");
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let authority_key = KeyPair::generate()?;
        let authority_pem = authority.self_signed(&authority_key)?.pem();
        let mut server = CertificateParams::new(vec!["localhost".to_owned()])?;
        server.distinguished_name.push(DnType::CommonName, "a server of one revbench run");
        for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            server.subject_alt_names.push(SanType::IpAddress(address));
        }
        let key = KeyPair::generate()?;
        let certificate = server.signed_by(&key, &Issuer::new(authority, authority_key))?;
        Ok(Certificates { authority_pem, certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}

/// How servers are spoken to, with what that needs.
#[derive(Clone, Debug, Default)]
pub struct Contact {
    http2: bool,
    certificates: Option<Arc<Certificates>>,
}

impl Contact {
    /// Over HTTPS with new certificates where that is chosen.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn new(choice: TransportChoice) -> Result<Contact, rcgen::Error> {
        let certificates = match choice {
            TransportChoice::Plain => None,
            TransportChoice::Tls | TransportChoice::TlsHttp2 => Some(Arc::new(Certificates::new()?)),
        };
        Ok(Contact { http2: choice == TransportChoice::TlsHttp2, certificates })
    }

    /// What a server needs to be spoken to like this.
    pub fn server(&self) -> Option<ServerTls> {
        let certificates = self.certificates.as_ref()?;
        Some(ServerTls {
            certificate_pem: certificates.certificate_pem.clone(),
            key_pem: certificates.key_pem.clone(),
            authority_pem: certificates.authority_pem.clone(),
            http2: self.http2,
        })
    }

    /// The address of a page of a server.
    pub fn url(&self, address: SocketAddr, path: &str) -> String {
        let scheme = if self.certificates.is_some() { "https" } else { "http" };
        format!("{scheme}://{address}{path}")
    }

    /// An agent for the control plane: loopback only, whatever proxy the environment names.
    pub fn agent(&self, timeout: Duration) -> ureq::Agent {
        let config = ureq::Agent::config_builder().timeout_global(Some(timeout)).proxy(None);
        let Some(certificates) = &self.certificates else { return config.build().into() };
        let authority = Certificate::from_pem(certificates.authority_pem.as_bytes());
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .root_certs(RootCerts::new_with_certs(&[authority.expect("it was made here")]));
        config.tls_config(tls.build()).build().into()
    }

    /// Has the driver speak like this to every server of a plan.
    pub(crate) fn carry(&self, plan: &mut Plan) {
        let Some(certificates) = &self.certificates else { return };
        plan.authority.tls = true;
        plan.instances.iter_mut().for_each(|(place, _)| place.tls = true);
        plan.transport = Transport {
            engine: EngineChoice::Hyper,
            http2: self.http2,
            extra_authorities_pem: Some(certificates.authority_pem.clone().into_bytes()),
            client_identity_pem: None,
        };
    }
}

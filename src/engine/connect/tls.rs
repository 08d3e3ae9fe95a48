//! Encrypted connections to database servers.

use std::fs;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::fault::Fault;
use crate::domain::connection::Tls;
use crate::worker::protocol::{Authorities, Server};

/// How this server's connection is encrypted; `None` where it is not.
pub fn config(server: &Server) -> Result<Option<ClientConfig>, Fault> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Fault::Tls(error.to_string()))?;
    let config = match server.tls {
        Tls::Off => return Ok(None),
        Tls::Require => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth(),
        Tls::Verify => builder.with_root_certificates(roots(server)?).with_no_client_auth(),
    };
    Ok(Some(config))
}

/// The certificates that servers' own are checked by. Bundles may hold some that this library does not take; those that
/// it takes count.
pub fn trusted(server: &Server) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let pem = match &server.authorities {
        Some(Authorities::File(path)) => fs::read(path)?,
        Some(Authorities::Given(pem)) => pem.clone().into_bytes(),
        None => Vec::new(),
    };
    let takes = |certificate: &CertificateDer<'static>| RootCertStore::empty().add(certificate.clone()).is_ok();
    let trusted: Vec<_> = CertificateDer::pem_slice_iter(&pem).flatten().filter(takes).collect();
    if trusted.is_empty() {
        return Err(Fault::Tls("there is no certificate to check the server's by".to_owned()));
    }
    Ok(trusted)
}

fn roots(server: &Server) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trusted(server)?);
    Ok(roots)
}

/// Takes any certificate: for those who asked to be safe from listeners alone.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

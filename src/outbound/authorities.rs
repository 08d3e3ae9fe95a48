//! The certificates that this machine trusts, for workers: they see no files of the system.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The system's certificates in PEM, one after the other; those that cannot be read are left out.
pub(super) fn of_the_system() -> String {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "a certificate of the system cannot be read");
    }
    found.certs.iter().map(|certificate| pem(certificate)).collect()
}

fn pem(certificate: &[u8]) -> String {
    let encoded = STANDARD.encode(certificate);
    let lines = encoded.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line) + "\n");
    let body: String = lines.collect();
    format!("-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n")
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn certificates_read_back_as_they_were() {
        let certificates = [vec![1; 100], vec![2; 48]];
        let text: String = certificates.iter().map(|certificate| pem(certificate)).collect();
        let read: Vec<_> = CertificateDer::pem_slice_iter(text.as_bytes()).map(Result::unwrap).collect();
        assert_eq!(read.iter().map(|found| found.to_vec()).collect::<Vec<_>>(), certificates);
    }
}

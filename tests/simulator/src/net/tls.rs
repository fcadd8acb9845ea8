//! A certificate authority and server certificate made for one run and then forgotten.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use std::io;
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

/// How the server proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Https {
    /// Names and addresses in the certificate.
    pub names: Vec<String>,
    /// Make a certificate that ran out long ago.
    pub expired: bool,
}

impl Default for Https {
    fn default() -> Self {
        let names = ["localhost", "127.0.0.1", "::1"].map(String::from).to_vec();
        Https { names, expired: false }
    }
}

/// The acceptor, and the authority's certificate as PEM for clients to trust.
pub fn acceptor(https: &Https) -> io::Result<(TlsAcceptor, String)> {
    make(https).map_err(|error| io::Error::other(format!("cannot make a certificate: {error}")))
}

fn make(https: &Https) -> Result<(TlsAcceptor, String), Box<dyn std::error::Error>> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.distinguished_name.push(DnType::CommonName, "cometchat-simulator throw-away CA");
    let authority_key = KeyPair::generate()?;
    let ca_pem = authority.self_signed(&authority_key)?.pem();
    let issuer = Issuer::new(authority, authority_key);

    let mut server = CertificateParams::new(https.names.clone())?;
    server.distinguished_name.push(DnType::CommonName, "cometchat-simulator");
    server.use_authority_key_identifier_extension = true;
    if https.expired {
        server.not_before = rcgen::date_time_ymd(2001, 1, 1);
        server.not_after = rcgen::date_time_ymd(2002, 1, 1);
    }
    let server_key = KeyPair::generate()?;
    let certificate = server.signed_by(&server_key, &issuer)?;

    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((TlsAcceptor::from(Arc::new(config)), ca_pem))
}

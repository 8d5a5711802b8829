//! TLS to the database: what `sslmode` and its kin ask for, as libpq understands them, by rustls.
//!
//! The client itself knows disable, prefer and require; who the server is, is checked here.

use std::env;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use postgres::config::SslMode;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::{Failure, Kind, OrFail, Result};

/// What is asked of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsMode {
    /// No TLS.
    Disable,
    /// TLS where the server has it; it may be anybody.
    Prefer,
    /// TLS; the server may be anybody, unless root certificates are named.
    Require,
    /// TLS with a server whose certificate one of ours signed.
    VerifyCa,
    /// The same, and the certificate is the host's that the URL names.
    VerifyFull,
}

/// What signs the servers' certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// `sslrootcert=system`: what the machine trusts.
    System,
    /// A file of PEM certificates.
    File(PathBuf),
}

/// What a URL, and the environment of psql, ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// How far to go.
    pub mode: TlsMode,
    roots: Option<Roots>,
    certificate: Option<(PathBuf, PathBuf)>,
}

/// The parameters that are read here, with the variables of libpq that speak where the URL does not.
pub const PARAMETERS: [(&str, &str); 4] =
    [("sslmode", "PGSSLMODE"), ("sslrootcert", "PGSSLROOTCERT"), ("sslcert", "PGSSLCERT"), ("sslkey", "PGSSLKEY")];

/// Where machines keep what they trust: Debian, Red Hat, SUSE, Alpine and macOS.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

impl Tls {
    /// Puts together what `parameter` says, a parameter of the URL each.
    ///
    /// Fails with [`Kind::Usage`] where that cannot be meant.
    pub fn new(parameter: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let said = |name: &str| {
            let variable = PARAMETERS.iter().find(|(known, _)| *known == name).map(|(_, variable)| *variable);
            let from_variable = || variable.and_then(|variable| env::var(variable).ok());
            parameter(name).or_else(from_variable).filter(|value| !value.is_empty())
        };
        let roots = match said("sslrootcert") {
            Some(text) if text == "system" => Some(Roots::System),
            Some(path) => Some(Roots::File(path.into())),
            None => libpq_file("root.crt").map(Roots::File),
        };
        let mode = match said("sslmode").as_deref() {
            Some("disable") => TlsMode::Disable,
            Some("require") => TlsMode::Require,
            Some("verify-ca") => TlsMode::VerifyCa,
            Some("verify-full") => TlsMode::VerifyFull,
            None if roots == Some(Roots::System) => TlsMode::VerifyFull,
            Some("allow" | "prefer") | None => TlsMode::Prefer,
            Some(other) => {
                return Err(Failure::new(Kind::Usage, format!("the database's URL: sslmode={other:?} is unknown"))
                    .hint("it is disable, prefer, require, verify-ca or verify-full"));
            }
        };
        let roots = match (mode, roots) {
            (TlsMode::VerifyFull, roots) => Some(roots.unwrap_or(Roots::System)),
            (TlsMode::Disable | TlsMode::Prefer, _) => None,
            (TlsMode::Require | TlsMode::VerifyCa, Some(Roots::System)) | (TlsMode::VerifyCa, None) => {
                // Anybody can have a certificate of their own signed by those.
                return Err(Failure::new(
                    Kind::Usage,
                    "the database's URL: with the machine's own root certificates only sslmode=verify-full is safe",
                )
                .hint("name the server's CA with sslrootcert=FILE, or write sslmode=verify-full"));
            }
            (TlsMode::Require | TlsMode::VerifyCa, roots) => roots,
        };
        let pair = |certificate: Option<String>, key: Option<String>| Some((certificate?.into(), key?.into()));
        let certificate = match (said("sslcert"), said("sslkey")) {
            (Some(_), None) | (None, Some(_)) => {
                return Err(Failure::new(Kind::Usage, "the database's URL: sslcert and sslkey go together"));
            }
            (certificate, key) => {
                pair(certificate, key).or_else(|| Some((libpq_file("postgresql.crt")?, libpq_file("postgresql.key")?)))
            }
        };
        Ok(Self { mode, roots, certificate })
    }

    /// Returns the part of it that the client sees to.
    pub fn client_mode(&self) -> SslMode {
        match self.mode {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
        }
    }

    /// Returns what makes the connections.
    ///
    /// Fails with [`Kind::Usage`] where a file cannot be read.
    pub fn connector(&self) -> Result<MakeRustlsConnect> {
        let provider = Arc::new(ring::default_provider());
        let (certificates, store) = match &self.roots {
            Some(roots) => read_roots(roots)?,
            None => (Vec::new(), RootCertStore::empty()),
        };
        let check = match (self.mode, &self.roots) {
            (TlsMode::VerifyFull, _) => CertificateCheck::ChainAndName,
            (_, Some(_)) => CertificateCheck::Chain,
            (TlsMode::Disable | TlsMode::Prefer | TlsMode::Require | TlsMode::VerifyCa, None) => {
                CertificateCheck::Nothing
            }
        };
        let verifier = Verifier { check, certificates, store, provider: Arc::clone(&provider) };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .or_fail(Kind::Bug, "TLS cannot be set up")?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let config = match &self.certificate {
            // Without TLS there is nobody to show it to.
            Some((certificate, key)) if self.mode != TlsMode::Disable => {
                let chain = read_certificates(certificate)?;
                let key =
                    PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, "a private key", &error))?;
                config.with_client_auth_cert(chain, key).or_fail(Kind::Usage, "sslcert and sslkey do not fit")?
            }
            Some(_) | None => config.with_no_client_auth(),
        };
        Ok(MakeRustlsConnect::new(config))
    }
}

/// Returns a file that libpq looks for, if it is there.
fn libpq_file(name: &str) -> Option<PathBuf> {
    let path = env::home_dir()?.join(".postgresql").join(name);
    path.is_file().then_some(path)
}

fn read_roots(roots: &Roots) -> Result<(Vec<CertificateDer<'static>>, RootCertStore)> {
    let path = match roots {
        Roots::File(path) => path.clone(),
        Roots::System => system_bundle()?,
    };
    let certificates = read_certificates(&path)?;
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates.iter().cloned());
    if added == 0 {
        return Err(Failure::new(Kind::Usage, format!("{}: no usable certificate is in it", path.display())));
    }
    Ok((certificates, store))
}

fn system_bundle() -> Result<PathBuf> {
    let named = env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let bundle = named.or_else(|| BUNDLES.iter().map(PathBuf::from).find(|path| path.is_file()));
    bundle.ok_or_else(|| {
        Failure::new(Kind::Usage, "this machine has no root certificates to check the database's certificate with")
            .hint("install ca-certificates, or name the server's CA with sslrootcert=FILE")
    })
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>);
    match read {
        Ok(certificates) if certificates.is_empty() => {
            Err(unreadable(path, "certificates", &"no certificate in it begins with -----BEGIN CERTIFICATE-----"))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(unreadable(path, "certificates", &error)),
    }
}

fn unreadable(path: &Path, what: &str, error: &dyn Display) -> Failure {
    Failure::new(Kind::Usage, format!("cannot read {what} from {}: {error}", path.display()))
        .hint("the database's URL names it (sslrootcert, sslcert, sslkey), or it is in ~/.postgresql")
}

/// How much of the server's certificate is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CertificateCheck {
    Nothing,
    Chain,
    ChainAndName,
}

#[derive(Debug)]
struct Verifier {
    check: CertificateCheck,
    certificates: Vec<CertificateDer<'static>>,
    store: RootCertStore,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        if self.check == CertificateCheck::Nothing {
            return Ok(ServerCertVerified::assertion());
        }
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        let chain = verify_server_cert_signed_by_trust_anchor(&parsed, &self.store, intermediates, now, algorithms);
        match chain {
            // A server's self-signed certificate, named by itself, as PostgreSQL's manual makes it. Its
            // dates have been looked at by then.
            Err(error) if is_ca_as_server(&error) && self.certificates.iter().any(|one| one == end_entity) => {}
            other => other?,
        }
        if self.check == CertificateCheck::ChainAndName {
            verify_server_name(&parsed, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// rustls passes webpki's `CaUsedAsEndEntity` on as an error of others.
fn is_ca_as_server(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidCertificate(CertificateError::Other(other)) if other.to_string().contains("CaUsedAsEndEntity"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(parameters: &[(&str, &str)]) -> Result<(TlsMode, Option<Roots>)> {
        let find = |name: &str| parameters.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Tls::new(find).map(|tls| (tls.mode, tls.roots))
    }

    #[test]
    fn what_the_parameters_ask_for() {
        let file = Some(Roots::File("/ca.pem".into()));
        for (parameters, expected) in [
            (&[][..], (TlsMode::Prefer, None)),
            (&[("sslmode", "disable")], (TlsMode::Disable, None)),
            (&[("sslmode", "allow")], (TlsMode::Prefer, None)),
            (&[("sslmode", "require")], (TlsMode::Require, None)),
            (&[("sslmode", "require"), ("sslrootcert", "/ca.pem")], (TlsMode::Require, file.clone())),
            (&[("sslmode", "verify-ca"), ("sslrootcert", "/ca.pem")], (TlsMode::VerifyCa, file.clone())),
            (&[("sslmode", "verify-full"), ("sslrootcert", "/ca.pem")], (TlsMode::VerifyFull, file)),
            (&[("sslmode", "verify-full")], (TlsMode::VerifyFull, Some(Roots::System))),
            (&[("sslrootcert", "system")], (TlsMode::VerifyFull, Some(Roots::System))),
        ] {
            assert_eq!(tls(parameters).unwrap(), expected, "{parameters:?}");
        }
        for parameters in [
            &[("sslmode", "verify_full")][..],
            &[("sslmode", "verify-ca")],
            &[("sslmode", "require"), ("sslrootcert", "system")],
            &[("sslcert", "/me.pem")],
        ] {
            assert_eq!(tls(parameters).unwrap_err().kind(), Kind::Usage, "{parameters:?}");
        }
    }
}

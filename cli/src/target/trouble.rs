//! What went wrong on the way to the target, in plain words.

#![expect(clippy::wildcard_enum_match_arm, reason = "the libraries' errors are many, and more come with each version")]

use std::io::{self, Read};

use rustls::CertificateError;
use ureq::{Error, Timeout};

/// Describes an error of the HTTP client in a fragment; never in the terms of a library.
pub(super) fn describe(error: &Error) -> String {
    match error {
        Error::Io(error) => describe_io(error),
        Error::Rustls(error) => describe_tls(error),
        Error::Timeout(Timeout::Resolve) => String::from("its host name was not resolved in time"),
        Error::Timeout(Timeout::Connect) => String::from("no connection in time"),
        Error::Timeout(Timeout::SendRequest | Timeout::SendBody | Timeout::PerWrite) => {
            String::from("it did not take the request in time")
        }
        Error::Timeout(Timeout::RecvResponse) => String::from("no answer in time"),
        Error::Timeout(_) => String::from("no complete answer in time"),
        Error::HostNotFound => String::from("its host name has no address"),
        Error::ConnectProxyFailed(why) => format!("the proxy did not connect: {why}"),
        Error::Protocol(error) => format!("its answer is not HTTP: {error}"),
        Error::LargeResponseHeader(..) => String::from("the header of its answer is too large"),
        Error::Decompress(method, error) => format!("its answer cannot be unpacked ({method}): {error}"),
        other => other.to_string(),
    }
}

/// A body whose errors are in plain words, too.
pub(super) struct Plain<R>(pub R);

impl<R: Read> Read for Plain<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            kind => io::Error::new(kind, describe_io(&error)),
        })
    }
}

fn describe_io(error: &io::Error) -> String {
    // The HTTP client and rustls hand their own errors through as such.
    if let Some(inner) = error.get_ref() {
        if let Some(inner) = inner.downcast_ref::<rustls::Error>() {
            return describe_tls(inner);
        }
        if let Some(inner) = inner.downcast_ref::<Error>() {
            return describe(inner);
        }
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => String::from("connection refused"),
        io::ErrorKind::UnexpectedEof => String::from("the connection ended before the answer did"),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
            String::from("the connection was cut")
        }
        io::ErrorKind::AddrNotAvailable => {
            String::from("this machine has no free local port (too many recent connections)")
        }
        _ if error.raw_os_error().is_some_and(is_descriptors) => {
            String::from("this process has no free file descriptor (ulimit -n)")
        }
        // getaddrinfo's word, wrapped by the standard library.
        _ if error.raw_os_error().is_none() && error.to_string().contains("lookup address") => {
            let text = error.to_string();
            let why = text.rsplit(": ").next().unwrap_or_default();
            format!("its host name cannot be resolved: {why}")
        }
        _ => error.to_string(),
    }
}

fn is_descriptors(code: i32) -> bool {
    [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE].iter().any(|errno| errno.raw_os_error() == code)
}

fn describe_tls(error: &rustls::Error) -> String {
    let text = match error {
        rustls::Error::InvalidCertificate(why) => match why {
            CertificateError::UnknownIssuer => "its certificate is not signed by a trusted CA",
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired, or this machine's clock is wrong"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet, or this machine's clock is wrong"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another host name"
            }
            CertificateError::Revoked => "its certificate is revoked",
            // What openssl makes by default may sign others; webpki does not take it for a server's.
            CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
                "its certificate is self-signed, not signed by a trusted CA"
            }
            _ => "its certificate is not valid",
        },
        rustls::Error::InvalidMessage(_) => "it does not speak TLS there: is it http:// and not https://?",
        rustls::Error::AlertReceived(_) => "it refused the TLS handshake",
        rustls::Error::PeerIncompatible(_) => "it speaks no version of TLS that is still safe (1.2, 1.3)",
        _ => "the TLS handshake failed",
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_in_plain_words() {
        let certificate = |why| Error::Rustls(rustls::Error::InvalidCertificate(why));
        let wrapped = io::Error::new(
            io::ErrorKind::InvalidData,
            rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer),
        );
        let lookup = io::Error::other("failed to lookup address information: Name or service not known");
        for (error, text) in [
            (certificate(CertificateError::UnknownIssuer), "its certificate is not signed by a trusted CA"),
            (certificate(CertificateError::BadEncoding), "its certificate is not valid"),
            (Error::Io(wrapped), "its certificate is not signed by a trusted CA"),
            (Error::Io(io::Error::from_raw_os_error(24)), "this process has no free file descriptor (ulimit -n)"),
            (
                Error::Io(io::Error::from_raw_os_error(99)),
                "this machine has no free local port (too many recent connections)",
            ),
            (Error::Io(io::Error::from_raw_os_error(111)), "connection refused"),
            (Error::Io(io::Error::from_raw_os_error(104)), "the connection was cut"),
            (Error::Io(lookup), "its host name cannot be resolved: Name or service not known"),
            (Error::HostNotFound, "its host name has no address"),
            (Error::Timeout(Timeout::Connect), "no connection in time"),
            (Error::Timeout(Timeout::RecvResponse), "no answer in time"),
            (Error::Timeout(Timeout::Global), "no complete answer in time"),
        ] {
            assert_eq!(describe(&error), text);
        }
    }
}

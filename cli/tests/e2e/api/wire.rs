//! A client that sends exactly what it is told to, and says whether the answer was whole.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::support::DEADLINE;

/// One connection.
pub struct Wire {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The content.
    pub body: Vec<u8>,
}

impl Reply {
    /// Returns a header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(has, _)| has == name).map(|(_, value)| value.as_str())
    }

    /// Returns the content as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the content as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Passes it on if it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.status, self.text());
        self
    }
}

impl Wire {
    /// Connects.
    pub fn open(address: SocketAddr) -> Self {
        Self::try_open(address).unwrap()
    }

    /// Connects, if anybody listens.
    pub fn try_open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, DEADLINE)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), address })
    }

    /// Sends bytes as they are.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Sends a request and reads its answer. A Host among `headers` replaces the usual one.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> io::Result<Reply> {
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            write!(head, "Host: {}\r\n", self.address).unwrap();
        }
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        if body.is_some() || ["POST", "PUT"].contains(&method) {
            write!(head, "Content-Length: {}\r\n", body.unwrap_or_default().len()).unwrap();
        }
        let mut bytes = (head + "\r\n").into_bytes();
        bytes.extend_from_slice(body.unwrap_or_default());
        self.push(&bytes)?;
        self.reply(method)
    }

    /// Reads the answer to a request with this method; fails where it ends too early.
    pub fn reply(&mut self, method: &str) -> io::Result<Reply> {
        let mut reply = self.head()?;
        if method != "HEAD" && ![204, 304].contains(&reply.status) {
            self.content(&mut reply)?;
        }
        Ok(reply)
    }

    /// Reads the head of an answer.
    pub fn head(&mut self) -> io::Result<Reply> {
        let status_line = self.line()?;
        let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no status line: {status_line:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(Reply { status, headers, body: Vec::new() });
            }
            let (name, value) = line.split_once(':').ok_or_else(|| io::Error::other(format!("no field: {line:?}")))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// Reads the content behind a head.
    pub fn content(&mut self, reply: &mut Reply) -> io::Result<()> {
        if let Some(length) = reply.header("content-length") {
            reply.body.resize(length.parse().map_err(io::Error::other)?, 0);
            return self.stream.read_exact(&mut reply.body);
        }
        assert_eq!(reply.header("transfer-encoding"), Some("chunked"), "{reply:?}");
        loop {
            let size = usize::from_str_radix(&self.line()?, 16).map_err(io::Error::other)?;
            let start = reply.body.len();
            reply.body.resize(start + size, 0);
            self.stream.read_exact(&mut reply.body[start..])?;
            if !self.line()?.is_empty() {
                return Err(io::Error::other("a chunk without an end"));
            }
            if size == 0 {
                return Ok(());
            }
        }
    }

    /// Says whether the server has closed the connection; what it still sends is thrown away.
    pub fn is_over(&mut self) -> bool {
        io::copy(&mut self.stream, &mut io::sink()).is_ok()
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

//! A network between the binary and the database that can be cut without the server's knowing.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::Db;

/// How long the server's side of a cut connection stays open.
const AFTERLIFE: Duration = Duration::from_millis(1500);

/// A relay to the database's TCP port.
#[derive(Debug)]
pub struct Network {
    url: String,
    /// Both sides of each connection, the client's first.
    links: Arc<Mutex<Vec<(TcpStream, TcpStream)>>>,
    /// What clients have sent at once, so far.
    messages: Arc<AtomicUsize>,
}

impl Network {
    /// Starts one; it relays until the test process ends.
    pub fn to(db: &Db) -> Self {
        Self::slow(db, Duration::ZERO)
    }

    /// Starts one in which a message takes `latency` to arrive.
    pub fn slow(db: &Db, latency: Duration) -> Self {
        let url = db.tcp_url();
        let port = url.rsplit_once(':').unwrap().1.split_once('/').unwrap().0.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = listener.local_addr().unwrap().port().to_string();
        let links = Arc::<Mutex<Vec<(TcpStream, TcpStream)>>>::default();
        let messages = Arc::<AtomicUsize>::default();
        let (accepted, sent, answered) = (Arc::clone(&links), Arc::clone(&messages), Arc::<AtomicUsize>::default());
        let server = format!("127.0.0.1:{port}");
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(&server).unwrap();
                accepted.lock().unwrap().push((client.try_clone().unwrap(), server.try_clone().unwrap()));
                relay(client.try_clone().unwrap(), server.try_clone().unwrap(), latency, Arc::clone(&sent));
                relay(server, client, latency, Arc::clone(&answered));
            }
        });
        Self { url: url.replace(&format!(":{port}/"), &format!(":{ours}/")), links, messages }
    }

    /// Returns the database's URL through it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns how many messages clients have sent so far: round trips, as long as each waits for its answer.
    pub fn messages(&self) -> usize {
        self.messages.load(Ordering::Relaxed)
    }

    /// Cuts every connection there is; new ones may be made. The server learns of it later.
    pub fn cut(&self) {
        for (client, server) in self.links.lock().unwrap().drain(..) {
            client.shutdown(Shutdown::Both).ok();
            thread::spawn(move || {
                thread::sleep(AFTERLIFE);
                server.shutdown(Shutdown::Both).ok();
            });
        }
    }
}

/// Passes on what `from` sends; its end is not passed on: that is for [`Network::cut`].
fn relay(mut from: TcpStream, mut to: TcpStream, latency: Duration, messages: Arc<AtomicUsize>) {
    to.set_nodelay(true).unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            messages.fetch_add(1, Ordering::Relaxed);
            thread::sleep(latency);
            if to.write_all(&buffer[..read]).is_err() {
                return;
            }
        }
    });
}

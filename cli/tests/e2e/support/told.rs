//! A target in the test's own process that answers as a test tells it to, down to the bytes, and else keeps records.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use postgres::Client;
use serde_json::{Value, json};

use super::{Db, News, fixtures};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `PUT /posts/5`.
    pub line: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The content.
    pub body: String,
    /// Which connection it came on, from 0.
    pub connection: usize,
}

/// How many connections are served at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// Each at once.
    Many,
    /// One, until it ends.
    One,
}

type Rule = Box<dyn FnMut(&Asked) -> Option<Vec<u8>> + Send>;
type Records = BTreeMap<(String, i64), Value>;

/// A running one; its threads end with the process.
pub struct Told {
    base: String,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    records: Records,
    rule: Rule,
    log: Vec<Asked>,
}

impl Told {
    /// Starts it with our fixtures, and no rule.
    pub fn start(threads: Threads) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let all = fixtures();
        let records = ["posts", "comments"].into_iter().flat_map(|entity| {
            let records = all[entity].as_array().unwrap().clone();
            records.into_iter().map(move |record| ((entity.to_owned(), record["id"].as_i64().unwrap()), record))
        });
        let shared = Shared { records: records.collect(), rule: Box::new(|_| None), log: Vec::new() };
        let shared = Arc::new(Mutex::new(shared));
        let accepted = Arc::clone(&shared);
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                let shared = Arc::clone(&accepted);
                let serving = thread::spawn(move || serve(connection, stream, &shared));
                if threads == Threads::One {
                    serving.join().ok();
                }
            }
        });
        Self { base, shared }
    }

    /// Returns its base URL.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Says how requests are answered from now on: with these bytes, or as usual where there are none.
    pub fn tell(&self, rule: impl FnMut(&Asked) -> Option<Vec<u8>> + Send + 'static) {
        self.shared.lock().unwrap().rule = Box::new(rule);
    }

    /// Returns the requests since the last time.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.shared.lock().unwrap().log)
    }

    /// Returns the lines of the requests since the last time.
    pub fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }

    /// Returns a record, as it is now.
    pub fn record(&self, entity: &str, id: i64) -> Option<Value> {
        self.shared.lock().unwrap().records.get(&(entity.to_owned(), id)).cloned()
    }

    /// Changes the records.
    pub fn change(&self, change: impl FnOnce(&mut Records)) {
        change(&mut self.shared.lock().unwrap().records);
    }
}

/// Returns an answer with this status, further header lines with their ends, and content.
pub fn answer(status: u16, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn serve(connection: usize, mut stream: TcpStream, shared: &Mutex<Shared>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(asked) = read(connection, &mut reader) {
        let bytes = {
            let mut shared = shared.lock().unwrap();
            shared.log.push(asked.clone());
            let told = (shared.rule)(&asked);
            told.unwrap_or_else(|| usual(&mut shared.records, &asked))
        };
        // No bytes: the connection ends instead.
        if bytes.is_empty() || stream.write_all(&bytes).is_err() {
            return;
        }
    }
}

fn read(connection: usize, reader: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut lines = reader.by_ref().lines().map_while(Result::ok);
    let line = lines.next()?;
    let line = line.rsplit_once(" HTTP/")?.0.to_owned();
    let mut headers = BTreeMap::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { line, headers, body: String::from_utf8(body).ok()?, connection })
}

/// What a target does that is in order: PUT never creates, POST keeps our id.
fn usual(records: &mut Records, asked: &Asked) -> Vec<u8> {
    let (method, path) = asked.line.split_once(' ').unwrap();
    let mut parts = path.trim_matches('/').split('/');
    let entity = parts.next().unwrap_or_default().to_owned();
    if !["posts", "comments"].contains(&entity.as_str()) {
        return answer(404, "", "{}");
    }
    let id = parts.next().and_then(|id| id.parse::<i64>().ok());
    let sent = || serde_json::from_str::<Value>(&asked.body).unwrap();
    match (method, id) {
        ("GET", None) => {
            let all: Vec<&Value> = records.iter().filter(|((of, _), _)| *of == entity).map(|(_, one)| one).collect();
            answer(200, "", &json!(all).to_string())
        }
        ("POST", None) => {
            let record = sent();
            records.insert((entity, record["id"].as_i64().unwrap()), record.clone());
            answer(201, "", &record.to_string())
        }
        (_, Some(id)) => {
            let key = (entity, id);
            let Some(record) = records.get(&key).cloned() else { return answer(404, "", "{}") };
            match method {
                "GET" => answer(200, "", &record.to_string()),
                "PUT" => {
                    records.insert(key, sent());
                    answer(200, "", &asked.body)
                }
                "DELETE" => {
                    records.remove(&key);
                    answer(200, "", "{}")
                }
                _ => answer(404, "", "{}"),
            }
        }
        (_, None) => answer(404, "", "{}"),
    }
}

/// A master in step with a target that can be told what to do.
pub struct Scene {
    /// The target.
    pub told: Told,
    /// The master, for whoever edits it.
    pub sql: Client,
    /// The database.
    pub db: Db,
}

impl Scene {
    /// Makes one, its target with so many threads; nothing was asked of it yet.
    pub fn new(threads: Threads) -> Self {
        let (told, db) = (Told::start(threads), Db::new());
        News::on(&db).env("NEWS_TARGET_URL", told.url()).run(["import"]).ok();
        told.asked();
        Self { told, sql: db.client(), db }
    }

    /// Returns the binary, with database and target.
    pub fn news(&self) -> News {
        News::on(&self.db).env("NEWS_TARGET_URL", self.told.url())
    }

    /// Changes the master.
    pub fn edit(&mut self, sql: &str) {
        self.sql.batch_execute(sql).unwrap();
    }
}

//! The files of the operator's console: HTML, CSS, JavaScript modules, and the core as wasm. They load nothing from elsewhere.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::conditions;
use super::negotiate::{self, DocLayout};
use super::request::Request;
use super::response::{Problem, Response};

/// A file.
struct PageFile {
    /// Its path below `/news/console/`.
    name: &'static str,
    media_type: &'static str,
    bytes: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";

const JS: &str = "text/javascript; charset=utf-8";

/// A file of the page.
macro_rules! file {
    ($media_type:expr, $name:literal) => {
        PageFile { name: $name, media_type: $media_type, bytes: include_bytes!(concat!("console/", $name)) }
    };
}

/// All of them. The page itself has no name.
const FILES: &[PageFile] = &[
    PageFile { name: "", media_type: HTML, bytes: include_bytes!("console/index.html") },
    file!("text/css; charset=utf-8", "console.css"),
    file!("image/svg+xml", "icon.svg"),
    file!("application/wasm", "core.wasm"),
    file!(JS, "acts.js"),
    file!(JS, "api.js"),
    file!(JS, "app.js"),
    file!(JS, "core.js"),
    file!(JS, "dom.js"),
    file!(JS, "format.js"),
    file!(JS, "frozen.js"),
    file!(JS, "live.js"),
    file!(JS, "parts.js"),
    file!(JS, "views/acts.js"),
    file!(JS, "views/changes.js"),
    file!(JS, "views/compare.js"),
    file!(JS, "views/object.js"),
    file!(JS, "views/overview.js"),
    file!(JS, "views/runs.js"),
    file!(JS, "views/waiting.js"),
    file!(JS, "words.js"),
    file!(JS, "work.js"),
    file!(JS, "worker.js"),
];

/// What the page, and its worker, may do (Content Security Policy Level 3): load what is beside them, and send requests to
/// where they came from. WebAssembly needs a word of its own. Only addresses of scripts that pass a policy named `news` may be
/// loaded (Trusted Types).
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types news";

/// The files as gzip, in their order: made once, with the first request for one. None where that is no shorter.
static ZIPPED: LazyLock<Vec<Option<Vec<u8>>>> = LazyLock::new(|| FILES.iter().map(|file| zipped(file.bytes)).collect());

fn zipped(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writing to a Vec does not fail.
    encoder.write_all(bytes).and_then(|()| encoder.finish()).ok().filter(|zipped| zipped.len() < bytes.len())
}

/// The entity tags, in the order of the files, and one hash of all of them.
static HASHES: LazyLock<(Vec<String>, String)> = LazyLock::new(|| {
    let tags: Vec<String> = FILES.iter().map(|file| hex(&Sha256::digest(file.bytes))).collect();
    let mut whole = Sha256::new();
    for (file, tag) in FILES.iter().zip(&tags) {
        whole.update(file.name);
        whole.update(tag);
    }
    (tags, hex(&whole.finalize()))
});

/// Writes the first half of a digest.
pub fn hex(digest: &[u8]) -> String {
    digest.iter().take(16).fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Returns a hash of all files: with another one a page that is open is of another release.
pub fn build() -> &'static str {
    &HASHES.1
}

/// Returns the number of the file with this name below `/news/console/`.
pub fn find(name: &str) -> Option<usize> {
    FILES.iter().position(|file| file.name == name)
}

/// GET `/news/console/` and what is below.
pub fn get(request: &Request, name: &str) -> Result<Response, Problem> {
    let found = find(name).and_then(|at| Some((FILES.get(at)?, HASHES.0.get(at)?, ZIPPED.get(at)?.as_ref())));
    let Some((file, hash, zipped)) = found else { return Err(Problem::NotFound("Not found.")) };
    let zipped = zipped.filter(|_| negotiate::takes_gzip(request.header("accept-encoding")));
    // Other bytes have another tag (RFC 9110, section 8.8.3).
    let version = if zipped.is_some() { format!("{hash}z") } else { hash.clone() };
    let response = if conditions::is_known(request.header("if-none-match"), &version, DocLayout::default()) {
        Response::empty(304)
    } else {
        let response = Response::bytes(200, file.media_type, zipped.map_or(file.bytes, Vec::as_slice).to_vec());
        if zipped.is_some() { response.header("Content-Encoding", "gzip") } else { response }
    };
    Ok(response
        .header("ETag", conditions::tag(&version, DocLayout::default()))
        .header("Vary", "Accept-Encoding")
        .header("Cache-Control", "no-cache")
        .header("Content-Security-Policy", POLICY)
        .header("Referrer-Policy", "no-referrer")
        .header("Cross-Origin-Resource-Policy", "same-origin"))
}

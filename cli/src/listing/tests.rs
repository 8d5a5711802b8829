use std::io;

use super::texts::TEXT_BYTES_MAX;
use super::*;

/// Hands out at most so many bytes at once.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.1.min(self.0.len()).min(buffer.len());
        buffer[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

fn ids(json: &[u8], at_once: usize) -> Result<Vec<Option<i64>>, (Kind, String)> {
    let mut ids = Vec::new();
    read("GET", &JSON_SERVER, Entity::Post, Trickle(json, at_once), |element, _| {
        ids.push(element.id());
        Ok(())
    })
    .map(|_| ids)
    .map_err(|failure| (failure.kind(), failure.to_string()))
}

#[test]
fn listings_however_they_are_cut_into_pieces() {
    let long = format!(r#"[{{"id":1,"title":"{}\u00e9"}} , {{"id":"2"}}]"#, "x".repeat(300_000));
    for at_once in [1, 2, 3, 7, 100_000, usize::MAX] {
        let read = |json: &str| ids(json.as_bytes(), at_once);
        assert_eq!(read(" [] "), Ok(vec![]));
        assert_eq!(read("[{\"id\":1},\n{\"id\":\"2\"} , 5,123, [1],\"x\",null]\r\n").map(|ids| ids.len()), Ok(7));
        assert_eq!(read(r#"[{"id":1},{"id":"2"},5]"#), Ok(vec![Some(1), Some(2), None]));
        assert_eq!(read(r#"[{"id":12345,"x":"déjà \" vu"}]"#), Ok(vec![Some(12345)]));
        if at_once > 10 {
            assert_eq!(read(&long), Ok(vec![Some(1), Some(2)]));
        }
        for (json, kind) in [
            ("<!DOCTYPE html>", Kind::Refused),
            ("{}", Kind::Refused),
            ("null", Kind::Refused),
            ("", Kind::Target),
            ("  ", Kind::Target),
            ("[", Kind::Target),
            (r#"[{"id":1}"#, Kind::Target),
            (r#"[{"id":1},"#, Kind::Target),
            (r#"[{"id":1},]"#, Kind::Target),
            (r#"[{"id":1},}"#, Kind::Target),
            (r#"[{"id":1}{"id":2}]"#, Kind::Target),
            (r#"[{"id":1}] x"#, Kind::Target),
            ("[tru]", Kind::Target),
        ] {
            assert_eq!(read(json).map_err(|(kind, _)| kind), Err(kind), "{json}");
        }
    }
    let broken = ids(br#"[{"id":1}, {"id":2,"title":tru}]"#, 5).unwrap_err().1;
    assert!(broken.ends_with("in what begins at byte 10"), "{broken}");
}

#[test]
fn a_text_that_is_no_unicode_hides_no_other_object() {
    for at_once in [1, 7, 100_000] {
        for title in [&b"\\ud800"[..], b"\xff", b"a \\udc00\\ud800 b"] {
            let json = [&br#"[{"id":1,"title":""#[..], title, br#"","body":"b"},{"id":2,"x":["\ud83d"]}]"#].concat();
            let mut seen = Vec::new();
            read("GET", &JSON_SERVER, Entity::Post, Trickle(&json, at_once), |element, _| {
                let faults: Vec<String> = element.faults().iter().map(ToString::to_string).collect();
                seen.push((element.id(), faults.join("; ")));
                Ok(())
            })
            .unwrap();
            assert_eq!((seen[0].0, seen[1].0), (Some(1), Some(2)));
            assert!(seen[0].1.contains("title: not Unicode"), "{}", seen[0].1);
            assert!(!seen[1].1.contains("Unicode"), "what is not ours may be anything: {}", seen[1].1);
        }
    }
}

#[test]
fn nesting_bombs_and_texts_without_end_are_refused_in_little_memory() {
    let deep = "[".repeat(TEXT_BYTES_MAX / 2);
    let long = "x".repeat(TEXT_BYTES_MAX + 10);
    for bomb in [
        format!("[{{\"id\":1,\"x\":{deep}{deep}{deep}"),
        format!("[{{\"id\":1,\"x\":{}", "{\"a\":".repeat(TEXT_BYTES_MAX / 4)),
        format!("[{deep}{deep}{deep}"),
        format!("[{{\"id\":1,\"title\":\"{long}\"}}]"),
        format!("[{}]", " ".repeat(10) + &"9".repeat(TEXT_BYTES_MAX + 10)),
    ] {
        assert_eq!(ids(bomb.as_bytes(), 65_536).map_err(|(kind, _)| kind), Err(Kind::Target));
    }
    // Deep, and yet small: passed over.
    let fine = format!("[{{\"id\":1,\"x\":{}{}}}]", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(ids(fine.as_bytes(), usize::MAX), Ok(vec![Some(1)]));
}

#[test]
fn a_listing_longer_than_memory_flows_through() {
    /// An endless listing.
    struct Endless(usize);
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let piece = if self.0 == 0 { &b"["[..] } else { br#"{"id":1,"userId":1,"title":"t","body":"b"},"# };
            self.0 += 1;
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }
    let mut seen = 0;
    let stopped = read("GET", &JSON_SERVER, Entity::Post, Endless(0), |_, progress| {
        seen = progress.elements;
        if seen < 100_000 { Ok(()) } else { Err(Failure::new(Kind::Interrupted, "enough")) }
    });
    assert_eq!((stopped.map_err(|failure| failure.kind()), seen), (Err(Kind::Interrupted), 100_000));
}

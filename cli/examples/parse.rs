//! Parses a listing, and does nothing else: what of a comparison's time is the JSON's.
//!
//! `parse posts|comments FILE` prints the number of elements; `scripts/bench scale` takes its time.

#[expect(dead_code, reason = "the binary's own parser; a document's parts are not needed here")]
#[path = "../src/listing/texts.rs"]
mod texts;

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::io::{Write, stdout};

use news_core::wire::{CommentElement, PostElement};
use texts::{Readable, Texts};

struct Posts;

impl Readable for Posts {
    type Read<'a> = PostElement<'a>;
}

struct Comments;

impl Readable for Comments {
    type Read<'a> = CommentElement<'a>;
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (entity, file) = (args.next().unwrap_or_default(), args.next().unwrap_or_default());
    let mut texts = Texts::new(File::open(file)?);
    let mut elements = 0_u64;
    let mut more = texts.skip_if(b'[')? && !texts.skip_if(b']')?;
    while more {
        match entity.as_str() {
            "posts" => texts.next::<_, Posts>(|element| drop(black_box(element)))?,
            "comments" => texts.next::<_, Comments>(|element| drop(black_box(element)))?,
            other => return Err(format!("{other:?} is neither posts nor comments").into()),
        }
        elements += 1;
        more = texts.comma_before(b']')?;
    }
    writeln!(stdout(), "{elements}")?;
    Ok(())
}

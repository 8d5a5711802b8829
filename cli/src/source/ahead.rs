//! Reading ahead: listings are read and parsed by a thread of their own, while whoever uses
//! them does his part. A bounded queue lies between, so neither runs away from the other.

use std::cell::Cell;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;

use news_core::Entity;
use news_core::wire::Element;

use super::{Source, of_file};
use crate::error::{Failure, Kind, OrFail, Result};
use crate::listing::document::{self, Piece};
use crate::listing::{Extent, Progress};
use crate::signals::{NOTICED_WITHIN, Signals};

/// Elements handed over at once.
const BATCH: u64 = 512;
/// Less, where they hold as many bytes as this.
const BATCH_BYTES: usize = 512 * 1024;
/// Batches that wait: with one on each side some 5 MB, whatever a listing holds.
const QUEUE: usize = 8;

/// Elements that are handed over at once, in whatever form they are needed.
pub trait Batch: Send + 'static {
    /// Adds an element.
    fn add(&mut self, element: Element<'_>);

    /// Returns about how many bytes it holds of them.
    fn bytes(&self) -> usize;
}

/// One step of reading.
#[derive(Debug)]
pub enum Step<B> {
    /// A listing begins.
    Begun(Extent),
    /// Elements, and how far the listing is read by then.
    Batch(B, Progress),
    /// It has ended, whole.
    Ended,
    /// All have ended, and what they came in, too.
    Over,
}

/// Listings that are read ahead.
#[derive(Debug)]
pub struct Ahead<B> {
    steps: Receiver<Result<Step<B>>>,
}

impl<B: Batch> Ahead<B> {
    /// Starts to read the listings of `entities`, one after the other, into batches that `make` makes.
    ///
    /// Fails with [`Kind::Usage`] where no thread is to be had.
    pub fn start(
        source: &Source,
        entities: &[Entity],
        signals: &Signals,
        make: impl Fn() -> B + Send + 'static,
    ) -> Result<Self> {
        let (sender, steps) = sync_channel(QUEUE);
        let (source, entities, signals) = (source.clone(), entities.to_vec(), signals.clone());
        // Not waited for: where its work is of no use any more it may stand in a slow listing.
        thread::Builder::new()
            .name(String::from("listing"))
            .spawn(move || read_all(&source, &entities, &signals, make, &sender))
            .or_fail(Kind::Usage, "cannot start a thread")?;
        Ok(Self { steps })
    }

    /// Waits for the next step; after [`Step::Over`] there is none to ask for.
    ///
    /// Fails with what the listing failed with, and where a signal came.
    pub fn step(&self, signals: &Signals) -> Result<Step<B>> {
        loop {
            if let Some(stop) = signals.stop() {
                return Err(stop);
            }
            match self.steps.recv_timeout(NOTICED_WITHIN) {
                Ok(step) => return step,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::new(Kind::Bug, "the thread that reads the listing is gone"));
                }
            }
        }
    }
}

fn read_all<B: Batch>(
    source: &Source,
    entities: &[Entity],
    signals: &Signals,
    make: impl Fn() -> B,
    sender: &SyncSender<Result<Step<B>>>,
) {
    let gone = || Failure::new(Kind::Bug, "the consumer of the listing has stopped");
    // Whoever listened is gone: so do we go.
    let send = |step| sender.send(Ok(step)).map_err(|_| gone());
    let mut batch = make();
    let at = Cell::new(Progress::default());
    let add = |element: Element<'_>, progress: Progress, batch: &mut B| {
        batch.add(element);
        at.set(progress);
        if !progress.elements.is_multiple_of(BATCH) && batch.bytes() < BATCH_BYTES {
            return Ok(());
        }
        send(Step::Batch(std::mem::replace(batch, make()), progress))
    };
    let result = match source {
        Source::Target(_) | Source::Folder(_) => entities.iter().try_for_each(|&entity| {
            let begun = |extent| send(Step::Begun(extent));
            source.list(entity, signals, begun, |element, progress| add(element, progress, &mut batch))?;
            send(Step::Batch(std::mem::replace(&mut batch, make()), at.take()))?;
            send(Step::Ended)
        }),
        Source::Stdin => document::read("stdin", std::io::stdin().lock(), |piece| match piece {
            Piece::Begun => send(Step::Begun(Extent::Unknown)),
            Piece::Element(element, progress) => add(element, progress, &mut batch),
            Piece::Ended => {
                send(Step::Batch(std::mem::replace(&mut batch, make()), at.take()))?;
                send(Step::Ended)
            }
        })
        .map_err(of_file),
    };
    // Where nobody listens any more there is nobody to tell.
    drop(match result {
        Ok(()) => send(Step::Over),
        // What came before the trouble counts, too: it may hold the reason.
        Err(failure) => send(Step::Batch(batch, at.get())).and_then(|()| sender.send(Err(failure)).map_err(|_| gone())),
    });
}

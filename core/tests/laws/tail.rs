//! Following the log, against a model of transactions that are given ids in order and end in any order.

use std::collections::{BTreeMap, BTreeSet};

use news_core::tail::Tail;
use proptest::prelude::*;

/// What may happen next.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A transaction begins to write: it takes its lock.
    Begin,
    /// One of those that are open is given an id.
    Write(usize),
    /// One of those that are open commits.
    Commit(usize),
    /// One of those that are open is rolled back.
    RollBack(usize),
    /// The reader asks who may write.
    AskWriters,
    /// The reader reads at most so many events behind the highest id, if it has asked who may write.
    Read(usize),
}

#[derive(Default)]
struct Log {
    next_id: i64,
    next_name: u32,
    open: BTreeMap<String, Vec<i64>>,
    committed: BTreeSet<i64>,
}

impl Log {
    fn pick(&self, n: usize) -> Option<String> {
        self.open.keys().nth(n.checked_rem(self.open.len())?).cloned()
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Begin => {
                self.next_name += 1;
                self.open.insert(format!("{}", self.next_name), Vec::new());
            }
            Step::Write(n) => {
                let Some(name) = self.pick(n) else { return };
                self.next_id += 1;
                self.open.get_mut(&name).unwrap().push(self.next_id);
            }
            Step::Commit(n) => {
                let Some(name) = self.pick(n) else { return };
                self.committed.extend(self.open.remove(&name).unwrap());
            }
            Step::RollBack(n) => drop(self.pick(n).map(|name| self.open.remove(&name))),
            Step::AskWriters | Step::Read(_) => {}
        }
    }

    fn writers(&self) -> BTreeSet<String> {
        self.open.keys().cloned().collect()
    }

    /// What a reader sees that asks as the tail says.
    fn read(&self, tail: &Tail, most: usize) -> Vec<i64> {
        let in_gaps = |id: &i64| tail.gaps().any(|(first, last)| (first..=last).contains(id));
        let old = self.committed.iter().copied().filter(|id| *id <= tail.highest() && in_gaps(id));
        let new = self.committed.iter().copied().filter(|id| *id > tail.highest()).take(most);
        old.chain(new).collect()
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => Just(Step::Begin),
        4 => (0..9_usize).prop_map(Step::Write),
        2 => (0..9_usize).prop_map(Step::Commit),
        1 => (0..9_usize).prop_map(Step::RollBack),
        2 => Just(Step::AskWriters),
        2 => (1..4_usize).prop_map(Step::Read),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #![proptest_config(super::cases(400))]

    #[test]
    fn each_committed_event_is_seen_once_however_late_it_commits(steps in steps()) {
        let mut log = Log::default();
        let mut tail = Tail::new(0, []);
        let (mut seen, mut asked) = (Vec::<i64>::new(), None);
        let mut read = |log: &Log, tail: &mut Tail, writers: BTreeSet<String>, most| {
            let ids = log.read(tail, most);
            seen.extend(&ids);
            tail.look(&writers, ids);
        };
        for step in &steps {
            match *step {
                Step::AskWriters => asked = Some(log.writers()),
                Step::Read(most) => if let Some(writers) = asked.take() {
                    read(&log, &mut tail, writers, most);
                },
                Step::Begin | Step::Write(_) | Step::Commit(_) | Step::RollBack(_) => log.step(*step),
            }
        }
        while !log.open.is_empty() {
            log.step(Step::Commit(0));
        }
        for _ in 0..3 {
            read(&log, &mut tail, log.writers(), usize::MAX);
        }
        seen.sort_unstable();
        law!("each committed event is seen once", expected log.committed.iter().copied().collect::<Vec<_>>(), seen seen,
             of "{steps:?}");
        law!("nothing is left to ask for", expected 0, seen tail.gaps().count(), of "{steps:?}");
    }
}

// Two texts as one, with the words that changed marked: the rules of cli/src/render/diff/words.rs.
// Both are tested with cli/tests/vectors/words.json.

/** Texts with more words are not compared word by word, which takes their product. */
const COMPARED_WORDS_MAX = 1100;

/** Cuts a text into words and what is between them. White space as in Unicode, and as in Rust. */
const split = (text) => text.match(/[\p{White_Space}]+|[^\p{White_Space}]+/gu) ?? [];
const isBlank = (word) => /^\p{White_Space}*$/u.test(word);

/**
 * Compares two texts word by word.
 * @returns {{ same: string[], old: string[], new: string[] }[]} runs: words on both sides, then words to go, then words that come
 */
export function compared(target, master) {
  return joined(parts(split(target), split(master)));
}

function parts(old, fresh) {
  let front = 0;
  while (front < old.length && front < fresh.length && old[front] === fresh[front]) front += 1;
  let back = 0;
  while (back < old.length - front && back < fresh.length - front && old.at(-1 - back) === fresh.at(-1 - back)) back += 1;
  const a = old.slice(front, old.length - back);
  const b = fresh.slice(front, fresh.length - back);
  const middle = a.length > COMPARED_WORDS_MAX || b.length > COMPARED_WORDS_MAX
    ? [...a.map((word) => ["old", word]), ...b.map((word) => ["new", word])]
    : common(a, b);
  const same = (words) => words.map((word) => ["same", word]);
  return [...same(old.slice(0, front)), ...middle, ...same(old.slice(old.length - back))];
}

// By the longest common subsequence. What goes stands before what comes.
function common(a, b) {
  const width = b.length + 1;
  const lengths = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] = a[i] === b[j]
        ? lengths[(i + 1) * width + j + 1] + 1
        : Math.max(lengths[(i + 1) * width + j], lengths[i * width + j + 1]);
    }
  }
  const out = [];
  let added = [];
  let i = 0, j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      out.push(...added, ["same", a[i]]);
      added = [];
      i += 1;
      j += 1;
    } else if (j === b.length || (i < a.length && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1])) {
      out.push(["old", a[i]]);
      i += 1;
    } else {
      added.push(["new", b[j]]);
      j += 1;
    }
  }
  return [...out, ...added];
}

// A blank alone between two changes belongs to them.
function joined(parts) {
  const runs = [];
  parts.forEach(([kind, word], at) => {
    const last = runs.at(-1);
    const changes = last !== undefined && last.old.length + last.new.length > 0;
    if (kind === "same") {
      const next = parts[at + 1];
      if (changes && next !== undefined && next[0] !== "same" && isBlank(word)) {
        last.old.push(word);
        last.new.push(word);
      } else if (changes || last === undefined) runs.push({ same: [word], old: [], new: [] });
      else last.same.push(word);
    } else {
      if (last === undefined) runs.push({ same: [], old: [], new: [] });
      runs.at(-1)[kind].push(word);
    }
  });
  return runs;
}

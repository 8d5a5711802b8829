// Runs the test vectors through the console's core.js, wherever it runs: under Node and in a browser.
// core/tests/vectors.rs runs the same ones natively, and cuts the streams after each byte.

import { parse, stringify } from "./exact.mjs";

const RECORDS = 0, JSON_TEXT = 1, ROWS = 1, LISTING = 2, FAULT = 3;

// Numbers in texts are marked by `parse`, and none of these cases compares them: plain JSON is enough for an answer of a stream.
const sameText = (seen, wanted) => JSON.stringify(sorted(seen)) === JSON.stringify(sorted(wanted));
const sorted = (value) =>
  value === null || typeof value !== "object" ? value
  : Array.isArray(value) ? value.map(sorted)
  : Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));

// Gives both sides as the core wants them, in pieces of `pieceBytes()`.
function compared(core, entity, rows, listing, pieceBytes) {
  const sides = { [ROWS]: { ...rows, at: 0, ended: false }, [LISTING]: { ...listing, at: 0, ended: false } };
  let wants = core.open(entity);
  for (;;) {
    if (wants === 0) wants = [ROWS, LISTING].find((side) => !sides[side].ended) ?? FAULT;
    if (wants === FAULT) return JSON.parse(core.done());
    const side = sides[wants];
    const piece = side.bytes.subarray(side.at, side.at + pieceBytes());
    side.at += piece.length;
    side.ended ||= piece.length === 0;
    wants = core.push(wants, side.form, piece);
  }
}

// Whole, byte by byte, and at random.
function inEveryWay(core, entity, rows, listing) {
  let seed = 20;
  const random = () => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return 1 + ((seed >>> 16) % 90);
  };
  return [() => Infinity, () => 1, random].map((pieceBytes) => compared(core, entity, rows, listing, pieceBytes));
}

const json = (text) => ({ form: JSON_TEXT, bytes: new TextEncoder().encode(text) });
const side = ([form, text]) =>
  form === RECORDS ? { form, bytes: Uint8Array.from(text.match(/../g) ?? [], (digits) => parseInt(digits, 16)) } : json(text);

function agrees(seen, answer, error) {
  return error === undefined ? sameText(seen, answer) : String(seen.error).includes(error);
}

/**
 * @param core a Core of the console's core.js
 * @param files the texts of merge.json, diff.json and stream.json, by name
 * @returns how many agree, and a text for each one that does not
 */
export function run(core, files) {
  let agreed = 0;
  const failures = [];
  const check = (fits, name, seen, wanted) => {
    if (fits) agreed += 1;
    else failures.push(`${name}\n  expected ${stringify(wanted)}\n      seen ${stringify(seen)}`);
  };
  for (const [file, call] of [["merge.json", "merge"], ["diff.json", "diff"]]) {
    for (const { name, request, answer, error } of parse(files[file]).cases) {
      const seen = parse(core[call](stringify(request)));
      check(agrees(seen, answer, error), `${file}: ${name}`, seen, answer ?? { error });
    }
  }
  for (const { name, request, answer } of parse(files["diff.json"]).cases) {
    if (answer === undefined) continue;
    const { entity, local, target } = request;
    const wanted = [answer.differences.map((one) => [`${one.entity}/${String(one.id).replace("\uE000", "")}`, one.kind]), answer.equal, answer.nameless];
    const all = inEveryWay(core, entity, json(stringify(local)), json(stringify(target)));
    const bad = all.find((seen) => seen.error || !sameText([seen.differences, seen.counts.equal, seen.counts.nameless], wanted));
    check(bad === undefined, `diff.json as a stream: ${name}`, bad, wanted);
  }
  for (const { name, request, answer, error } of parse(files["stream.json"]).cases) {
    const bad = inEveryWay(core, request.entity, side(request.rows), side(request.listing)).find((seen) => !agrees(seen, answer, error));
    check(bad === undefined, `stream.json: ${name}`, bad, answer ?? { error });
  }
  core.close();
  return { agreed, failures };
}

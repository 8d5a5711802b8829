// Writes merge.json, diff.json and stream.json, or with --check says whether they are up to date.
// What is expected comes from a replay and a comparison of sets, written down here once
// more and without the core: node core/tests/vectors/generate.mjs

import { readFileSync, writeFileSync } from "node:fs";
import { number, stringify } from "../../wasm/exact.mjs";

const ID_MAX = Number.MAX_SAFE_INTEGER;
const C = "CREATED", U = "UPDATED", D = "DELETED";

// The same numbers in each run.
let seed = 20;
function below(n) {
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
  return (seed >>> 16) % n;
}
function shuffled(list) {
  const left = [...list];
  return list.map(() => left.splice(below(left.length), 1)[0]);
}

// ---- merge

const ACTIONS = {
  "absent>present": "create", "absent>absent": "nothing",
  "present>present": "update", "present>absent": "delete",
  "unknown>present": "ask", "unknown>absent": "ask",
};

// Replays a log, event by event, on what the first event says was there. What contradicts itself, or is doubtful, is unknown.
function replay(events, recorded = {}, doubtful = []) {
  const objects = {};
  const value = (id) => BigInt(String(id).replace("\uE000", ""));
  for (const [id, key, type] of [...events].sort((a, b) => (value(a[0]) < value(b[0]) ? -1 : 1))) {
    objects[key] ??= { before: recorded[key] ?? (type === C ? "absent" : "present"), first: id, events: 0 };
    const object = objects[key];
    const there = type === C ? "absent" : "present";
    if (doubtful.includes(id) || (object.after !== undefined && object.after !== there)) object.doubt = true;
    object.after = type === D ? "absent" : "present";
    object.last = id;
    object.events += 1;
  }
  const entries = Object.entries(objects).map(([key, { before: said, doubt, after, first, last, events }]) => {
    const before = recorded[key] ?? (doubt ? "unknown" : said);
    return [key, { before, after, action: ACTIONS[`${before}>${after}`], first, last, events }];
  });
  return Object.fromEntries(entries);
}

const merges = [];
function merge(name, chunks, recorded, doubtful) {
  const request = { chunks };
  if (doubtful !== undefined) request.doubtful = doubtful;
  if (recorded !== undefined) request.recorded = recorded;
  merges.push({ name, request, answer: replay(chunks.flat(), recorded, doubtful) });
}
function sequences(length) {
  return length === 0 ? [[]] : sequences(length - 1).flatMap((head) => [C, U, D].map((type) => [...head, type]));
}
const log = (types, key = "posts/5") => types.map((type, i) => [i + 1, key, type]);
const words = (types) => types.join(" ").toLowerCase();

merge("no chunk", []);
merge("an empty chunk", [[]]);
for (const length of [1, 2, 3, 4]) for (const types of sequences(length)) merge(words(types), [log(types)]);
for (const types of sequences(3)) {
  const [a, b, c] = log(types, "comments/7");
  merge(`${words(types)}, one event a chunk`, [[a], [b], [c]]);
  merge(`${words(types)}, the later chunk first`, [[b, c], [a]]);
  merge(`${words(types)}, one chunk between the other`, [[a, c], [b]]);
  merge(`${words(types)}, out of order in the chunk`, [[c, a, b]]);
}
for (const types of sequences(2)) {
  for (const presence of ["absent", "present", "unknown"]) {
    merge(`${words(types)}, recorded as ${presence}`, [log(types)], { "posts/5": presence });
  }
}
for (const types of sequences(2)) {
  merge(`${words(types)}, the first in doubt`, [log(types)], undefined, [1]);
  merge(`${words(types)}, the last in doubt, recorded as absent`, [log(types)], { "posts/5": "absent" }, [2]);
}
for (let n = 1; n <= 12; n += 1) {
  merge(`long and odd, ${n}`, [log(Array.from({ length: 6 + n }, () => [C, U, D][below(3)]))]);
}
for (let n = 1; n <= 24; n += 1) {
  const chunks = [[], [], [], []];
  let id = 0;
  for (let i = 0; i < 14; i += 1) {
    id += 1 + below(900);
    chunks[below(4)].push([id, `${["posts", "comments"][below(2)]}/${1 + below(3)}`, [C, U, D][below(3)]]);
  }
  merge(`several objects in chunks, ${n}`, shuffled(chunks));
}
const huge = [number("9223372036854775805"), number("9223372036854775806"), number("9223372036854775807")];
merge("event ids at the end of 64 bits", [[[huge[2], "posts/1", D]], [[huge[0], "posts/1", C], [huge[1], "posts/1", U]]]);
merge("ids above 2^53 that differ by one", [[[number("9007199254740993"), "posts/1", D], [number("9007199254740992"), "posts/1", C]]]);
merge("the largest key", [[[1, `posts/${ID_MAX}`, C], [2, `comments/${ID_MAX}`, D]]]);
merge("a post and a comment of one number", [[[1, "posts/1", C], [2, "comments/1", D], [3, "posts/1", D]]]);
merge("recorded, but without events", [[[1, "posts/1", C]]], { "posts/2": "unknown" });
for (const [name, request, error] of [
  ["an unknown type", { chunks: [[[1, "posts/1", "TOUCHED"]]] }, 'event 1 has the unknown type "TOUCHED"'],
  ["a type in small letters", { chunks: [[[1, "posts/1", "created"]]] }, 'unknown type "created"'],
  ["a table instead of a key", { chunks: [[[1, "news_post/1", C]]] }, '"news_post/1" names no object'],
  ["a key beyond 2^53-1", { chunks: [[[1, "posts/9007199254740992", C]]] }, "names no object"],
  ["key 0", { chunks: [[[1, "posts/0", C]]] }, "names no object"],
  ["an event id as a fraction", { chunks: [[[number("1.0"), "posts/1", C]]] }, "invalid type: floating point"],
  ["an event id beyond 64 bits", { chunks: [[[number("9223372036854775808"), "posts/1", C]]] }, "invalid value"],
  ["an event without a type", { chunks: [[[1, "posts/1"]]] }, "invalid length 2"],
  ["an unknown presence", { chunks: [], recorded: { "posts/1": "maybe" } }, 'presence "maybe" is none of'],
  ["an unknown field", { chunks: [], force: true }, "unknown field `force`"],
  ["no chunks", {}, "missing field `chunks`"],
]) merges.push({ name, request, error });

// ---- diff

const texts = { title: "t “q” \\ \"q\"\n", body: "b 😀 \u2028", name: "n", email: "e@x.yz" };
function object(entity, id, change = {}) {
  const { title, body, name, email } = texts;
  return entity === "posts" ? { userId: 1, id, title, body, ...change } : { postId: 3, id, name, email, body, ...change };
}
const fields = { posts: ["userId", "title", "body"], comments: ["postId", "name", "email", "body"] };

// One listed element and what it is, by construction.
const listed = {
  same: (entity, id) => ({ id, is: "equal", json: object(entity, id) }),
  text: (entity, id) => ({ id, is: "equal", json: object(entity, String(id)) }),
  turned: (entity, id) => ({ id, is: "equal", json: Object.fromEntries([["tags", [{}]], ...Object.entries(object(entity, id)).reverse()]) }),
  other: (entity, id) => ({ id, is: "different", fields: ["body"], json: object(entity, id, { body: "other" }) }),
  faulty: (entity, id) => ({ id, is: "unreadable", json: object(entity, id, { body: null }) }),
  bare: (entity, id) => ({ id, is: "unreadable", json: { id } }),
  nameless: (entity, id) => ({ is: "nameless", json: object(entity, -id) }),
};

// Compares two sets.
function compared(entity, ids, elements) {
  const named = elements.filter((element) => element.is !== "nameless");
  const all = [...new Set([...ids, ...named.map((element) => element.id)])].sort((a, b) => a - b);
  const differences = [];
  for (const id of all) {
    const here = ids.includes(id);
    const there = named.filter((element) => element.id === id);
    const kind =
      there.length > 1 ? "duplicate" : there.length === 0 ? "missing"
      : there[0].is === "unreadable" ? "unreadable" : !here ? "extra" : there[0].is;
    if (kind === "different") differences.push({ entity, id, kind, fields: there[0].fields });
    else if (kind !== "equal") differences.push({ entity, id, kind });
  }
  const equal = ids.filter((id) => !differences.some((difference) => difference.id === id)).length;
  return { differences, equal, nameless: elements.length - named.length };
}

const diffs = [];
function diff(name, entity, ids, elements) {
  const request = { entity, local: ids.map((id) => object(entity, id)), target: elements.map((element) => element.json) };
  diffs.push({ name, request, answer: compared(entity, ids, elements) });
}
for (const entity of ["posts", "comments"]) {
  diff(`${entity}: both sides empty`, entity, [], []);
  diff(`${entity}: an empty target`, entity, [1, 2], []);
  diff(`${entity}: an empty master`, entity, [], [listed.same(entity, 1)]);
  for (const [name, make] of Object.entries(listed)) {
    diff(`${entity}: ${name}`, entity, [7], [make(entity, 7)]);
    diff(`${entity}: ${name}, which the master lacks`, entity, [6], [make(entity, 7)]);
    diff(`${entity}: ${name} twice`, entity, [7], [make(entity, 7), make(entity, 7)]);
  }
  const ends = [1, ID_MAX - 1, ID_MAX];
  diff(`${entity}: ids at 2^53-1, as numbers`, entity, ends, ends.map((id) => listed.same(entity, id)).reverse());
  diff(`${entity}: ids at 2^53-1, as texts`, entity, ends, ends.map((id) => listed.text(entity, id)));
  diff(`${entity}: ids at 2^53-1, neighbours`, entity, [ID_MAX - 1], [listed.text(entity, ID_MAX)]);
  diff(`${entity}: a number and a text of one id`, entity, [5], [listed.same(entity, 5), listed.text(entity, 5)]);
  diff(`${entity}: a duplicate, different first`, entity, [5], [listed.other(entity, 5), listed.same(entity, 5)]);
  diff(`${entity}: a duplicate, equal first`, entity, [5], [listed.same(entity, 5), listed.other(entity, 5)]);
  diff(`${entity}: a duplicate that the master lacks`, entity, [], [listed.same(entity, 5), listed.faulty(entity, 5)]);
  const ids = Array.from({ length: 9 }, (_, i) => i + 1);
  diff(`${entity}: in reverse`, entity, ids, ids.map((id) => listed.same(entity, id)).reverse());
  for (let n = 1; n <= 6; n += 1) {
    const makers = Object.values(listed);
    const elements = shuffled(Array.from({ length: 12 }, () => makers[below(makers.length)](entity, 1 + below(14))));
    diff(`${entity}: shuffled, ${n}`, entity, ids, elements);
  }
  for (const field of fields[entity]) {
    const value = field.endsWith("Id") ? 4 : "another";
    diff(`${entity}: another ${field}`, entity, [5], [{ id: 5, is: "different", fields: [field], json: object(entity, 5, { [field]: value }) }]);
    diff(`${entity}: ${field} is a list`, entity, [5], [{ id: 5, is: "unreadable", json: object(entity, 5, { [field]: [1] }) }]);
  }
}
const one = (name, is, json, more = {}) => diff(name, "posts", [5], [{ id: 5, is, json, ...more }]);
const posts = (change, id = 5) => object("posts", id, change);
one("a number as a text", "equal", posts({ userId: "1" }));
one("an id with zeros in front", "nameless", posts({}, "005"));
one("a number with a fraction", "unreadable", posts({ userId: number("1.0") }));
one("a number with an exponent", "unreadable", posts({ userId: number("1e0") }));
one("a text as a number", "unreadable", posts({ title: 7 }));
one("half of a surrogate pair", "unreadable", posts({ title: "\ud800" }));
one("half of one where nobody looks", "equal", { ...posts(), tags: ["\udc00"] });
one("U+0000, which no row can hold", "different", posts({ title: "a\0b" }), { fields: ["title"] });
one("a title over the limit", "different", posts({ title: "x".repeat(257) }), { fields: ["title"] });
one("a body with a space more", "different", posts({ body: `${texts.body} ` }), { fields: ["body"] });
one("a letter composed otherwise", "different", posts({ title: "e\u0301" }), { fields: ["title"] });
for (const id of [0, -5, number("5.0"), number("5e0"), " 5", "+5", "-5", "5.0", "", "af3c", null, true, [5], { id: 5 },
  number("9007199254740992"), "9007199254740993", number("9223372036854775808"), number("18446744073709551616")]) {
  one(`no id of ours: ${stringify(id)}`, "nameless", posts({}, id));
}
for (const json of [null, true, 5, -5, number("5.5"), "5", [], [posts()], {}]) {
  one(`no object: ${stringify(json).slice(0, 20)}`, "nameless", json);
}
for (const [name, request, error] of [
  ["an unknown entity", { entity: "post", local: [], target: [] }, 'entity "post" is neither posts nor comments'],
  ["rows out of order", { entity: "posts", local: [posts(), posts({}, 4)], target: [] }, "posts/5 does not come before posts/4"],
  ["a row twice", { entity: "posts", local: [posts(), posts()], target: [] }, "posts/5 does not come before posts/5"],
  ["a row over the limit", { entity: "posts", local: [posts({ title: "x".repeat(257) })], target: [] }, "row posts/5: title: 257 characters, more than 256"],
  ["a row without an id", { entity: "posts", local: [{}], target: [] }, "id: missing"],
  ["a listing that is no list", { entity: "posts", local: [], target: {} }, "invalid type: map"],
]) diffs.push({ name, request, error });

// ---- stream

// A record of 32 bytes as hexadecimal digits: id, kind, fingerprint.
function record(id, kind = 0, print = 1) {
  const little = (value, bytes) => {
    const digits = BigInt.asUintN(8 * bytes, BigInt(value)).toString(16).padStart(2 * bytes, "0");
    return digits.match(/../g).reverse().join("");
  };
  return little(id, 8) + little(kind, 8) + little(print, 16);
}
const end = (records) => record(records, 255, 0);
const whole = (...records) => [0, records.join("") + end(records.length)];
const counts = (local, target, equal, nameless = 0, copies = 0, altered = 0) => ({ local, target, equal, altered, nameless, copies });

const streams = [];
function stream(name, rows, listing, differences, seen, entity = "posts") {
  streams.push({ name, request: { entity, rows, listing }, answer: { counts: seen, differences, more: 0 } });
}
const PRINT_MAX = (1n << 128n) - 1n;
stream("no records", whole(), whole(), [], counts(0, 0, 0));
stream("equal records", whole(record(1), record(2, 0, PRINT_MAX)), whole(record(2, 0, PRINT_MAX), record(1)), [], counts(2, 2, 2));
stream("every kind", whole(record(1), record(2), record(3), record(4), record(5)),
  whole(record(9), record(4), record(2, 0, 2), record(3, 1), record(1), record(4), record(-1, 2), record(8, 1)),
  [["posts/2", "different"], ["posts/3", "unreadable"], ["posts/4", "duplicate"], ["posts/5", "missing"], ["posts/8", "unreadable"], ["posts/9", "extra"]],
  counts(5, 8, 1, 1, 1));
stream("what the target keeps in place of rows", whole(record(1, 3, 7), record(1), record(2, 3, 7), record(2), record(3, 3, 7), record(3), record(4), record(5, 3, 7), record(5)),
  whole(record(2, 0, 7), record(1), record(4, 0, 7), record(3, 0, 8), record(5, 0, 7), record(5, 0, 7)),
  [["posts/3", "different"], ["posts/4", "different"], ["posts/5", "duplicate"]], counts(5, 6, 2, 0, 1, 1));
stream("a fingerprint that differs in its last byte", whole(record(1, 0, 1n << 127n)), whole(record(1, 0, 0)), [["comments/1", "different"]], counts(1, 1, 0), "comments");
stream("the highest id", whole(record(ID_MAX)), whole(record(ID_MAX)), [], counts(1, 1, 1));
stream("records and a JSON array", whole(), [1, ' [\n{"id": 3}, null ,7]\n'], [["posts/3", "unreadable"]], counts(0, 3, 0, 2));
stream("a JSON array behind a byte order mark", whole(record(3)), [1, "\ufeff []"], [["posts/3", "missing"]], counts(1, 0, 0));
stream("brackets and quotes in texts", [1, stringify([posts({ title: "]}\\", body: '",[{' })])], [1, stringify([posts({ title: "]}\\", body: '",[{' })])], [], counts(1, 1, 1));
for (const [name, rows, listing, error] of [
  ["rows without an end record", [0, record(1)], whole(), "the master's rows: there is no end record: the side was cut after 1 records"],
  ["a listing without an end record", whole(), [0, ""], "the target's listing: there is no end record: the side was cut after 0 records"],
  ["a listing cut in a record", whole(), [0, record(1).slice(0, 40)], "the target's listing: there is no end record"],
  ["a record that was lost", whole(), [0, record(1) + end(2)], "the target's listing: the end record says 2 records, and 1 came"],
  ["a record behind the end", whole(), [0, end(0) + record(1)], "the target's listing: a record comes after the end record"],
  ["an unknown kind", whole(), [0, record(1, 3) + end(1)], "the target's listing: record 1 has the unknown kind 3"],
  ["a target that keeps something in place of nothing", whole(), [0, record(1, 3) + end(1)], "the target's listing: record 1 has the unknown kind 3"],
  ["an unknown kind of row", [0, record(1, 4) + end(1)], whole(), "the master's rows: record 1 has the unknown kind 4"],
  ["a row that cannot be read", [0, record(1, 1) + end(1)], whole(), "the master's rows: record 1 has the unknown kind 1"],
  ["an id that is none", whole(), [0, record(0) + end(1)], "the target's listing: 0 is not an id"],
  ["rows out of order", whole(record(5), record(4)), whole(), "posts/5 does not come before posts/4"],
  ["no JSON at all", whole(), [1, ""], "the target's listing: the JSON ends early, after 0 elements"],
  ["JSON that ends early", whole(), [1, '[{"id":1},{"id"'], "the target's listing: the JSON ends early, after 1 elements"],
  ["JSON that is not an array", whole(), [1, '{"posts":[]}'], "the target's listing: expected a JSON array, found '{'"],
  ["half of a byte order mark", whole(), [1, "\ufe00[]"], "the target's listing: expected a JSON array, found '"],
  ["something behind the array", whole(), [1, "[] ]"], "the target's listing: expected nothing after the array"],
  ["a comma too many", whole(), [1, '[{"id":1},]'], "the target's listing: element 2: EOF while parsing"],
  ["brackets that do not match", whole(), [1, '[{"id":1]]'], "the target's listing: element 1: expected `,` or `}`"],
]) streams.push({ name, request: { entity: "posts", rows, listing }, error });

// ---- out

const about = {
  merge: "Logs in chunks -> what they come to. core/wasm/src/calls.rs describes both. Written by generate.mjs.",
  stream: "Two sides in pieces -> what differs. core/wasm/src/stream.rs describes both: a side is its form and its bytes. Written by generate.mjs.",
  diff: "Rows and a listing -> what differs. core/wasm/src/calls.rs describes both. Written by generate.mjs.",
};
let stale = 0;
for (const [name, cases] of [["merge", merges], ["diff", diffs], ["stream", streams]]) {
  const file = new URL(`${name}.json`, import.meta.url);
  const text = `{"about": ${JSON.stringify(about[name])},\n"cases": [\n${cases.map(stringify).join(",\n")}\n]}\n`;
  if (!process.argv.includes("--check")) {
    writeFileSync(file, text);
    console.log(`${name}.json: ${cases.length} cases`);
  } else if (readFileSync(file, "utf8") !== text) {
    stale += 1;
    console.error(`${name}.json is not what generate.mjs writes; run: node core/tests/vectors/generate.mjs`);
  }
}
process.exit(stale === 0 ? 0 : 1);

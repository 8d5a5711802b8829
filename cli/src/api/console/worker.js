// Merges events and compares the two sides with the core. The page calls it by messages: work.js.

import { ENDED, FAULT, JSON_TEXT, LISTING, RECORDS, ROWS, load } from "./core.js";

const core = load(fetch("core.wasm"));
core.catch(() => {}); // Each call says so.

const PROGRESS_EVERY_MS = 150;

const calls = {
  /** Merges events, and returns the changes by key. */
  async merge({ events, doubtful, recorded }) {
    const merged = JSON.parse((await core).merge(JSON.stringify({ chunks: [events], doubtful, recorded })));
    if (merged.error) throw new Error(merged.error);
    return merged;
  },

  /** Compares the sides of one entity. `file`: in place of the target's listing. */
  async compare({ entity, token, file }, progress) {
    const began = performance.now();
    const abort = new AbortController();
    const prints = async (side) => {
      const answer = await fetch(`/news/sync/prints/${entity}/?side=${side}`, {
        headers: { Authorization: `Bearer ${token}` }, cache: "no-store", credentials: "omit", redirect: "error", signal: abort.signal,
      });
      if (answer.ok) return answer.body.getReader();
      const said = await answer.json().catch(() => ({}));
      throw Object.assign(new Error(said.detail ?? `the service answered ${answer.status}`), { status: answer.status, code: said.code });
    };
    try {
      const [rows, listing] = await Promise.all([prints("master"), file ? file.stream().getReader() : prints("target")]);
      const sides = {
        [ROWS]: { reader: rows, form: RECORDS, bytes: 0 },
        [LISTING]: { reader: listing, form: file ? JSON_TEXT : RECORDS, bytes: 0 },
      };
      return await joined(await core, entity, sides, progress, began);
    } finally {
      abort.abort();
    }
  },

  /** Returns the objects of a listing that have these ids, for texts of differences. */
  async pick({ file, ids }) {
    const wanted = new Set(ids.map(String));
    const listed = JSON.parse(await file.text());
    return listed.filter((one) => wanted.has(String(one?.id)));
  },
};

async function joined(core, entity, sides, progress, began) {
  let told = began;
  try {
    let wants = core.open(entity);
    while (wants === ROWS || wants === LISTING) {
      const side = sides[wants];
      const { value, done } = await side.reader.read();
      if (!done && value.length === 0) continue;
      side.bytes += value?.length ?? 0;
      wants = core.push(wants, side.form, done ? new Uint8Array() : value);
      if (performance.now() - told > PROGRESS_EVERY_MS) {
        told = performance.now();
        progress({ entity, bytes: sides[ROWS].bytes + sides[LISTING].bytes });
      }
    }
    const found = JSON.parse(core.done());
    if (wants === FAULT || wants !== ENDED || found.error) throw Object.assign(new Error(found.error), { code: "cut" });
    const bytes = sides[ROWS].bytes + sides[LISTING].bytes;
    return { ...found, entity, ms: performance.now() - began, bytes, memoryBytes: core.memoryBytes };
  } finally {
    core.close();
    for (const side of Object.values(sides)) side.reader.cancel().catch(() => {});
  }
}

onmessage = async ({ data: { call, what, request } }) => {
  try {
    const value = await calls[what](request, (progress) => postMessage({ call, progress }));
    postMessage({ call, value });
  } catch (error) {
    postMessage({ call, error: { message: error.message, status: error.status, code: error.code ?? "core" } });
  }
};

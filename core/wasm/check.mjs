// Runs the test vectors on the wasm32 build: node check.mjs FILE.wasm
// The same vectors as core/tests/vectors.rs runs natively; the last line says how many agree.

import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { parse, stringify } from "./exact.mjs";

const { instance } = await WebAssembly.instantiate(readFileSync(process.argv[2]), {});
const { memory, news_room, news_text, news_merge, news_diff } = instance.exports;

// `call` answers in the request's place. Memory may move when it grows: look at it anew after each call.
function ask(call, request) {
  const bytes = new TextEncoder().encode(request);
  const room = news_room(bytes.length);
  if (room === 0) throw new Error(`no room for ${bytes.length} bytes`);
  new Uint8Array(memory.buffer, room, bytes.length).set(bytes);
  const length = call();
  return new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(memory.buffer, news_text(), length));
}

let agreed = 0;
let failed = 0;
for (const [file, call] of [["merge.json", news_merge], ["diff.json", news_diff]]) {
  const vectors = parse(readFileSync(new URL(`../tests/vectors/${file}`, import.meta.url), "utf8"));
  for (const { name, request, answer, error } of vectors.cases) {
    const seen = parse(ask(call, stringify(request)));
    const agrees = error === undefined ? isDeepStrictEqual(seen, answer) : String(seen.error).includes(error);
    if (agrees) {
      agreed += 1;
    } else {
      failed += 1;
      const expected = error === undefined ? stringify(answer) : `an error with ${error}`;
      console.error(`${file}: ${name}\n  expected ${expected}\n      seen ${stringify(seen)}\n        of ${stringify(request)}`);
    }
  }
}
if (failed > 0 || agreed === 0) {
  console.error(`${failed} of ${agreed + failed} vectors disagree on wasm32`);
  process.exit(1);
}
console.log(`${agreed} vectors agree on wasm32`);

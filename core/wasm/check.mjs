// Runs the test vectors on a wasm32 build under Node: node check.mjs FILE.wasm
// The last line says how many agree.

import { readFileSync } from "node:fs";
import { run } from "./vectors.mjs";

const text = (path) => readFileSync(new URL(path, import.meta.url), "utf8");

// As a module of its own, whatever this Node takes a .js file for.
const console_core = `data:text/javascript,${encodeURIComponent(text("../../cli/src/api/console/core.js"))}`;
const { load } = await import(console_core);
const core = await load(readFileSync(process.argv[2]));
const files = Object.fromEntries(["merge.json", "diff.json", "stream.json"].map((name) => [name, text(`../tests/vectors/${name}`)]));
const { agreed, failures } = run(core, files);
failures.forEach((failure) => console.error(failure));
if (failures.length > 0 || agreed === 0) {
  console.error(`${failures.length} of ${agreed + failures.length} vectors disagree on wasm32`);
  process.exit(1);
}
console.log(`${agreed} vectors agree on wasm32`);

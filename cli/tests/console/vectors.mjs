// The core, in the browser and under the page's policy, and the words that are marked.

import assert from "node:assert/strict";
import { file } from "./help.mjs";

/** Modules as one text for the page, which may load scripts of its own origin only. */
const plain = (path) => file(path).replace(/^import .*$/gm, "").replace(/^export /gm, "");

export async function the_vectors_agree_in_the_browser(bench) {
  const page = await bench.browser.page();
  bench.page = page;
  await page.open(`${bench.url}/news/console/`);
  await page.until("the sign-in", () => document.querySelector("dialog[open]"));
  const files = Object.fromEntries(["merge.json", "diff.json", "stream.json"].map((name) => [name, file(`core/tests/vectors/${name}`)]));
  const code = `(async () => {
    ${plain("core/wasm/exact.mjs")}
    ${plain("core/wasm/vectors.mjs")}
    const { load } = await import("/news/console/core.js");
    return run(await load(fetch("/news/console/core.wasm")), ${JSON.stringify(files)});
  })()`;
  const { agreed, failures } = await page.run(code);
  assert.deepEqual(failures, []);
  assert.ok(agreed > 600, `${agreed} vectors`);
}

export async function the_page_marks_the_words_that_news_diff_marks() {
  const { compared } = await import(`data:text/javascript,${encodeURIComponent(file("cli/src/api/console/words.js"))}`);
  const { cases } = JSON.parse(file("cli/tests/vectors/words.json"));
  for (const { target, local, runs } of cases) {
    assert.deepEqual(compared(target, local).map((run) => [run.same, run.old, run.new]), runs, JSON.stringify([target, local]));
  }
}

// The console in a real browser, against the real service, database and target: node cli/tests/console/test.mjs [NAME…]
//
// A test fails where its page says anything on the browser's console or breaks its policy. The last line counts, as cargo's does.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { start } from "./browser.mjs";
import { Bench, PASSWORD } from "./help.mjs";
import { Service } from "./service.mjs";

const FILES = ["vectors", "walk", "access", "trouble", "compare", "looks"];

const only = process.argv.slice(2);
const browser = await start();
const service = new Service();
let passed = 0;
let failed = 0;
try {
  await service.target();
  service.news(["import"]);
  for (const args of [["ada", "--staff"], ["bob"]]) service.news(["user", "add", ...args], { input: `${PASSWORD}\n` });
  const { address } = await service.serve("act");
  for (const file of FILES) {
    for (const [name, test] of Object.entries(await import(`./${file}.mjs`))) {
      const title = `${file}::${name}`;
      if (only.length === 0 || only.some((part) => title.includes(part))) await run(title, test, new Bench(browser, service, address));
    }
  }
} finally {
  await browser.end();
  await service.end();
}
console.log(`test result: ${failed === 0 ? "ok" : "FAILED"}. ${passed} passed; ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;

async function run(title, test, bench) {
  const began = Date.now();
  try {
    await test(bench);
    assert.deepEqual(bench.page?.troubles ?? [], [], "what the page says on the browser's console");
    passed += 1;
    console.log(`test ${title} ... ok, ${Date.now() - began} ms`);
  } catch (error) {
    failed += 1;
    console.log(`test ${title} ... FAILED\n${error.stack}`);
    const folder = process.env.NEWS_CONSOLE_PICTURES;
    if (folder && bench.page) writeFileSync(`${folder}/${title.replace("::", "-")}.png`, await bench.page.picture());
  } finally {
    await bench.page?.close();
    await service.reset();
  }
}

// Widths, colours, keys, and the rules of accessibility.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { fits } from "./help.mjs";

const VIEWS = ["#/", "#/changes", "#/waiting", "#/runs", "#/runs/1", "#/acts", "#/compare", "#/posts/14"];
/** Bytes of all scripts and of the style sheet, as a browser that takes gzip gets them; and of the core. */
const TEXTS_MAX = 52_000;
const CORE_MAX = 90_000;

let times = 0;
async function setUp({ service }) {
  times += 1;
  await service.faults({ reject_text: ["kept out"] });
  service.sql(`UPDATE news_post SET title = 'kept out ${times}' WHERE id IN (14, 15); UPDATE news_post SET body = 'w${times}' WHERE id = 13`);
  service.news(["sync"], { code: 3 });
  service.sql(`UPDATE news_post SET body = 'pending ${times}' WHERE id = 16`);
}

const shown = (page, view) => page.run((view) => { location.hash = view; }, view)
  .then(() => page.until(view, () => document.querySelector("main h1") && !/Reading|Loading|asking/.test(document.querySelector("main").innerText)));

export async function no_view_scrolls_sideways(bench) {
  await setUp(bench);
  const page = await bench.open();
  for (const view of VIEWS) {
    await shown(page, view);
    await fits(page, view);
  }
}

export async function axe_finds_nothing(bench) {
  const axe = process.env.NEWS_AXE;
  if (!axe || !existsSync(axe)) {
    console.log("console: skipped: the rules of accessibility; npm could not install axe-core");
    return;
  }
  await setUp(bench);
  for (const dark of [false, true]) {
    const page = await bench.open("ada", { dark });
    await page.run(readFileSync(axe, "utf8"));
    for (const view of [...VIEWS, "a dialog"]) {
      if (view === "a dialog") {
        await shown(page, "#/posts/14");
        await page.click("Give up the changes…");
        await page.until("the dialog", () => document.querySelector("dialog[open]"));
      } else await shown(page, view);
      for (const width of [380, 1280]) {
        await page.size(width);
        const found = await page.run(async () => {
          const { violations } = await axe.run(document, { resultTypes: ["violations"] });
          return violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html }) => html).join(" ")}`);
        });
        assert.deepEqual(found, [], `${view}, ${width} px, ${dark ? "dark" : "light"}`);
      }
    }
    assert.deepEqual(page.troubles, []);
    await page.close();
    bench.page = null;
  }
}

export async function keys_go_to_views_and_act_on_nothing(bench) {
  await setUp(bench);
  const page = await bench.open();
  await page.until("the group", () => document.querySelector(".group"));
  const title = () => page.run(() => document.querySelector("main h1").innerText);
  for (const [key, heading] of [["c", "Changes"], ["w", "Waiting"], ["r", "Runs"], ["d", "Master and target"]]) {
    await page.key("g");
    await page.key(key);
    await page.until(heading, (heading) => document.querySelector("main h1")?.innerText === heading && document.activeElement.matches("h1"), heading);
  }
  await page.key("/");
  await page.until("the field", () => document.activeElement.id === "find");
  await page.type("posts/14");
  await page.key("Enter");
  await page.run(() => document.querySelector("dialog[open] form")?.requestSubmit());
  await page.until("the object", () => document.querySelector("h1")?.innerText === "posts/14");
  const before = bench.service.report(["status"]);
  for (const key of "abcdefhijklmnpqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!.,;") await page.key(key);
  const after = bench.service.report(["status"]);
  assert.deepEqual([after.parked, after.events], [before.parked, before.events]);
  await page.run(() => document.querySelector("dialog[open]")?.close());
  assert.ok((await title()).length > 0);
}

export async function scripts_and_styles_stay_small(bench) {
  const page = await bench.open();
  await page.until("the merge", () => document.getElementById("merged"));
  const sizes = await page.run(() => performance.getEntriesByType("resource").map(({ name, encodedBodySize }) => [new URL(name).pathname, encodedBodySize]));
  const sum = (end) => sizes.filter(([path]) => path.startsWith("/news/console/") && end.test(path)).reduce((sum, [, bytes]) => sum + bytes, 0);
  const texts = sum(/\.(js|css)$/);
  assert.ok(texts > 0 && texts < TEXTS_MAX, `scripts and styles have ${texts} bytes on the wire`);
  // The worker loads the core, and tells the page nothing of it.
  const answer = await fetch(`${bench.url}/news/console/core.wasm`, { headers: { "Accept-Encoding": "gzip" } });
  assert.equal(answer.headers.get("content-encoding"), "gzip");
  assert.ok(Number(answer.headers.get("content-length")) < CORE_MAX, answer.headers.get("content-length"));
}

export async function what_the_reader_has_done_stays(bench) {
  await setUp(bench);
  const page = await bench.open("ada", { view: "#/waiting" });
  await page.until("the rows", () => document.querySelectorAll("[data-tick]").length === 2);
  const before = await page.run(() => {
    const box = document.querySelector("[data-tick]");
    box.click();
    box.focus();
    window.kept = box;
    return document.getElementById("live").textContent;
  });
  await page.until("the next answer", (before) => document.getElementById("live").textContent !== before, before);
  assert.ok(await page.run(() => kept.isConnected && kept.checked && document.activeElement === kept));
  // A new row is told, and comes in at a click.
  bench.service.sql("UPDATE news_post SET title = 'kept out, too' WHERE id = 17; UPDATE news_post SET body = 'v' WHERE id = 13");
  bench.service.news(["sync"], { code: 3 });
  await page.shows("1 more object. Show");
  assert.equal(await page.run(() => document.querySelectorAll("[data-tick]").length), 2);
  await page.click("1 more object. Show");
  await page.until("the new row", () => document.querySelectorAll("[data-tick]").length === 3);
}

export async function a_text_is_copied_without_a_clipboard(bench) {
  await setUp(bench);
  const page = await bench.open("ada", { view: "#/posts/14" });
  await page.run(() => {
    Object.defineProperty(navigator, "clipboard", { value: undefined });
    addEventListener("copy", () => { window.copied = document.activeElement.value; });
  });
  await page.click("Copy");
  await page.shows("Copied.");
  assert.match(await page.run(() => window.copied), /refused on purpose/);
}

export async function the_overview_is_painted_soon_after_its_answer(bench) {
  const page = await bench.open();
  const ms = await page.until("the overview", async () => {
    if (!document.querySelector(".verdict")) return 0;
    const answer = performance.getEntriesByType("resource").find(({ name }) => name.endsWith("/overview/"));
    const [paint] = performance.getEntriesByName("overview");
    return paint && answer ? Math.max(1, paint.startTime - answer.responseEnd) : 0;
  });
  assert.ok(ms < 300, `${ms} ms`);
}

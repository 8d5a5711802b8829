// Texts of strangers, a database that stops, a service that is gone.

import assert from "node:assert/strict";
import { fits } from "./help.mjs";
import { stop } from "./service.mjs";

const MARKUP = `<img src=x onerror="document.title='taken'"><script>document.title='taken'</script>\u202e\u2028&lt;b&gt;`;

export async function texts_of_strangers_stay_texts(bench) {
  const { service } = bench;
  const quoted = MARKUP.replaceAll("'", "''");
  // The target repeats in its answer what it does not take.
  await service.faults({ reject_text: ["<img src=x onerror="] });
  service.sql(`UPDATE news_post SET title = E'${quoted}', body = E'${quoted}\\n\\x01' WHERE id = 9; UPDATE news_post SET body = 'z' WHERE id = 13`);
  service.news(["sync"], { code: 3 });
  const page = await bench.open();
  for (const view of ["#/", "#/changes", "#/waiting", "#/posts/9"]) {
    await page.run((view) => { location.hash = view; }, view);
    await page.shows("posts/9");
  }
  await page.until("the text", () => document.body.innerText.includes("<script>document.title"));
  await page.shows("\\u202e");
  assert.deepEqual(await page.run(() => [document.title.includes("taken"), document.querySelectorAll("main script, main img").length]), [false, 0]);
  await fits(page, "an object with long texts");
}

export async function the_page_keeps_its_state_while_the_database_is_stopped(bench) {
  const { service } = bench;
  const page = await bench.open();
  await page.until("the overview", () => document.querySelector(".verdict"));
  for (const status of ["503", "500", "504"]) page.expected.add(status);
  service.news(["-q", "db", "stop"]);
  await page.until("the notice", () => /next try in/.test(document.getElementById("notice").innerText));
  assert.ok(await page.run(() => document.body.classList.contains("is-stale") && document.querySelector(".verdict") !== null));
  service.news(["-q", "db", "start"]);
  await page.until("the state", () => document.body.classList.contains("is-live") && document.getElementById("notice").hidden);
}

export async function the_page_outlives_its_service(bench) {
  const child = await bench.serve("act");
  const page = await bench.open();
  await page.until("the overview", () => document.querySelector(".verdict"));
  page.expected.add("offline");
  await stop(child);
  await page.until("the notice", () => /does not answer/.test(document.getElementById("notice").innerText));
  assert.ok(await page.run(() => document.querySelector(".verdict") !== null));
}

export async function a_paused_page_asks_nothing(bench) {
  const page = await bench.open();
  await page.until("the overview", () => document.querySelector(".verdict"));
  await page.run(() => document.getElementById("live").click());
  await page.shows("paused at");
  assert.equal(await page.run(() => localStorage.getItem("news.paused")), "1");
  await page.run(() => document.getElementById("live").click());
  await page.shows("as of");
}

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
  service.news(["retry", "posts/9", "--why", "<img src=x onerror=alert(1)>"]);
  service.sql("UPDATE news_post SET body = 'zz' WHERE id = 13");
  service.news(["sync"], { code: 3 });
  const page = await bench.open();
  for (const view of ["#/", "#/changes", "#/waiting", "#/acts", "#/runs", "#/posts/9"]) {
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

export async function a_view_that_was_never_read_says_that_the_service_is_gone(bench) {
  const child = await bench.serve("act");
  const page = await bench.open();
  await page.until("the overview", () => document.querySelector(".verdict"));
  page.expected.add("offline");
  await stop(child);
  await page.until("the notice", () => /does not answer/.test(document.getElementById("notice").innerText));
  for (const view of ["#/waiting", "#/runs", "#/runs/1", "#/acts", "#/posts/3"]) {
    await page.run((view) => { location.hash = view; }, view);
    await page.until(view, () => /does not answer/.test(document.querySelector("main .lede")?.innerText ?? ""));
  }
}

export async function a_limit_and_a_full_sync_that_failed_are_told(bench) {
  const { service } = bench;
  service.sql("DELETE FROM news_comment WHERE id = 499");
  ({ address: bench.url } = await service.start(["serve", "--listen", "127.0.0.1:0", "--console", "act"], { NEWS_SYNC_MAX_DELETES: "0" }));
  const page = await bench.open();
  const why = "the plan deletes 1 object, more than 0";
  await page.until("the verdict", (why) => document.querySelector(".verdict h1")?.innerText.startsWith(`The next run will be refused: ${why}.`), why);
  await page.shows(`It will be refused, and send nothing: ${why}.`);
  await page.run(() => { location.hash = "#/changes"; });
  await page.shows(`The next run will be refused, and send nothing: ${why}.`);
  service.news(["sync", "--full", "--max-deletes", "0"], { code: 4 });
  service.news(["sync"]);
  await page.run(() => { location.hash = "#/"; });
  await page.until("the verdict", () => /^Changes arrive\. Full syncs fail since .* \(exit 4\): the plan deletes 1 object/.test(document.querySelector(".verdict h1")?.innerText ?? ""));
  await page.until("the fact", () => /Full sync\s+fails since/.test(document.querySelector(".facts").innerText));
  service.news(["sync", "--full"]);
  await page.until("the verdict", () => document.querySelector(".verdict h1")?.innerText === "Changes arrive. Nothing waits for an operator.");
}

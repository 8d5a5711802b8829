// Who may see the page, and who may act.

import assert from "node:assert/strict";

const ACTS = ["retry", "discard", "hold", "release"];

export async function a_wrong_password_lets_nobody_in(bench) {
  const page = await bench.browser.page();
  bench.page = page;
  page.expected.add("401");
  await page.open(`${bench.url}/news/console/`);
  await bench.signIn(page, "ada", "wrong");
  await page.shows("No active account");
  await bench.signIn(page, "ada");
  await page.until("the overview", () => document.querySelector(".verdict"));
}

export async function who_is_not_staff_sees_nothing(bench) {
  const page = await bench.open("bob");
  await page.shows("bob is not staff");
  await page.shows("news user staff bob on");
  assert.equal(await page.run(() => document.querySelector(".verdict")), null);
  for (const path of ["overview/", "events/", "left/", "runs/", "posts/1/", "prints/posts/?side=master"]) {
    const { status, json } = await bench.ask(`/news/sync/${path}`, { user: "bob" });
    assert.deepEqual([status, json.code], [403, "not_staff"], path);
  }
  for (const act of ACTS) {
    const { status, json } = await bench.ask(`/news/sync/${act}/`, { user: "bob", method: "POST", body: { keys: [{ key: "posts/1", event_id: 1 }] } });
    assert.deepEqual([status, json.code], [403, "not_staff"], act);
  }
}

export async function who_may_only_read_gets_the_command(bench) {
  const { service } = bench;
  await service.faults({ status_for: { "posts/8": 422 } });
  service.sql("UPDATE news_post SET title = 'refused' WHERE id = 8; UPDATE news_post SET body = 'y' WHERE id = 13");
  service.news(["sync"], { code: 3 });
  await bench.serve("read");
  const page = await bench.open();
  await page.shows("news retry posts/8");
  assert.equal(await page.run(() => document.querySelectorAll("[data-do=retryGroup], [data-do=discardGroup]").length), 0);
  await page.run(() => { location.hash = "#/posts/8"; });
  await page.shows("news discard posts/8");
  assert.equal(await page.run(() => document.querySelectorAll("[data-do=retry], [data-do=discard], [data-do=hold]").length), 0);
  for (const act of ACTS) {
    const { status, json } = await bench.ask(`/news/sync/${act}/`, { user: "ada", method: "POST", body: { keys: [{ key: "posts/8", event_id: 1 }] } });
    assert.deepEqual([status, json.code], [403, "read_only"], act);
  }
}

export async function a_session_outlives_a_reload_and_ends_with_signing_out(bench) {
  const page = await bench.open();
  await page.until("the overview", () => document.querySelector(".verdict"));
  await page.open(`${bench.url}/news/console/#/runs`);
  await page.run(() => { location.reload(); }).catch(() => {});
  await page.until("the runs", () => document.querySelector("h1")?.textContent === "Runs" && document.querySelector("table"));
  await page.click("ada");
  await page.click("Sign out");
  await page.until("the sign-in", () => document.querySelector("dialog[open] input[name=password]"));
  assert.equal(await page.run(() => sessionStorage.length), 0);
}

export async function a_token_is_enough(bench) {
  const page = await bench.browser.page();
  bench.page = page;
  await page.open(`${bench.url}/news/console/`);
  await page.click("Use an access token instead");
  await page.run(() => { document.querySelector("dialog input[name=token]").focus(); });
  await page.type(bench.service.news(["token", "ada"]).trim());
  await page.click("Sign in");
  await page.until("the overview", () => document.querySelector(".verdict"));
}

export async function a_session_that_ends_is_renewed_over_the_page(bench) {
  const page = await bench.open("ada", { view: "#/posts/3" });
  await page.until("the object", () => document.querySelector("main h1")?.textContent === "posts/3" && document.querySelector(".choice"));
  page.expected.add("401");
  bench.service.sql("UPDATE auth_user SET is_active = false WHERE username = 'ada'");
  await page.until("the sign-in", () => document.querySelector("dialog[open] input[name=password]"));
  assert.ok(await page.run(() => document.querySelector(".choice") !== null), "the page stays");
  bench.service.sql("UPDATE auth_user SET is_active = true WHERE username = 'ada'");
  await bench.signIn(page, "ada");
  await page.until("the page", () => document.querySelector("dialog[open]") === null && document.body.classList.contains("is-live"));
}

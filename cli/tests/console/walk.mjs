// An object is refused, tried again, given up; what the page says is what the commands say.

import assert from "node:assert/strict";

const REFUSED = "lend the fish market";

/** Changes posts and comments, so that a sync has one of everything to send, and something that comes to nothing. */
function change(service) {
  service.sql(`
    UPDATE news_post SET title = title || ' (a year early)' WHERE id = 12; UPDATE news_post SET title = title || '!' WHERE id = 12;
    INSERT INTO news_post (id, user_id, title, body) VALUES (206, 1, 'Ferry timetable', 'From Monday on'), (207, 1, 'soon gone', '');
    UPDATE news_post SET body = 'From Tuesday on' WHERE id = 206; DELETE FROM news_post WHERE id = 207;
    DELETE FROM news_comment WHERE id = 500;`);
}

/** "N events of M objects → R requests", as numbers. */
const merged = (page) => page.until("the merge", () => {
  const numbers = [...document.querySelectorAll("#merged b")].map((b) => Number(b.textContent.replaceAll(",", "")));
  return numbers.length === 2 && numbers;
});

export async function events_become_the_requests_that_a_dry_run_plans(bench) {
  const { service } = bench;
  change(service);
  const page = await bench.open();
  const [events, requests] = await merged(page);
  const { plan } = service.report(["sync", "--dry-run"], { code: 1 });
  const planned = Object.values(plan).flatMap((actions) => Object.entries(actions)).filter(([what]) => what !== "nothing").reduce((sum, [, n]) => sum + n, 0);
  assert.deepEqual([events, requests], [service.report(["status"]).events, planned]);
  assert.ok(requests === 3 && events > requests, `${events} → ${requests}`);
  assert.match(await page.text(), /posts\/207\s+created and deleted\s+\+\s*×|posts\/207/);
  await page.until("the comparison with the service's plan", () => document.querySelector("#merged[data-checked]"));
  assert.ok(!(await page.text()).includes("Please report"), "the service's plan and the merge differ");
  service.news(["sync"]);
  assert.deepEqual(await page.until("nothing to send", () => {
    const numbers = [...document.querySelectorAll("#merged b")].map((b) => Number(b.textContent));
    return numbers[0] === 0 && numbers;
  }), [0, 0]);
}

export async function a_refused_object_is_tried_again_and_goes(bench) {
  const { service } = bench;
  await service.faults({ reject_text: [REFUSED] });
  service.sql(`UPDATE news_post SET title = 'Cold Ferry and Harrow Bay ${REFUSED}' WHERE id = 5; UPDATE news_post SET body = 'other' WHERE id = 13`);
  service.news(["sync"], { code: 3 });
  const page = await bench.open();
  await page.shows("1 object waits for an operator");
  // By the target's own words.
  // Groups of a moment ago stay where they are until the reader has gone on.
  const group = () => {
    document.querySelector("[data-do=groups]")?.click();
    return [...document.querySelectorAll(".group")].find(({ innerText }) => innerText.includes("posts/5"))?.innerText;
  };
  await page.until("the group", group);
  const said = await page.run(group);
  assert.match(said, /422/);
  assert.match(said, /1 post/);
  await page.click("posts/5");
  await page.until("the object", () => document.querySelector("h1")?.textContent === "posts/5");
  await page.shows("The target refused it");
  await page.shows("1 pending event");
  await page.until("the difference", () => document.querySelector(".fields ins")?.textContent.includes("Harrow Bay"));
  await page.click("Try again");
  await page.shows("The next run tries again: posts/5.");
  assert.equal(service.report(["parked"]).objects.filter(({ state }) => state === "parked").length, 0);
  await service.faults({});
  service.news(["sync"]);
  await page.run(() => { location.hash = "#/"; });
  await page.shows("Nothing waits for an operator");
  const { acts } = service.report(["show", "posts/5"]);
  assert.equal(acts[0].what, "retried");
  assert.match(acts[0].who, /^ada/);
}

export async function changes_are_given_up_through_a_dialog(bench) {
  const { service } = bench;
  await service.faults({ reject_text: [REFUSED] });
  service.sql(`UPDATE news_post SET title = '${REFUSED}, again' WHERE id = 6; UPDATE news_post SET body = 'another' WHERE id = 13`);
  service.news(["sync"], { code: 3 });
  const page = await bench.open("ada", { view: "#/posts/6" });
  await page.click("Give up the changes…");
  await page.until("the dialog", () => document.querySelector("dialog.final[open] h2")?.textContent === "Give up the changes of posts/6?");
  assert.equal(await page.run(() => document.activeElement.textContent), "Keep it", "the harmless button has the focus");
  await page.click("Keep it");
  assert.equal(service.report(["status"]).parked, 1, "nothing happened");
  await page.click("Give up the changes…");
  await page.until("the dialog", () => document.querySelector("dialog[open] input"));
  await page.run(() => { document.querySelector("dialog[open] input").focus(); });
  await page.type("a test of mine");
  await page.click("Give up posts/6");
  await page.shows("Changes dropped: posts/6.");
  await page.shows("It is in sync");
  assert.equal(service.report(["status"]).parked, 0);
  const { acts } = service.report(["show", "posts/6"]);
  assert.deepEqual([acts[0].what, acts[0].why], ["discarded", "a test of mine"]);
}

export async function a_group_is_tried_again_with_its_number(bench) {
  const { service } = bench;
  await service.faults({ reject_text: [REFUSED] });
  service.sql(`UPDATE news_post SET title = '${REFUSED} ' || id WHERE id BETWEEN 20 AND 31; UPDATE news_post SET body = 'one more' WHERE id = 13`);
  service.news(["sync"], { code: 3 });
  const page = await bench.open();
  page.expected.add("409");
  await page.click("Try all 12 again…");
  await page.shows("Try 12 objects again?");
  await page.shows("and 2 more");
  // Another object joins the group behind the dialog.
  service.sql(`UPDATE news_post SET title = '${REFUSED} 32' WHERE id = 32; UPDATE news_post SET body = 'and more' WHERE id = 13`);
  service.news(["sync"], { code: 3 });
  await page.click("Try 12 again");
  await page.shows("Try 13 objects again?");
  await page.click("Try 13 again");
  await page.shows("The next run tries again:");
  assert.equal(service.report(["status"]).parked, 0);
}

export async function a_group_that_has_shrunk_is_named_as_it_is(bench) {
  const { service } = bench;
  await service.faults({ reject_text: [REFUSED] });
  service.sql(`UPDATE news_post SET title = '${REFUSED} once more ' || id WHERE id BETWEEN 20 AND 22; UPDATE news_post SET body = 'fewer' WHERE id = 13`);
  service.news(["sync"], { code: 3 });
  const page = await bench.open();
  page.expected.add("409");
  await page.click("Try all 3 again…");
  await page.shows("Try 3 objects again?");
  service.news(["discard", "posts/21"]);
  await page.click("Try 3 again");
  await page.shows("Try 2 objects again?");
  const named = await page.run(() => [...document.querySelectorAll("dialog[open] .key")].map((one) => one.textContent));
  assert.deepEqual(named, ["posts/20", "posts/22"]);
  await page.click("Try 2 again");
  await page.shows("The next run tries again: posts/20, posts/22.");
}

export async function numbers_of_the_verdict_the_bar_and_the_lists_are_the_same(bench) {
  const { service } = bench;
  await service.faults({ reject_text: [REFUSED] });
  service.sql(`INSERT INTO news_post (id, user_id, title, body) VALUES (300, 1, '${REFUSED}', ''), (301, 1, '${REFUSED}', '');
    INSERT INTO news_comment (id, post_id, name, email, body) VALUES (3000, 300, 'n', 'e@example.net', 'b');
    UPDATE news_post SET body = 'on hold' WHERE id = 40; UPDATE news_post SET body = 'numbers' WHERE id = 13`);
  service.news(["hold", "posts/40", "--why", "later"]);
  service.news(["hold", "posts/41"]);
  service.news(["sync"], { code: 3 });
  const page = await bench.open();
  const verdict = "Changes arrive. 2 objects wait for an operator, 1 is on hold, and 1 behind them.";
  await page.until("the verdict", (verdict) => document.querySelector(".verdict h1")?.innerText === verdict, verdict);
  await page.shows("2 for an operator, 1 held behind, 1 on hold");
  assert.equal(await page.run(() => document.querySelector("[data-count=parked]").innerText), "2");
  assert.ok(!(await page.text()).includes("on_hold"));
  // Screen readers hear the same, and hear it anew when a number changes.
  await page.until("the status", (verdict) => document.getElementById("told").textContent === verdict, verdict);
  service.news(["retry", "posts/301"]);
  await page.until("the new status", () => document.getElementById("told").textContent.includes("1 object waits for an operator"));
  await page.run(() => { location.hash = "#/waiting"; });
  // On hold are two, one of them without changes.
  await page.until("the numbers", () => [...document.querySelectorAll(".chip")].map((one) => one.innerText.replace(/\s+/g, " ")).join() === "parked 1,held 1,waiting 1,on hold 2");
  // What becomes of a new change.
  await page.run(() => { location.hash = "#/posts/40"; });
  await page.shows("A new change waits, too, until the object is released.");
  await page.run(() => { location.hash = "#/comments/3000"; });
  await page.shows("A new change waits, too, until the object that this one waits for has arrived.");
  service.sql("DELETE FROM news_post WHERE id IN (300, 301)");
}

export async function a_late_answer_does_not_replace_a_newer_one(bench) {
  const { service } = bench;
  await service.faults({ reject_text: [REFUSED] });
  service.sql(`UPDATE news_post SET title = '${REFUSED}, late' WHERE id = 24; UPDATE news_post SET body = 'late' WHERE id = 13`);
  service.news(["sync"], { code: 3 });
  const page = await bench.open("ada", { view: "#/waiting" });
  const heading = () => document.getElementById("left")?.innerText;
  assert.equal(await page.until("the list", heading), "1 object");
  await page.run(() => {
    const { fetch } = window;
    window.fetch = async (path, options) => {
      const answer = await fetch(path, options);
      if (path.includes("state=held")) await new Promise((resolve) => { window.let_it_come = resolve; });
      return answer;
    };
    document.querySelector("[data-arg=held]").click();
  });
  await page.until("the answer that is late", () => window.let_it_come);
  await page.run(() => document.querySelector("[data-arg=held]").click());
  await page.until("the whole list", () => document.querySelector("[data-arg=held]").ariaPressed === "false" && document.querySelectorAll("[data-tick]").length === 1);
  await page.run(() => new Promise((next) => { window.let_it_come(); setTimeout(() => requestAnimationFrame(next)); }));
  assert.equal(await page.run(heading), "1 object");
}

export async function many_are_given_up_only_after_their_number_was_typed(bench) {
  const { service } = bench;
  await service.faults({ reject_text: [REFUSED] });
  service.sql(`UPDATE news_post SET title = '${REFUSED}, one of many ' || id WHERE id BETWEEN 20 AND 31; UPDATE news_post SET body = 'last one' WHERE id = 13`);
  service.news(["sync"], { code: 3 });
  const page = await bench.open("ada", { view: "#/waiting" });
  await page.click("Select all shown");
  await page.click("Give up…");
  await page.shows("Type 12 to confirm");
  assert.ok(await page.run(() => document.querySelector("dialog .danger").disabled));
  await page.run(() => { document.querySelector("dialog input[inputmode]").focus(); });
  await page.type("12");
  await page.click("Give up 12 objects");
  await page.shows("Changes dropped:");
  assert.equal(service.report(["status"]).parked, 0);
  await service.faults({});
}

export async function what_changed_meanwhile_is_refused(bench) {
  const { service } = bench;
  await service.faults({ reject_text: [REFUSED] });
  service.sql(`UPDATE news_post SET title = '${REFUSED}' WHERE id = 7; UPDATE news_post SET body = 'x' WHERE id = 13`);
  service.news(["sync"], { code: 3 });
  const page = await bench.open("ada", { view: "#/posts/7" });
  await page.until("the button", () => [...document.querySelectorAll("button")].some((one) => one.textContent === "Try again"));
  await page.run(() => document.getElementById("live").click());
  service.sql("UPDATE news_post SET title = 'short' WHERE id = 7");
  page.expected.add("409");
  await page.click("Try again");
  await page.shows("Nothing was done.");
}

export async function an_object_is_put_on_hold_and_released(bench) {
  const { service } = bench;
  const page = await bench.open("ada", { view: "#/posts/11" });
  await page.click("Put on hold…");
  await page.until("the dialog", () => document.querySelector("dialog.try[open] input"));
  await page.run(() => { document.querySelector("dialog[open] input").focus(); });
  await page.type("the target is moved");
  await page.click("Put on hold");
  await page.shows("put it on hold");
  const [hold] = service.report(["status"]).holds;
  assert.deepEqual([hold.entity, hold.id, hold.why], ["posts", 11, "the target is moved"]);
  await page.click("Release");
  await page.shows("Released: posts/11.");
  assert.ok(!(await page.text()).includes("on_hold"));
  // Who did what, when and why.
  await page.run(() => { location.hash = "#/acts"; });
  const told = await page.until("the acts", () => {
    const rows = [...document.querySelectorAll("main tbody tr")].map((row) => [...row.cells].map((cell) => cell.innerText));
    return rows[0]?.[1] === "released posts/11" && rows;
  });
  assert.match(told[1][0], /ada$/);
  assert.deepEqual(told[1].slice(1), ["put on hold posts/11", "the target is moved"]);
  assert.equal(service.report(["status"]).holds.length, 0);
}

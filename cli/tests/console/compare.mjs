// Both sides, compared in the browser: what was planted, and nothing else.

import assert from "node:assert/strict";

const sentence = (page) => page.until("the comparison", () => document.getElementById("compared")?.innerText);
const rows = (page) => page.run(() => [...document.querySelectorAll("details.d")].map((one) => [one.dataset.key, one.querySelector(".kind").innerText.replace(/^. /, "")]));

/** Plants one difference of each kind at the target, past the master. */
async function plant(service) {
  const send = (method, path, body) => fetch(service.targetUrl + path, { method, body: body && JSON.stringify(body), headers: { "Content-Type": "application/json" } });
  const post = await (await send("GET", "/posts/40")).json();
  await send("PUT", "/posts/40", { ...post, title: `${post.title}, changed there` });
  await send("DELETE", "/comments/22");
  await send("POST", "/comments", { postId: 1, id: 9001, name: "a stranger", email: "who@example.net", body: "past the master" });
  await send("PUT", "/comments/401", { id: 401, postId: 1, email: 42 });
  return [["posts/40", "different"], ["comments/22", "missing"], ["comments/401", "unreadable"], ["comments/9001", "extra"]];
}

export async function planted_differences_are_found_as_news_diff_finds_them(bench) {
  const { service } = bench;
  const planted = await plant(service);
  service.sql("UPDATE news_post SET title = 'pending' WHERE id = 41");
  // What an import left out is no difference, and neither is a comment of it.
  service.sql("INSERT INTO news_sync_left_out VALUES ('news_post', 9003, 'the title is too long')");
  const send = (method, path, body) => fetch(service.targetUrl + path, { method, body: body && JSON.stringify(body), headers: { "Content-Type": "application/json" } });
  await send("POST", "/posts", { id: 9003, userId: 1, title: "t".repeat(300), body: "" });
  const page = await bench.open("ada", { view: "#/compare" });
  await page.click("Compare now");
  const said = await sentence(page);
  assert.match(said, /^5 objects differ\. Pending changes explain 1\. No pending change explains 4: drift\./);
  assert.match(said, /1 object that an import left out: not compared\./);
  const report = service.report(["diff"], { code: 1 });
  const wanted = report.differences.map(({ entity, id, kind }) => [`${entity}/${id}`, kind]);
  assert.deepEqual(await rows(page), wanted);
  assert.deepEqual(wanted.filter(([key]) => key !== "posts/41"), planted);
  await page.click("with pending objects");
  await page.until("drift alone", () => document.querySelectorAll("details.d").length === 4);
  // Texts come from the second look.
  await page.key("e");
  await page.until("the words", () => [...document.querySelectorAll(".fields del")].some((one) => one.textContent.includes("changed there")));
  service.news(["sync", "--full"]);
  await page.click("Compare again");
  await page.shows("Both sides are equal.");
  await send("DELETE", "/posts/9003");
  service.sql("DELETE FROM news_sync_left_out");
}

export async function a_listing_that_is_cut_says_nothing(bench) {
  const { service } = bench;
  await service.faults({ cut_listing: "connection" });
  const page = await bench.open("ada", { view: "#/compare" });
  page.expected.add("offline").add("502");
  await page.click("Compare now");
  await page.until("the trouble", () => document.querySelector("main .trouble")?.innerText.length > 0);
  assert.equal((await rows(page)).length, 0);
  assert.ok(!(await page.text()).includes("equal"));
}

export async function files_are_compared_without_leaving_the_browser(bench) {
  const { service } = bench;
  const posts = await (await fetch(`${service.targetUrl}/posts`)).json();
  posts[2].title = "of a backup";
  posts.splice(6, 1);
  const page = await bench.open("ada", { view: "#/compare" });
  await page.until("the box", () => document.getElementById("files"));
  await page.run((text) => {
    const list = new DataTransfer();
    list.items.add(new File([text], "posts.json", { type: "application/json" }));
    const input = document.getElementById("files");
    input.files = list.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }, JSON.stringify(posts));
  assert.match(await sentence(page), /^2 objects differ/);
  assert.deepEqual((await rows(page)).map(([, kind]) => kind).sort(), ["different", "missing"]);
}

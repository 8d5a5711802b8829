// Are both sides equal? The service sends a fingerprint of each object, and the core joins both sides in this browser.
// Texts are asked for only where something differs, as it comes into sight.

import { act, ask } from "../api.js";
import { button, el, keyOf } from "../dom.js";
import { bytes, count, now, number, span, state as word, when, zone } from "../format.js";
import { changed, isStale, readPendingNow, state, workerToken } from "../live.js";
import { chip, fields, legend, sheet } from "../parts.js";
import { Work } from "../work.js";

const KINDS = { different: "~", missing: "+", extra: "−", duplicate: "≡", unreadable: "?" };
const BRIEF = {
  missing: "the target does not have it", extra: "only the target has it", duplicate: "the target lists it more than once",
  unreadable: "the target lists something that cannot be read", different: "the fields differ",
};
const REPAIRS = { missing: "POST for each missing object", different: "PUT for each different object", unreadable: "PUT for each unreadable object", extra: "DELETE for each extra object", duplicate: "DELETE and POST for each duplicate" };
const SHOWN_MAX = 1000;
const LOOK_MAX = 200;

let run = null;
let kind = "";
let withPending = true;

export const title = "Compare";
/** What the page shows depends on this alone. */
export const version = () => (run?.found ? [run.began, run.texts.size, run.equal.size, run.leftOut.size, kind, withPending, isStale()].join() : null);

export const actions = {
  start: () => compare(null),
  stop: () => run?.work.end("The comparison was stopped."),
  only: (which) => { kind = kind === which ? "" : which; },
  filter: (_, on) => { withPending = on; },
  files: () => document.getElementById("files").click(),
};

/** Compares both entities. `files`: listings by entity, in place of the target's. */
async function compare(files) {
  run = { work: new Work(), files, began: now().toISOString(), at: "", bytes: 0, found: null, error: null, texts: new Map(), equal: new Set(), wanted: new Set() };
  const own = run;
  changed();
  try {
    await readPendingNow();
    const found = [];
    for (const entity of ["posts", "comments"]) {
      if (files && !files[entity]) continue;
      own.at = entity;
      const before = own.bytes;
      const request = { entity, token: await workerToken(), file: files?.[entity] };
      const result = await own.work.call("compare", request, (progress) => { own.bytes = before + progress.bytes; changed(); });
      own.bytes = before + result.bytes;
      found.push(result);
    }
    own.leftOut = files ? new Set() : await leftOut();
    own.found = found;
    own.ended = now().toISOString();
    own.knows = !state.pending?.error;
    own.pending = new Map((state.pending?.objects ?? []).map((object) => [object.key, object.standing ?? "pending"]));
    own.list = found.flatMap(({ differences }) => differences.map(([key, kind]) => ({ key, kind, standing: own.pending.get(key) ?? null })));
  } catch (error) {
    own.error = error.code === "cut"
      ? `${error.message}. Nothing can be said about the sides: no difference is shown.`
      : error.status === 429 ? "Another comparison is at work. Try again when it has ended." : error.message;
  } finally {
    own.work.end();
  }
  changed();
}

/** Objects that an import left out, and whose ids no row has: they are not differences, and no run touches them. */
async function leftOut() {
  const all = new Set();
  let next = "";
  do {
    const page = await ask(`/news/sync/left/out/?limit=10000${next}`);
    for (const key of page.keys) all.add(key);
    next = page.next && `&after=${page.next}`;
  } while (next);
  return all;
}

/** Objects that turned out to be no differences. */
const isOut = (key) => run.equal.has(key) || run.leftOut.has(key);

export function render() {
  const head = el("h1", { tabindex: -1 }, "Master and target");
  return [head, ...(run === null ? [intro()] : run.error ? [failed()] : run.found === null ? [atWork()] : result())];
}

function startButton(label) {
  const isReady = state.session?.target_readable && !isStale();
  return [el("button.go", { type: "button", "data-do": "start", disabled: !isReady }, label),
    !state.session?.target_readable && el("span.soft", `The service cannot read the target: ${state.session?.target_why ?? "not set up"}. Drop files instead.`)];
}

function intro() {
  return el("div.two",
    sheet("whole", "Compare all objects", "", null,
      el("div.body.stack", el("p", "The service reads all rows and the whole listing of the target, and sends 32 bytes for each object of both sides to this browser: 32 MB for 500,000 objects."),
        el("p.soft", `The target is asked for each page of its listing. ${Object.keys(state.overview?.status.plan ?? {}).length > 0 ? "Pending changes show as differences." : ""}`), el("p.acts", startButton("Compare now")))),
    dropBox());
}

function dropBox() {
  const box = sheet("drop", "Compare files", "", null,
    el("div.body.stack", el("p.soft", "Drop ", el("code", "posts.json"), " and ", el("code", "comments.json"), " here: a backup, or the listing of another target. The files stay in this browser."),
      el("input", { type: "file", id: "files", multiple: true, accept: ".json,application/json", hidden: true, "aria-label": "Files to compare" }),
      el("p.acts", button("again", "files", "Choose files…"))));
  box.dataset.own = "drop";
  const take = (list) => {
    const files = Object.fromEntries([...list].map((file) => [file.name.startsWith("comments") ? "comments" : "posts", file]));
    if (list.length > 0) compare(files);
  };
  box.querySelector("input").addEventListener("change", (event) => take(event.target.files));
  box.addEventListener("dragover", (event) => { event.preventDefault(); box.classList.add("drop"); });
  box.addEventListener("dragleave", () => box.classList.remove("drop"));
  box.addEventListener("drop", (event) => { event.preventDefault(); box.classList.remove("drop"); take(event.dataTransfer.files); });
  return box;
}

const atWork = () => el("section.sheet.gap-above", el("div.body.stack", el("p", run.at ? `Comparing ${run.at}: ${bytes(run.bytes)} so far.` : "Reading the pending changes…"),
  el("progress", { "aria-label": "Comparing" }), el("p.acts", button("again", "stop", "Stop"))));

const failed = () => el("div.two", el("section.sheet", el("div.body.stack", el("p.trouble", { role: "alert" }, run.error), el("p.acts", startButton("Compare again")))), dropBox());

function result() {
  const { found, list, files } = run;
  const all = list.filter(({ key }) => !isOut(key));
  const left = list.filter(({ key }) => run.leftOut.has(key)).length;
  const total = all.length + found.reduce((sum, { more }) => sum + more, 0);
  const pending = all.filter(({ standing }) => standing).length;
  const drift = total - pending;
  const tally = Object.groupBy(all, (one) => one.kind);
  const shown = all.filter((one) => (kind === "" || one.kind === kind) && (withPending || !one.standing));
  const sum = (name) => found.reduce((sum, { counts }) => sum + counts[name], 0);
  const ms = found.reduce((sum, one) => sum + one.ms, 0);
  const nameless = sum("nameless");
  const only = (name, n) => chip("only", name, kind === name, n, name || "all");
  return [
    el("p.lede", { id: "compared", role: "status" }, el("b", total === 0 ? "Both sides are equal. " : `${count(total, "object")} ${total === 1 ? "differs" : "differ"}. `),
      total > 0 && !run.knows && "Which of them pending changes explain is not known here: there are too many events. ",
      total > 0 && run.knows && (drift === 0 ? "Pending changes explain all of them. " : `Pending changes explain ${number(pending)}. No pending change explains ${number(drift)}: drift. `),
      el("span.soft", `${count(sum("local"), "row")} and ${count(sum("target"), "element")} of ${files ? Object.values(files).map(({ name }) => name).join(" and ") : "the target"}, compared in this browser in ${span(ms / 1000)} (${bytes(run.bytes)}), from `, when(run.began), " to ", when(run.ended), ` ${zone()}. `,
        nameless > 0 && `${count(nameless, "element")} without an id of ours. `,
        left > 0 && `${count(left, "object")} that an import left out: not compared. `)),
    total > 0 && el("div.chips", only("", all.length), Object.keys(KINDS).map((name) => only(name, tally[name]?.length ?? 0)),
      el("label", el("input", { type: "checkbox", "data-filter": "pending", ...(withPending ? { checked: true } : {}) }), "with pending objects"), el("span.more", startButton("Compare again"))),
    el("div.cmp.gap-above", el("div.stack", found.map((one) => entityBox(one, shown.filter(({ key }) => key.startsWith(`${one.entity}/`))))), aside(all, drift, total)),
  ].filter(Boolean);
}

function entityBox({ entity, counts, more }, list) {
  return sheet(entity, entity === "posts" ? "Posts" : "Comments", `${number(counts.equal)} equal${counts.altered > 0 ? ` (${number(counts.altered)} with texts that the target has altered)` : ""}, ${number(list.length)} shown`, el("span.more", legend()),
    list.length === 0 ? el("p.body.soft", "No difference.") : list.slice(0, SHOWN_MAX).map(differenceRow),
    list.length > SHOWN_MAX && el("div.foot", `${number(list.length - SHOWN_MAX + more)} more. Narrow the list by a kind.`));
}

function differenceRow({ key, kind, standing }) {
  const text = run.texts.get(key);
  const names = (text?.fields ?? []).map(({ field }) => field).join(", ");
  const box = el("details.d", { "data-key": key, "data-look": text || run.files ? null : key },
    el("summary", el("span.key", key), el("span.kind", `${KINDS[kind]} ${kind}`), el("span.brief", kind === "different" && names ? names : BRIEF[kind]), standing && word(standing)),
    text ? fields(text) : el("p.body.soft", run.files ? "Texts of files are not shown." : "Reading both sides…"),
    el("p.same", el("a", { href: `#/${key}` }, `Open ${key} →`)));
  if (!text && !run.files) queueMicrotask(() => watch(key));
  return box;
}

/** Asks for the texts of what comes into sight, many at a time. */
const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting || !target.dataset.look) continue;
    seen.unobserve(target);
    run?.wanted.add(target.dataset.look);
  }
  lookSoon();
});
const watch = (key) => {
  const row = document.querySelector(`details[data-look="${key}"]`);
  if (row && run !== null && !run.wanted.has(key)) seen.observe(row);
};

let isLooking = false;
async function lookSoon() {
  const own = run;
  if (isLooking || own === null) return;
  const keys = [...own.wanted].filter((key) => !own.texts.has(key) && !isOut(key)).slice(0, LOOK_MAX);
  if (keys.length === 0) return;
  isLooking = true;
  try {
    const { differences, equal, left_out } = await act("/news/sync/look/", { keys });
    for (const row of differences) own.texts.set(keyOf(row), row);
    // Changes that came after the pending ones were read.
    for (const one of own.list) if (!one.standing && own.texts.get(one.key)?.pending) one.standing = "pending";
    for (const key of equal) own.equal.add(key);
    // Comments of posts that were left out, and that came later.
    for (const key of left_out) own.leftOut.add(key);
  } catch (error) {
    for (const key of keys) own.texts.set(key, { fields: [], faults: [{ field: "", why: error.message }] });
  }
  isLooking = false;
  changed();
  lookSoon();
}

function aside(all, drift, total) {
  const own = all.filter(({ standing }) => !standing);
  const tally = Object.groupBy(own, ({ kind }) => kind);
  const repair = sheet("repair", "What would repair it", "", null,
    el("div.body.stack", el("p.soft", drift === 0 ? "A plain sync sends what is pending, but for objects that are parked, held or on hold." : `A plain sync sends what is pending. Only a full sync repairs the ${count(drift, "object")} that drifted. It compares anew and would send:`),
      el("ul.plan", Object.entries(REPAIRS).filter(([name]) => tally[name]).map(([name, text]) => el("li", el("span", text), el("b", number(tally[name].length))))),
      drift > 0 && [el("pre", "news sync --full --dry-run"), el("p.soft.small", "There is no button: a full sync also deletes. Read its plan first.")]));
  return el("aside.aside.stack", run.files === null && all.length > 0 && repair, dropBox(), total === 0 && el("p.acts", startButton("Compare again")));
}

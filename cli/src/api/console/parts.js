// Parts that several views show.

import { DID, command } from "./acts.js";
import { button, el, keyLink, marked } from "./dom.js";
import { clock, code, count, minute, number, said, span, state as word, ticks, when } from "./format.js";
import { state } from "./live.js";
import { compared } from "./words.js";

/** A larger group is not given up as a whole. */
const GIVEN_UP_MAX = 100;

/** A box with a heading, what is said beside it, and what stands at its right end. */
export const sheet = (id, title, beside, right, ...content) => el("section.sheet", { "aria-labelledby": id },
  el("div.head", el("h2", { id }, title), beside && el("span.soft", beside), right), content);

/** A table. A heading is a text, or [classes, text]. */
export const table = (heads, rows) => el("table",
  el("thead", el("tr", heads.filter(Boolean).map((head) => (Array.isArray(head) ? el(`th.${head[0]}`, { scope: "col" }, head[1]) : el("th", { scope: "col" }, head))))),
  el("tbody", rows));

/** A view that has nothing to show yet: what is wrong, or that it is being read. */
export const unread = (problem) => el("p.lede.soft", { role: "status" }, (problem ?? state.problem?.error)?.message ?? "Reading…");

/** What somebody did, in a line. */
export const actLine = ({ at, what, who, keys, count: n, along, why }) => [
  el("b", who), ` ${DID[what] ?? what} `, links(keys.slice(0, 3)), n > 3 && ` and ${number(n - 3)} more`, along > 0 && `, ${count(along, "comment")} along`,
  ", ", when(at, minute), why && [": ", el("q", why)], ".",
];

/** Links to objects, with commas between them. */
export const links = (keys) => keys.map((key, at) => [at > 0 && ", ", keyLink(key)]);

/** A button of a row of filters. */
export const chip = (what, name, isOn, n, label = name) =>
  el("button.chip", { type: "button", "data-do": what, "data-arg": name, "aria-pressed": String(isOn) }, label.replaceAll("_", " "), n !== undefined && [" ", el("b", number(n))]);

/** A group of objects that the target refused with the same words. */
export function group({ id, entity, state: how, status, said, count: n, behind = 0, since, first: keys, gone }, mayAct) {
  return el(gone ? "article.group.is-gone" : "article.group", { "data-key": id },
    el("div.said", code(status), el("q", said || "no reason was given"), how !== "parked" && word(how)),
    el("div.keys", el("span.soft", count(n, entity === "posts" ? "post" : "comment"), since ? [" since ", when(since, minute)] : ""),
      keys.slice(0, 5).map(keyLink), n > 5 && el("a", { href: `#/waiting?group=${encodeURIComponent(id)}` }, `and ${number(n - 5)} more`)),
    behind > 0 && el("p.soft.small", `${count(behind, "object")} held behind ${n === 1 ? "it" : "them"}, sent after ${n === 1 ? "it" : "they"} arrive${n === 1 ? "s" : ""}.`),
    gone
      ? el("p.soft.small", "No longer waits.")
      : el("div.acts", el("a.btn", { href: `#/${keys[0]}` }, "See what differs"),
        how !== "parked"
          ? el("span.soft", "The next run tries again.")
          : mayAct
          ? [button("again", "retryGroup", n === 1 ? "Try again…" : `Try all ${number(n)} again…`, id),
            n <= GIVEN_UP_MAX && button("quiet", "discardGroup", "Give up…", id)]
          : command("retry", n === keys.length ? keys : [])));
}

/** A table of runs. */
export function runsTable(runs) {
  const row = (run) => {
    const result = run.exit_code ? `${run.status}, exit ${run.exit_code}` : run.status;
    return el("tr", { "data-key": `run${run.id}` },
      el("td", el("a.mono", { href: `#/runs/${run.id}` }, String(run.id))), el("td", run.kind + (run.shard ? ` ${run.shard}` : "")),
      el("td", el(`span.st.${run.status}`, result)), el("td", when(run.started_at, clock)),
      el("td.num.narrow-hide", span(run.seconds)), el("td.num", number(run.requests)),
      el("td.soft.narrow-hide", run.first_error && ticks(said(run.first_error)), run.alike > 0 && ` The ${number(run.alike)} before it had the same result.`));
  };
  return table(["Run", "Kind", "Result", "Began", ["num.narrow-hide", "Took"], ["num", "Requests"], ["narrow-hide", "First error"]], runs.map(row));
}

const hash = (text) => [...text].reduce((sum, character) => (Math.imul(sum, 31) + character.codePointAt(0)) | 0, text.length);

/** Words on both sides of a fold. */
const CONTEXT = 9;
const FOLDED_ABOVE = 26;

/** The texts of a field on both sides as one text, with what changes marked. Long equal parts are folded. */
function difference(target, master) {
  // What the reader has unfolded stays so while the texts are the same.
  const box = el("div.words", { "data-own": hash(`${target}\0${master}`) });
  const runs = compared(target, master);
  runs.forEach(({ same, old, new: fresh }, at) => {
    const isLast = at === runs.length - 1 && old.length + fresh.length === 0;
    if (same.length > FOLDED_ABOVE) {
      const front = at === 0 ? 0 : CONTEXT;
      const back = isLast ? 0 : CONTEXT;
      const hidden = same.slice(front, same.length - back);
      const n = hidden.filter((part) => part.trim() !== "").length;
      const gap = el("button.gap", { type: "button", title: "unchanged: show" }, `… ${count(n, "word")} …`);
      gap.addEventListener("click", () => gap.replaceWith(...marked(hidden.join(""))));
      box.append(...marked(same.slice(0, front).join("")), gap, ...marked(same.slice(same.length - back).join("")));
    } else box.append(...marked(same.join("")));
    for (const [tag, words] of [["del", old], ["ins", fresh]]) {
      if (words.length === 0) continue;
      const part = el(tag);
      part.append(...marked(words.join("")));
      box.append(part);
    }
  });
  return box;
}

const made = new WeakMap();
/** The fields of a difference: those of a DifferenceRow. Words are compared once. */
export function fields(row) {
  if (!made.has(row)) made.set(row, makeFields(row));
  return made.get(row);
}

function makeFields({ kind, fields = [], faults = [] }) {
  const field = (name, ...content) => el("div.field", el("code", name), el("div", content));
  return el("div.fields",
    fields.map(({ field: name, local, target }) => field(name, target === null || target === undefined
      ? [el("span.soft", "cannot be read at the target; the master has "), difference("", local)] : difference(target, local))),
    faults.map(({ field: name, why }) => field(name, why)),
    kind === "duplicate" && field("", "The target lists this id more than once. A full sync deletes it there until it is gone, and creates it once."));
}

export const legend = () => el("span.legend", el("span", el("del", "old"), " at the target"), el("span", el("ins", "new"), " from the master"));

/** A table of objects that runs left: ticks, keys, why. */
export function leftTable(rows, ticked, mayTick) {
  const row = (one) => el(one.gone ? "tr.is-gone" : "tr", { "data-key": one.key },
    mayTick && el("td", one.gone ? "" : el("input", { type: "checkbox", "data-tick": one.key, "aria-label": `Select ${one.key}`, ...(ticked.has(one.key) ? { checked: true } : {}) })),
    el("td", keyLink(one.key)), el("td", one.gone ? el("span.st", "no longer waits") : word(one.state)),
    el("td", code(one.status), one.status ? " " : "", one.waits_for?.length ? ["waits for ", links(one.waits_for)] : said(one.reason ?? "")),
    el("td.num.narrow-hide", number(one.failures)), el("td.num.narrow-hide", when(one.since, minute)));
  return table([mayTick && ["pick", el("span.unseen", "Select")], "Object", "State", "Reason", ["num.narrow-hide", "Failed runs"], ["num.narrow-hide", "Since"]], rows.map(row));
}

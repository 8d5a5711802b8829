// Objects that runs leave: parked, held, waiting, on hold. In groups, then one by one.

import * as acts from "../acts.js";
import { ask } from "../api.js";
import { button, el, keyOf } from "../dom.js";
import { count, number } from "../format.js";
import { Frozen } from "../frozen.js";
import { Reading, mayAct } from "../live.js";
import { chip, group as groupBox, leftTable, sheet, unread } from "../parts.js";

const PAGE = 200;
const STATES = ["parked", "held", "waiting", "on_hold"];

const frozen = new Frozen();
const frozenGroups = new Frozen();
let ticked = new Set();
let filter = { state: "", q: "", group: "" };
const left = new Reading();

export const title = "Waiting";

export function enter({ query }) {
  filter = { state: query.get("state") ?? "", q: "", group: query.get("group") ?? "" };
  left.forget();
  reload();
}

function reload() {
  frozen.thaw();
  frozenGroups.thaw();
  ticked = new Set();
  left.forget(false);
}

async function read() {
  const query = new URLSearchParams({ limit: String(PAGE) });
  for (const [name, value] of Object.entries(filter)) if (value) query.set(name, value);
  const [rows, groups] = await Promise.all([ask(`/news/sync/left/?${query}`), ask("/news/sync/left/groups/")]);
  return { rows: rows.objects.map((row) => ({ ...row, key: keyOf(row) })), total: rows.total, states: rows.states, groups: groups.groups };
}

const selected = () => left.answer.rows.filter(({ key }) => ticked.has(key));

export const actions = {
  only: (which) => { filter.state = filter.state === which ? "" : which; reload(); },
  filter: (_, value) => { filter.q = value.trim(); reload(); },
  all: () => { filter.group = ""; reload(); },
  show: reload,
  tick: (key, on) => (on ? ticked.add(key) : ticked.delete(key)),
  tickAll: () => { ticked = new Set(ticked.size > 0 ? [] : left.answer.rows.map(({ key }) => key)); for (const box of document.querySelectorAll("[data-tick]")) box.checked = ticked.has(box.dataset.tick); },
  retry: () => acts.retryMany(selected()),
  discard: () => acts.discard(selected()),
  retryGroup: (id) => acts.retryGroup(frozenGroups.find(id)),
  discardGroup: (id) => acts.discardGroup(frozenGroups.find(id)),
};

export function render() {
  if (left.isOld()) left.read(read);
  const head = el("h1", { tabindex: -1 }, "Waiting");
  const { answer, problem } = left;
  if (answer === null) return [head, unread(problem)];
  const { rows, fresh } = frozen.take(answer.rows);
  const groups = frozenGroups.take(answer.groups.map((group) => ({ ...group, key: group.id })));
  const picked = selected();
  const may = mayAct();
  const none = picked.length === 0;
  const canRetry = picked.every((row) => row.state === "parked");
  return [
    head,
    el("p.lede", answer.total === 0 && filter.state === "" && filter.q === "" ? "No object waits." : "A parked object waits for an operator or for its next change. A held object waits for another object. A waiting object is tried by the next run. An object on hold waits until it is released."),
    groups.rows.length > 0 && el("div.gap-above", sheet("groups", "By the target's response", "", null, groups.rows.map((group) => groupBox(group, may)))),
    el("div.chips", STATES.map((name) => chip("only", name, filter.state === name, answer.states[name])),
      filter.group && button("chip", "all", "one group only: show all"),
      el("label", "Key", el("input", { "data-filter": "q", placeholder: "posts/5", "aria-label": "Only keys that begin with", value: filter.q }))),
    sheet("left", count(answer.total, "object"), answer.total > answer.rows.length && `the first ${answer.rows.length}; narrow the list by a key or a state`,
      may && answer.rows.length > 0 && el("span.more.acts", button("again", "tickAll", ticked.size > 0 ? "Select none" : "Select all shown"),
        button("again", "retry", `Try ${none ? "selected" : number(picked.length)} again…`, null, { disabled: none || !canRetry, title: canRetry ? null : "Only parked objects can be tried again." }),
        button("quiet", "discard", "Give up…", null, { disabled: none })),
      (fresh > 0 || problem) && el("div.foot", problem ? problem.message : button("link", "show", `${count(fresh, "more object")}. Show`)),
      rows.length > 0 && leftTable(rows, ticked, may)),
  ].filter(Boolean);
}

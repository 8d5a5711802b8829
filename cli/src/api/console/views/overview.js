// Is the sync healthy, what waits, and what does the next run send?

import * as acts from "../acts.js";
import { button, el, keyLink } from "../dom.js";
import { ago, beads, clock, count, hour, METHOD, minute, number, since, span, ticks, when } from "../format.js";
import { Frozen } from "../frozen.js";
import { changed, isLeft, mayAct, readPending, state } from "../live.js";
import { actLine, group as groupBox, runsTable, sheet, unread } from "../parts.js";
import { ask } from "../api.js";

const LAG_MAX_S = 15 * 60;
/** A longer verdict is set smaller. */
const LONG = 100;
const ROWS = 8;
const RUNS = 5;

const HINTS = {
  untracked: "Run `news doctor` where the service runs.",
  credentials: "Replace the token of `news sync`. The next run then sends everything that is pending.",
  refused: "Read the plan with `news sync --dry-run`. Run `news sync --force` only if the plan is right.",
  late: "Nothing is lost: each change stays in the log until it is sent.",
  failing: "Nothing is lost: each change stays in the log until it is sent.",
  full: "Run `news sync --full --dry-run` where the service runs, and read its plan. Other runs send changes meanwhile.",
  missed: "Check the timer or the service that runs `news sync`.",
  new: "Changes are sent by `news sync`.",
  parked: "All other changes are sent, and nothing is lost meanwhile. The groups below say why.",
};
const GOOD = new Set(["ok", "running", "new"]);
const MILD = new Set(["parked", "missed", "full"]);

const groups = new Frozen();
const runs = new Frozen();
const titles = new Map();

export const title = "Overview";
export function enter() {
  groups.thaw();
  runs.thaw();
}

export function render() {
  const { overview } = state;
  if (overview === null) return [el("h1", { tabindex: -1 }, "Overview"), unread()];
  readPending();
  const { verdict } = overview;
  const isGood = GOOD.has(verdict.word);
  const glyph = isGood ? "div.glyph.ok" : MILD.has(verdict.word) ? "div.glyph" : "div.glyph.bad";
  const hint = HINTS[verdict.word];
  return [
    el("div.verdict", el(glyph, { "aria-hidden": "true" }, isGood ? "✓" : "!"), el(verdict.text.length > LONG ? "h1.long" : "h1", { tabindex: -1 }, verdict.text),
      hint && el("p", ticks(hint))),
    facts(overview),
    el("div.two", waits(overview), next(overview)),
    runsBox(overview),
  ];
}

export const actions = {
  groups: () => groups.thaw(),
  runs: () => runs.thaw(),
  retryGroup: (id) => acts.retryGroup(groups.find(id)),
  discardGroup: (id) => acts.discardGroup(groups.find(id)),
};

function facts({ status, runs: all, distance_s }) {
  const fact = (name, isGood, value, why) => el("div", el("dt", name), el(isGood ? "dd.good" : "dd.warn", value), el("dd.why", why));
  const oldest = status.oldest_at ? since(status.oldest_at) : null;
  const last = status.last_run ?? all[0];
  const every = distance_s?.[last?.kind];
  const full = status.last_done.find((run) => run.kind === "full");
  const failed = status.failed_full;
  const target = state.target;
  return el("dl.facts.sheet",
    fact("Oldest change to send", oldest === null || oldest < LAG_MAX_S, oldest === null ? "none" : span(oldest), `limit: ${span(LAG_MAX_S)}`),
    fact("Last run", last?.status === "done" || last?.status === "running", last ? `${minute(last.started_at)}, ${last.status}` : "none yet",
      status.lock ? "A run is at work." : every ? `One begins every ${span(every)}. None is at work.` : "None is at work."),
    state.session?.target_readable === false
      ? fact("Target", true, "not set up here", state.session.target_why ?? "The service knows no target.")
      : fact("Target", target?.ok !== false, target === null ? "not asked yet" : target.ok ? `answers in ${span((target.ms ?? 0) / 1000)}` : "does not answer",
        target === null ? "asked once a minute" : [target.ok ? "" : `${target.why ?? ""} `, `asked ${ago(target.asked_at)}`]),
    failed
      ? fact("Full sync", false, ["fails since ", when(failed.since, minute)], "Both sides may differ.")
      : fact("Full sync", true, full ? when(full.finished_at ?? full.started_at, minute) : "none yet", "It compares both sides whole."));
}

/** What objects wait for, by their state: the numbers of the verdict. */
const LEFT = [["parked", "for an operator"], ["held", "held behind"], ["waiting", "for the next run"], ["on_hold", "on hold"]];

function waits({ status, groups: current, groups_more, acts: done }) {
  const { rows, fresh } = groups.take(current.map((group) => ({ ...group, key: group.id })));
  const parts = LEFT.filter(([name]) => status[name] > 0).map(([name, what], at) => [at > 0 && ", ", el("a", { href: `#/waiting?state=${name}` }, `${number(status[name])} ${what}`)]);
  // Some were never sent: an import left out what the target has under their ids.
  const alone = status.parked - current.filter((group) => group.state === "parked").reduce((sum, group) => sum + group.count, 0);
  return sheet("waits", "What waits", parts.length > 0 && parts, el("a.more", { href: "#/waiting" }, "All →"),
    fresh > 0 && el("div.foot", { "data-key": "fresh" }, button("link", "groups", `${count(fresh, "new group")}. Show`)),
    rows.length === 0 ? el("p.body.soft", parts.length > 0 ? "The target has refused no object." : "No object waits.") : rows.map((group) => groupBox(group, mayAct())),
    alone > 0 && groups_more === 0 && el("p.body", el("a", { href: "#/waiting?state=parked" }, `${count(alone, "object")} in no group: never sent to the target →`)),
    groups_more > 0 && el("p.body", el("a", { href: "#/waiting" }, `${count(groups_more, "more group")} →`)),
    done.length > 0 && el("div.foot", el("b", "By hand: "), done.slice(0, 3).map((act) => [actLine(act), " "]), el("a", { href: "#/acts" }, "All →")));
}

function next({ status }) {
  const { pending } = state;
  const box = (beside, ...content) => sheet("sends", "The next run", beside, el("a.more", { href: "#/changes" }, "All changes →"),
    status.over_limit && el("p.body.trouble", `It will be refused, and send nothing: ${status.over_limit}.`), content);
  const planned = Object.values(status.plan).flatMap((actions) => Object.entries(actions)).reduce((sum, [what, n]) => (what === "nothing" ? sum : sum + n), 0);
  if (pending === null) return box("", el("p.body.soft", "Reading the events…"));
  if (pending.error) {
    return box("counted by the service", el("p.sum", el("b", number(status.events)), "pending events", el("span", "→"), el("b", number(planned)), "requests"),
      el("div.foot", `The events were not merged in this browser: ${pending.error.message}`));
  }
  const going = pending.objects.filter((object) => !isLeft(object)).sort((a, b) => order(a) - order(b));
  const left = pending.objects.filter(isLeft);
  const events = going.reduce((sum, { own }) => sum + own.length, 0);
  const requests = going.filter(({ action }) => METHOD[action] !== "nothing").length;
  const shown = going.slice(0, ROWS);
  readTitles(shown);
  const rows = shown.map(({ key, action, own }) => {
    const method = METHOD[action] ?? "GET";
    return el(method === "nothing" ? "li.is-nothing" : "li", { "data-key": key },
      el("span", keyLink(key), el("span.t", titles.get(key) ?? "")), beads(own), el("span.to", { "aria-hidden": "true" }, "→"), el(`span.req.${method}`, method));
  });
  const leftEvents = left.reduce((sum, { own }) => sum + own.length, 0);
  const isChecked = pending.settled && pending.of === state.overview.etag && pending.events === status.events;
  const differs = isChecked && requests !== planned;
  return box("merged in this browser",
    going.length === 0
      ? el("p.sum", { id: "merged" }, el("b", "0"), "events", el("span", "→"), el("b", "0"), "requests")
      : el("p.sum", { id: "merged", "data-checked": isChecked || null }, el("b", number(events)), `${events === 1 ? "event" : "events"} of ${count(going.length, "object")}`, el("span", { "aria-label": "become" }, "→"), el("b", number(requests)), requests === 1 ? "request" : "requests"),
    el("ol.merge", rows, going.length > ROWS && el("li.soft", { "data-key": "more" }, el("a", { href: "#/changes" }, `${count(going.length - ROWS, "more object")} →`))),
    (left.length > 0 || differs) && el("div.foot",
      left.length > 0 && `${count(leftEvents, "event")} of ${count(left.length, "object")} will not be sent: parked, held, on hold, or in flight. `,
      differs && el("b", `The service plans ${count(planned, "request")}, this browser ${number(requests)}. Please report this difference. `)));
}

const ORDER = ["create", "renew", "update", "delete", "ask"];
const order = ({ action }) => (ORDER.includes(action) ? ORDER.indexOf(action) : ORDER.length);

/** Reads what the rows are called from the API, once for each change. */
function readTitles(rows) {
  for (const { key, last, action } of rows) {
    const version = `${key} ${last}`;
    if (titles.has(version)) continue;
    titles.set(version, "");
    if (action === "delete" || action === "nothing") titles.set(key, action === "delete" ? "deleted" : "created and deleted");
    else ask(`/news/${key}/`).then(({ title, name }) => (titles.set(key, title ?? name ?? ""), changed())).catch(() => {});
  }
}

const errors = new Map();
/** Reads why runs failed: the overview does not say. */
function readErrors(rows) {
  if (!rows.some(({ id, exit_code }) => exit_code && !errors.has(id))) return;
  for (const { id } of rows) errors.set(id, errors.get(id) ?? "");
  ask(`/news/sync/runs/?limit=${RUNS}`).then((page) => (page.runs.forEach(({ id, first_error }) => errors.set(id, first_error ?? "")), changed())).catch(() => {});
}

function runsBox({ runs: all }) {
  const shown = runs.take(all.slice(0, RUNS).map((run) => ({ first_error: errors.get(run.id), ...run, key: String(run.id) })));
  readErrors(shown.rows);
  const tally = Object.entries(Object.groupBy(all, (run) => run.status)).map(([status, list]) => `${list.length} ${status}`);
  const strip = [...all].reverse();
  const bar = (run) => {
    const spec = run.requests === 0 && run.status === "done" ? "i.idle" : `i.${run.status}`;
    const bar = el(spec, { title: `run ${run.id}, ${clock(run.started_at)}: ${run.status}, ${count(run.requests, "request")}` });
    bar.style.height = `${Math.max(3, Math.min(42, Math.round(Math.log2(1 + run.requests) * 7)))}px`;
    return bar;
  };
  const bad = all.filter((run) => run.status !== "done" && run.status !== "running").map((run) => `run ${run.id} ${run.status}`);
  const told = all.length > 0 && `the last ${all.length}: ${tally.join(", ")}; a bar's height is the number of requests`;
  const box = sheet("runs", "Runs", told, el("a.more", { href: "#/runs" }, "All runs →"),
    all.length === 0
      ? el("p.body.soft", "No run has begun yet.")
      : [el("div.strip", { role: "img", "aria-label": `Requests of the last ${count(all.length, "run")}. ${bad.slice(0, 5).join(", ")}` }, strip.map(bar)),
        el("div.axis", [strip[0], strip[Math.floor(strip.length / 2)], strip.at(-1)].map((run, at) => el("span", strip.length > at ? hour(run.started_at) : ""))),
        shown.fresh > 0 && el("div.foot", { "data-key": "fresh" }, button("link", "runs", `${count(shown.fresh, "new run")}. Show`)),
        runsTable(shown.rows)]);
  box.classList.add("gap-above");
  return box;
}

// Did the runs begin, and how did they end? A run: its report, and what it sent.

import { ask } from "../api.js";
import { button, el, keyLink, keyOf } from "../dom.js";
import { code, count, number, said, span, state as word, ticks, when } from "../format.js";
import { Frozen } from "../frozen.js";
import { Reading } from "../live.js";
import { chip, runsTable, sheet, table, unread } from "../parts.js";

const PAGE = 100;
const KINDS = ["sync", "full", "import"];
const STATUSES = ["done", "partly", "failed", "stopped", "lost"];

const frozen = new Frozen();
let filter = { kind: "", status: "" };
let id = null;
const runs = new Reading();
const one = new Reading();

export let title = "Runs";

export function enter({ parts }) {
  id = /^[0-9]{1,18}$/.test(parts[1] ?? "") ? parts[1] : null;
  title = id ? "Run" : "Runs";
  one.forget();
  reload();
}

function reload() {
  frozen.thaw();
  runs.forget(false);
}

/** Reads a page of the list; behind `before`, where that is given. */
async function page(before) {
  const query = new URLSearchParams({ limit: String(PAGE) });
  for (const [name, value] of Object.entries(filter)) if (value) query.set(name, value);
  if (!before) return ask(`/news/sync/runs/?${query}`);
  query.set("before", String(before.next));
  const page = await ask(`/news/sync/runs/?${query}`);
  frozen.thaw();
  return { ...page, runs: [...before.runs, ...page.runs] };
}

/** Reads a page of what a run sent. */
async function sentPage(before) {
  const page = await ask(`/news/sync/runs/${id}/${before ? `?after=${encodeURIComponent(before.next)}` : ""}`);
  return before ? { ...page, sent: [...before.sent, ...page.sent] } : page;
}

export const actions = {
  kind: (which) => { filter.kind = filter.kind === which ? "" : which; reload(); },
  status: (which) => { filter.status = filter.status === which ? "" : which; reload(); },
  show: reload,
  more: () => (id ? one.read(sentPage) : runs.read(page)),
};

export function render() {
  if (id === null && runs.isOld()) runs.read(() => page());
  if (id !== null && one.isOld() && (one.answer === null || one.answer.run.status === "running")) one.read(() => sentPage());
  return id ? renderOne() : renderAll();
}

function renderAll() {
  const head = el("h1", { tabindex: -1 }, "Runs");
  const { answer, problem } = runs;
  if (answer === null) return [head, unread(problem)];
  const shown = frozen.take(answer.runs.map((run) => ({ ...run, key: String(run.id) })));
  const filters = (what, names) => names.map((name) => chip(what, name, filter[what] === name));
  return [
    head,
    el("div.chips", filters("kind", KINDS), el("span.soft", { "aria-hidden": "true" }, "·"), filters("status", STATUSES), el("a.more", { href: "#/acts" }, "What people did →")),
    el("section.sheet", { "aria-label": "Runs, newest first" },
      (shown.fresh > 0 || problem) && el("div.foot", problem ? problem.message : button("link", "show", `${count(shown.fresh, "new run")}. Show`)),
      shown.rows.length === 0 ? el("p.body.soft", "No run matches.") : runsTable(shown.rows),
      answer.next && el("div.foot", button("link", "more", "Older runs"))),
  ];
}

function renderOne() {
  const crumb = el("p.crumb", el("a", { href: "#/runs" }, "Runs"), ` › ${id}`);
  const { answer, problem } = one;
  const head = el("div.title", el("h1", { tabindex: -1 }, `Run ${id}`), answer && word(answer.run.status));
  if (answer === null) return [crumb, head, unread(problem)];
  const { run, report, sent, next } = answer;
  const pair = (name, ...value) => [el("dt", name), el("dd", value)];
  const sums = (actions) => Object.entries(actions ?? {}).map(([entity, done]) => [entity, Object.entries(done).filter(([, n]) => n > 0).map(([what, n]) => `${number(n)} ${what}`).join(", ")])
    .filter(([, text]) => text).map(([entity, text]) => `${entity}: ${text}`).join("; ");
  return [
    crumb, head,
    el("p.lede", run.first_error ? ticks(said(run.first_error)) : run.status === "running" ? "The run is at work." : `${count(run.requests, "request")} in ${span(run.seconds)}.`),
    el("div.two",
      sheet("sent", "What it sent", "one row for each object", null,
        sent.length === 0 ? el("p.body.soft", "It sent nothing.") : table(["Object", "Request", "Result", ["num.narrow-hide", "Events"], ["num", "Time"]],
          sent.map((row, at) => el("tr", { "data-key": `s${at}` }, el("td", keyLink(keyOf(row))), el("td", row.method ?? "", " ", code(row.status)), el("td", word(row.came_to)),
            el("td.num.narrow-hide", number(row.events)), el("td.num", row.ms === null ? "" : span(row.ms / 1000))))),
        (next || problem) && el("div.foot", problem ? problem.message : button("link", "more", "More objects"))),
      sheet("report", "Report", "", null,
        el("div.body", el("dl.pairs", pair("Kind", run.kind + (run.shard ? `, shard ${run.shard}` : "")), pair("Began", when(run.started_at)), pair("Ended", run.finished_at ? when(run.finished_at) : "not yet"),
          pair("Exit code", run.exit_code ?? "none yet"), pair("Target", run.target_url), pair("Process", `${run.pid} on ${run.host}, news ${run.version}`),
          sums(report?.done) && pair("Done", sums(report.done)), report?.parked > 0 && pair("Parked", number(report.parked)), report?.held > 0 && pair("Held", number(report.held)),
          report?.retries > 0 && pair("Retries", number(report.retries)), report?.overcome && pair("Overcome", report.overcome), report?.stopped && pair("Stopped", report.stopped),
          (report?.warnings ?? []).map((warning) => pair("Warning", warning)))))),
  ];
}

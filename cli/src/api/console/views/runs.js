// Did the runs begin, and how did they end? A run: its report, and what it sent.

import { ask } from "../api.js";
import { button, el, keyLink, keyOf } from "../dom.js";
import { code, count, number, said, span, state as word, ticks, when } from "../format.js";
import { Frozen } from "../frozen.js";
import { isStale, state } from "../live.js";
import { chip, runsTable, sheet, table, unread } from "../parts.js";

const PAGE = 100;
const KINDS = ["sync", "full", "import"];
const STATUSES = ["done", "partly", "failed", "stopped", "lost"];

const frozen = new Frozen();
let filter = { kind: "", status: "" };
let id = null;
let runs = null;
let one = null;
let problem = null;
let of = null;
let redraw = () => {};

export let title = "Runs";

export function enter({ parts }, draw) {
  redraw = draw;
  id = /^[0-9]{1,18}$/.test(parts[1] ?? "") ? parts[1] : null;
  title = id ? "Run" : "Runs";
  one = null;
  reload();
}

function reload() {
  frozen.thaw();
  of = null;
}

/** Reads a page. `more`: the next one, behind what is shown. */
async function read(more = false) {
  of = state.overview?.etag ?? null;
  try {
    if (id) {
      const page = await ask(`/news/sync/runs/${id}/${more ? `?after=${encodeURIComponent(one.next)}` : ""}`);
      one = more ? { ...page, sent: [...one.sent, ...page.sent] } : page;
    } else {
      const query = new URLSearchParams({ limit: String(PAGE) });
      for (const [name, value] of Object.entries(filter)) if (value) query.set(name, value);
      if (more) query.set("before", String(runs.next));
      const page = await ask(`/news/sync/runs/?${query}`);
      runs = more ? { ...page, runs: [...runs.runs, ...page.runs] } : page;
      if (more) frozen.thaw();
    }
    problem = null;
  } catch (error) {
    problem = error;
  }
  redraw();
}

export const actions = {
  kind: (which) => { filter.kind = filter.kind === which ? "" : which; reload(); },
  status: (which) => { filter.status = filter.status === which ? "" : which; reload(); },
  show: reload,
  more: () => read(true),
};

export function render() {
  const isOld = state.overview && of !== state.overview.etag && !isStale();
  if (isOld && (id === null ? true : one === null || one.run.status === "running")) read();
  return id ? renderOne() : renderAll();
}

function renderAll() {
  const head = el("h1", { tabindex: -1 }, "Runs");
  if (runs === null) return [head, unread(problem)];
  const shown = frozen.take(runs.runs.map((run) => ({ ...run, key: String(run.id) })));
  const filters = (what, names) => names.map((name) => chip(what, name, filter[what] === name));
  return [
    head,
    el("div.chips", filters("kind", KINDS), el("span.soft", { "aria-hidden": "true" }, "·"), filters("status", STATUSES), el("a.more", { href: "#/acts" }, "What people did →")),
    el("section.sheet", { "aria-label": "Runs, newest first" },
      (shown.fresh > 0 || problem) && el("div.foot", problem ? problem.message : button("link", "show", `${count(shown.fresh, "new run")}. Show`)),
      shown.rows.length === 0 ? el("p.body.soft", "No run matches.") : runsTable(shown.rows),
      runs.next && el("div.foot", button("link", "more", "Older runs"))),
  ];
}

function renderOne() {
  const crumb = el("p.crumb", el("a", { href: "#/runs" }, "Runs"), ` › ${id}`);
  const head = el("div.title", el("h1", { tabindex: -1 }, `Run ${id}`), one && word(one.run.status));
  if (one === null) return [crumb, head, unread(problem)];
  const { run, report, sent } = one;
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
        (one.next || problem) && el("div.foot", problem ? problem.message : button("link", "more", "More objects"))),
      sheet("report", "Report", "", null,
        el("div.body", el("dl.pairs", pair("Kind", run.kind + (run.shard ? `, shard ${run.shard}` : "")), pair("Began", when(run.started_at)), pair("Ended", run.finished_at ? when(run.finished_at) : "not yet"),
          pair("Exit code", run.exit_code ?? "none yet"), pair("Target", run.target_url), pair("Process", `${run.pid} on ${run.host}, news ${run.version}`),
          sums(report?.done) && pair("Done", sums(report.done)), report?.parked > 0 && pair("Parked", number(report.parked)), report?.held > 0 && pair("Held", number(report.held)),
          report?.retries > 0 && pair("Retries", number(report.retries)), report?.overcome && pair("Overcome", report.overcome), report?.stopped && pair("Stopped", report.stopped),
          (report?.warnings ?? []).map((warning) => pair("Warning", warning)))))),
  ];
}

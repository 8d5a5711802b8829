// Who did what by hand, when and why.

import { ask } from "../api.js";
import { button, el } from "../dom.js";
import { count, number, when } from "../format.js";
import { isStale, state } from "../live.js";
import { DID } from "../acts.js";
import { links, sheet, table, unread } from "../parts.js";

const PAGE = 50;
const NAMED = 5;

let list = null;
let problem = null;
let of = null;
let redraw = () => {};

export const title = "What people did";

export function enter(_, draw) {
  redraw = draw;
  [list, of] = [null, null];
}

/** Reads a page. `more`: the next one, behind what is shown. */
async function read(more = false) {
  of = state.overview?.etag ?? null;
  try {
    const page = await ask(`/news/sync/acts/?limit=${PAGE}${more ? `&before=${list.next}` : ""}`);
    [list, problem] = [more ? { ...page, acts: [...list.acts, ...page.acts] } : page, null];
  } catch (error) {
    problem = error;
  }
  redraw();
}

export const actions = { more: () => read(true) };

export function render() {
  // Acts of others come in while the reader is at the first page.
  if (state.overview && of !== state.overview.etag && !isStale() && (list === null || list.acts.length <= PAGE)) read();
  const head = [el("p.crumb", el("a", { href: "#/runs" }, "Runs"), ` › ${title}`), el("h1", { tabindex: -1 }, title)];
  if (list === null) return [...head, unread(problem)];
  const row = ({ id, at, who, via, what, keys, count: n, along, events, why }) => el("tr", { "data-key": String(id) },
    el("td", when(at), el("p.small", who, via === "command" && el("span.soft", " by command"))),
    el("td", DID[what] ?? what, " ", links(keys.slice(0, NAMED)), n > NAMED && ` and ${number(n - NAMED)} more`, along > 0 && `, ${count(along, "comment")} along`,
      events > 0 && el("span.soft", `, ${count(events, "event")}`)), el("td", why && el("q", why)));
  return [...head, el("p.lede", "Acts in the console and by commands. What runs do by themselves is not among them."),
    el("div.gap-above", sheet("acts", "Acts", "newest first", null,
      list.acts.length === 0 ? el("p.body.soft", "Nobody did anything by hand.") : table(["When, and who", "What", "Reason"], list.acts.map(row)),
      (list.next || problem) && el("div.foot", problem ? problem.message : button("link", "more", "Older acts"))))];
}

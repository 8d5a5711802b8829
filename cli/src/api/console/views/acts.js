// Who did what by hand, when and why.

import { ask } from "../api.js";
import { button, el } from "../dom.js";
import { count, number, when } from "../format.js";
import { Reading } from "../live.js";
import { DID } from "../acts.js";
import { links, sheet, table, unread } from "../parts.js";

const PAGE = 50;
const NAMED = 5;

const list = new Reading();

export const title = "What people did";
export const enter = () => list.forget();

/** Reads a page; behind `before`, where that is given. */
async function page(before) {
  const page = await ask(`/news/sync/acts/?limit=${PAGE}${before ? `&before=${before.next}` : ""}`);
  return before ? { ...page, acts: [...before.acts, ...page.acts] } : page;
}

export const actions = { more: () => list.read(page) };

export function render() {
  const { answer, problem } = list;
  // Acts of others come in while the reader is at the first page.
  if (list.isOld() && (answer === null || answer.acts.length <= PAGE)) list.read(() => page());
  const head = [el("p.crumb", el("a", { href: "#/runs" }, "Runs"), ` › ${title}`), el("h1", { tabindex: -1 }, title)];
  if (answer === null) return [...head, unread(problem)];
  const row = ({ id, at, who, via, what, keys, count: n, along, events, why }) => el("tr", { "data-key": String(id) },
    el("td", when(at), el("p.small", who, via === "command" && el("span.soft", " by command"))),
    el("td", DID[what] ?? what, " ", links(keys.slice(0, NAMED)), n > NAMED && ` and ${number(n - NAMED)} more`, along > 0 && `, ${count(along, "comment")} along`,
      events > 0 && el("span.soft", `, ${count(events, "event")}`)), el("td", why && el("q", why)));
  return [...head, el("p.lede", "Acts in the console and by commands. What runs do by themselves is not among them."),
    el("div.gap-above", sheet("acts", "Acts", "newest first", null,
      answer.acts.length === 0 ? el("p.body.soft", "Nobody did anything by hand.") : table(["When, and who", "What", "Reason"], answer.acts.map(row)),
      (answer.next || problem) && el("div.foot", problem ? problem.message : button("link", "more", "Older acts"))))];
}

// What is pending, event by event: an object a row, its events as beads, and the request that they become.

import { button, el, keyLink } from "../dom.js";
import { beads, count, METHOD, number, state as word } from "../format.js";
import { Frozen } from "../frozen.js";
import { isLeft, readPending, readPendingNow, state } from "../live.js";
import { chip, unread } from "../parts.js";

const ROWS_MAX = 1000;
const ACTIONS = ["create", "update", "delete", "ask", "renew", "nothing"];

const rows = new Frozen();
let action = "";
let start = "";

export const title = "Changes";

export const actions = {
  only: (which) => { action = action === which ? "" : which; rows.thaw(); },
  filter: (_, value) => { start = value.trim(); rows.thaw(); },
  show: () => { rows.thaw(); readPendingNow(); },
};

export const enter = () => rows.thaw();

export function render() {
  readPending();
  const head = el("h1", { tabindex: -1 }, "Changes");
  const { pending } = state;
  if (pending === null) return [head, unread()];
  if (pending.error) return [head, el("p.lede", `The events cannot be shown: ${pending.error.message}`), el("p.lede", "Run ", el("code", "news sync --dry-run"), " to see the plan.")];
  const all = pending.objects;
  const tally = Object.groupBy(all, (object) => object.action);
  const wanted = all.filter((object) => (action === "" || object.action === action) && object.key.startsWith(start));
  const shown = rows.take(wanted.slice(0, ROWS_MAX));
  const left = all.filter(isLeft).length;
  const requests = all.filter((object) => !isLeft(object) && METHOD[object.action] !== "nothing").length;
  const search = el("input", { "data-filter": "key", placeholder: "posts/5", "aria-label": "Only keys that begin with", value: start });
  return [
    head,
    el("p.lede", all.length === 0 ? "No change is pending." : `${count(pending.events, "event")} of ${count(all.length, "object")}, merged in this browser into ${count(requests, "request")}.${left > 0 ? ` The next run leaves ${count(left, "object")} as ${left === 1 ? "it is" : "they are"}.` : ""}`),
    state.overview?.status.over_limit && el("p.lede.trouble", `The next run will be refused, and send nothing: ${state.overview.status.over_limit}.`),
    el("div.chips", chip("only", "", action === "", all.length, "all"), ACTIONS.filter((name) => tally[name]).map((name) => chip("only", name, action === name, tally[name].length)),
      el("label", "Key", search)),
    el("section.sheet", { "aria-label": "Pending objects" },
      shown.fresh > 0 && el("div.foot", button("link", "show", `${count(shown.fresh, "more object")}. Show`)),
      el("ol.merge", shown.rows.map(({ key, action, own, standing, gone }) => {
        const method = METHOD[action] ?? "GET";
        const what = method === "nothing" || gone ? "li.is-nothing" : "li";
        return el(what, { "data-key": key }, el("span", keyLink(key), " ", standing ? word(standing) : "", gone && el("span.t", "no longer pending")), beads(own),
          el("span.to", { "aria-hidden": "true" }, "→"), el(`span.req.${method}`, { title: action }, method));
      })),
      wanted.length > ROWS_MAX && el("div.foot", `${number(wanted.length - ROWS_MAX)} more. Narrow the list by a key or an action.`)),
  ].filter(Boolean);
}

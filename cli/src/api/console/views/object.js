// One object: why it is where it is, what one can do and what happens then, the difference to the target, and its history.

import * as acts from "../acts.js";
import { ask } from "../api.js";
import { button, el, isKey, marked } from "../dom.js";
import { beads, code, count, day, hour, METHOD, said as toldBy, span, state as word, when, words } from "../format.js";
import { Reading, changed, mayAct } from "../live.js";
import { fields, legend, links, sheet, unread } from "../parts.js";

let key = "";
const one = new Reading();
let object = null;
let target = null;
let showsAll = false;

export const title = "";

export function enter({ parts }) {
  key = parts.slice(0, 2).join("/");
  [target, showsAll] = [null, false];
  one.forget();
  if (!isKey(key)) {
    one.problem = { message: `expected posts/5 or comments/7, got "${key}"` };
    key = "";
  }
}

async function read(before) {
  const answer = await ask(`/news/sync/${key}/`)
    .catch((error) => { throw error.status === 404 ? { message: "The master has no such object, and nothing is known of it." } : error; });
  if (before === null) actions.ask();
  return answer;
}

export const actions = {
  async ask() {
    const asked = key;
    target = { asking: true };
    changed();
    const answer = await ask(`/news/sync/${asked}/target/`).catch((error) => ({ error }));
    if (asked === key) target = answer;
    changed();
  },
  showAll: () => { showsAll = true; },
  retry: () => acts.retryOne(row()),
  discard: () => acts.discard([row()]),
  hold: () => acts.hold(row(), object.row !== null),
  release: () => acts.release(row()),
};

/** What an act names: the key, and the last event that was on the screen. */
const row = () => ({ key, event_id: object.event_id });

export function render() {
  if (key && one.isOld()) one.read(read);
  const { problem } = one;
  object = one.answer;
  const crumb = el("p.crumb", el("a", { href: "#/waiting" }, "Waiting"), ` › ${key}`);
  const { pending } = object ?? {};
  const head = el("div.title", el("h1.key", { tabindex: -1 }, key || "No such key"), object && word(object.state),
    pending && pending.events > 0 && el("span.st.pending", count(pending.events, "pending event")));
  if (object === null) return [crumb, head, unread(problem)];
  return [
    crumb, head, el("p.lede", sentence()), problem && el("p.trouble", problem.message),
    el("div.two", el("div.stack", choices(), differs()), el("div.stack", answer(), history())),
  ].filter(Boolean);
}

/** Why the object is where it is. */
function sentence() {
  const { state: word, standing, pending, waits_for, hold } = object;
  const said = object.last_answer?.body ? words(object.last_answer.body) : standing?.reason && toldBy(standing.reason);
  const last = object.sent[0];
  switch (word) {
    case "parked":
      return ["The target refused it: ", el("q", said ?? "no reason was given"), last && [", in run ", runLink(last.run), " at ", when(last.at)], ". It waits for an operator or for its next change."];
    case "held":
      return ["It waits for ", links(waits_for), ". Runs send it after ", waits_for.length === 1 ? "that object" : "those objects", "."];
    case "on_hold":
      return [hold.by, " put it on hold at ", when(hold.since), hold.why && [": ", el("q", hold.why)], ". No run sends anything for it until it is released."];
    case "waiting":
      return ["It failed in ", count(standing?.failures ?? 1, "run"), ": ", el("q", said ?? "no reason was given"), ". The next run tries it again."];
    case "in_flight":
      return "A run has sent its request and waits for the response.";
    case "in_sync":
      return "It is in sync: no change is pending.";
    case "not_here":
      return "The master does not have it, and no change is pending.";
    default:
      return pending ? `It has pending changes. ${nextWords()}` : object.sentence;
  }
}

/** What becomes of a new change of an object that no run sends. */
const NEW_CHANGE = {
  on_hold: "A new change waits, too, until the object is released.",
  held: "A new change waits, too, until the object that this one waits for has arrived.",
};

const runLink = (id) => el("a", { href: `#/runs/${id}` }, String(id));

/** What the next run sends, from the merge of the service. */
function request() {
  const action = object.pending?.action;
  const method = METHOD[action];
  return !method || method === "nothing" ? null : el("code", method === "POST" ? `POST /${key.split("/")[0]}` : `${method} /${key}`);
}

function nextWords() {
  const sends = request();
  return sends ? `The next run sends ${sends.textContent}.` : "The next run sends nothing: the changes cancel each other.";
}

function choices() {
  const { state: word, pending, holds_back: behind } = object;
  const may = mayAct();
  const choice = (act, what, ...texts) => el("div.choice", el("div", act), el("div", texts.filter(Boolean).map((text) => el("p", text))));
  const by = (spec, what, label, ...command) => (may ? button(spec, what, label) : acts.command(...command));
  const held = behind.length > 0 ? [`${count(behind.length, "object")} held behind it: `, links(behind.slice(0, 10)), ". They are sent after it arrives."] : null;
  const list = [
    word === "parked" && choice(by("go", "retry", "Try again", "retry", [key]), "", ["The next run sends ", request() ?? "the request", ` once more. ${may ? "This click" : "The command"} sends nothing.`],
      "Useful if the target accepts it now. If it refuses again, the object is parked again, and nothing else changes.", held),
    pending && choice(el("span.soft", "Change it in the master"), "", NEW_CHANGE[word] ?? "A new change is tried by the next run, without a click here.", ["Use your own application, the API, or ", el("code", "news db shell"), "."]),
    pending && pending.events > 0 && choice(by("danger-line", "discard", "Give up the changes…", "discard", [key]), "", `${count(pending.events, "event")} will be marked as synced. The target keeps what it has now.`,
      "Compare shows the difference from then on, and the next full sync sends the object again."),
    word === "on_hold"
      ? choice(by("go", "release", "Release", "release", [key]), "", pending ? "The next run sends its changes." : "Later changes are sent again.")
      : choice(by("again", "hold", "Put on hold…", "hold", [key]), "", "No run sends anything for it until it is released."),
  ].filter(Boolean);
  return sheet("can", "What you can do", "and what happens then", null, list);
}

function differs() {
  const box = (beside, right, ...content) => sheet("differs", "Difference to the target", beside, right, content);
  const again = button("more", "ask", "Ask again");
  if (target === null || target.asking) return box("asking…", null, el("p.body.soft", "One GET is sent to the target."));
  if (target.error) return box("", again, el("p.body", target.error.message));
  const asked = ["asked at ", when(target.asked_at)];
  const { difference: found } = target;
  if (target.altered?.length) return box(asked, again, el("p.body", "Both sides are equal, but for texts that the target has altered."), fields({ fields: target.altered }));
  if (!found) {
    return box(asked, again, el("p.body", target.faults?.length ? target.faults.map(({ field, why }) => `${field}: ${why}. `)
      : target.there ? "None: both sides are equal." : object.row ? "The target does not have it." : "Neither side has it."));
  }
  const names = (found.fields ?? []).map(({ field }) => field);
  const rest = (object.row ?? []).filter(({ field }) => field !== "id" && !names.includes(field));
  const words = { missing: "The target does not have it.", extra: "Only the target has it.", unreadable: "The target's object cannot be read." }[found.kind];
  return box(asked, el("span.more.legend", legend()), words && el("p.body", words), fields(found),
    found.kind === "different" && rest.length > 0 && (showsAll
      ? el("div.fields", rest.map(({ field: name, value }) => el("div.field", el("code", name), el("div.words", marked(value)))))
      : el("p.same", `Unchanged: ${rest.map(({ field }) => field).join(", ")}. `, button("link", "showAll", "Show"))));
}

function answer() {
  const last = object.last_answer;
  if (!last) return null;
  const body = last.body ?? "";
  return sheet("answer", "The target's last response", "", body && button("more", "copy", "Copy", body),
    el("div.body.stack", el("dl.pairs", el("dt", "Request"), el("dd", el("code", `${last.method ?? ""} /${key}`)),
      el("dt", "Response"), el("dd", code(last.status ?? object.sent.find(({ run }) => run === last.run)?.status) ?? "none", last.ms !== null && ` after ${span(last.ms / 1000)}`, ", run ", runLink(last.run)), last.at && [el("dt", "At"), el("dd", when(last.at))]),
    body && el("pre", { tabindex: 0, "aria-label": "Body of the response" }, marked(body)), body.length >= 2000 && el("p.soft.small", "The first 2,000 characters are kept.")));
}

const CAME_TO = { created: "ok", updated: "ok", deleted: "ok", found: "ok", renewed: "ok" };
const SIGN = { retried: "↻", discarded: "×", on_hold: "‖", released: "▸" };
const DID = { retried: "let it be tried again", discarded: "gave up its changes", on_hold: "put it on hold", released: "released it" };

function history() {
  const entries = [
    ...object.sent.map((row) => ({ at: row.at, sent: row })),
    ...object.acts.map((act) => ({ at: act.at, act })),
  ].sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
  const list = object.events;
  const lines = [];
  let before = "";
  if (list.length > 0) {
    lines.push(el("li.day", "Pending"), el("li", when(list.at(-1).at, hour), el("span.mark-at", { "aria-hidden": "true" }, "·"), el("div", `${count(object.events_total, "event")} to send`,
      beads([...list].sort((a, b) => a.id - b.id).map(({ id, type }) => [id, type]), object.events_total - list.length), actors(list))));
  }
  for (const { at, sent, act } of entries) {
    if (day(at) !== before) lines.push(el("li.day", before = day(at)));
    lines.push(sent
      ? el("li", when(at, hour), el(`span.mark-at.${CAME_TO[sent.came_to] ?? "bad"}`, { "aria-hidden": "true" }, CAME_TO[sent.came_to] ? "✓" : "!"),
        el("div", "Run ", runLink(sent.run), " ", sent.method && ["sent ", el("b", sent.method), " "], code(sent.status), ` ${sent.came_to.replace("_", " ")}`, el("span.soft", sent.ms !== null && ` in ${span(sent.ms / 1000)}`, sent.events > 0 && `, ${count(sent.events, "event")}`)))
      : el("li", when(at, hour), el("span.mark-at.act", { "aria-hidden": "true" }, SIGN[act.what] ?? "·"),
        el("div", `${act.who} ${DID[act.what] ?? act.what}`, act.why && [": ", el("q", act.why)])));
  }
  return sheet("history", "History", "newest first; the log keeps no texts", null, lines.length === 0 ? el("p.body.soft", "Nothing is recorded.") : el("ol.line", lines));
}

function actors(list) {
  const names = [...new Set(list.map(({ actor }) => actor).filter(Boolean))];
  return names.length > 0 && el("p.soft.small", `by ${names.slice(0, 3).join(", ")}`);
}

// What one can do: let objects be tried again, give up their changes, hold and release them. Each act names what was on
// the screen, says before what it does, and after it what the service answered.

import { act, ask } from "./api.js";
import { button, el, keyLink, keyOf } from "./dom.js";
import { count, number } from "./format.js";
import { look, mayAct } from "./live.js";

/** Keys that a dialog names. */
const NAMED = 10;
/** More objects than this are given up only after their number was typed. */
const TYPED_ABOVE = 10;
/** Objects that are given up at a time. */
const DISCARD_MAX = 100;
const WHY_CHARS_MAX = 200;

/** Tells the reader something that has happened. */
let tell = () => {};
export const onTell = (handler) => { tell = handler; };

const targets = (rows) => rows.map(({ key, event_id }) => ({ key, event_id }));

const named = (keys, total = keys.length) => {
  const shown = keys.slice(0, NAMED);
  return [shown.map((key, at) => [at > 0 && ", ", keyLink(key)]), total > shown.length && `, and ${number(total - shown.length)} more`];
};

const DONE = { retried: "The next run tries again:", discarded: "Changes dropped:", on_hold: "On hold:", released: "Released:" };
/** What somebody did, in the words of the history. */
export const DID = { retried: "retried", discarded: "gave up the changes of", on_hold: "put on hold", released: "released" };

/** Sends an act. Says what came of it once the state was read anew. Returns whether it was done. */
async function send(path, body) {
  try {
    const report = await act(path, body);
    await look();
    const along = report.along?.length ? ` Dropped along with them: ${report.along.slice(0, NAMED).join(", ")}.` : "";
    const keys = report.keys.slice(0, NAMED).join(", ");
    const more = report.count > NAMED ? ` and ${number(report.count - NAMED)} more` : "";
    const notHere = report.not_here?.length ? " The master has no such object: the hold is for one that only the target has." : "";
    tell(`${DONE[report.what] ?? report.what} ${keys}${more}.${along}${notHere}`);
    return null;
  } catch (error) {
    await look();
    return error;
  }
}

/** The command that does the same, for who may only read here. */
export function command(words, keys) {
  const text = `news ${words} ${keys.length > 0 && keys.length <= NAMED ? keys.join(" ") : "KEY…"}`;
  return el("span.acts", el("code", text), button("x", "copy", "Copy", text, { "aria-label": `Copy ${text}` }));
}

/** Lets one object be tried again: nothing is sent by the click. */
export async function retryOne(row) {
  const error = await send("/news/sync/retry/", { keys: targets([row]), why: "" });
  if (error) tell(trouble(error), true);
}

const trouble = ({ message }) => (message.includes("Nothing was done") ? message : `Nothing was done. ${message}`);

/**
 * Opens a dialog. `content` is what it says, `go` the button that acts, `run` is called by that button with the reason and
 * returns an error or null.
 */
function open({ title, content, keep, go, isFinal, typed, run, onError }) {
  const why = el("input", { maxlength: WHY_CHARS_MAX, autocomplete: "off" });
  const number = typed ? el("input", { inputmode: "numeric", autocomplete: "off", size: 6 }) : null;
  const said = el("p.trouble", { role: "alert" });
  const harmless = el("button", { type: "button" }, keep);
  const acting = el(isFinal ? "button.danger" : "button.go", { type: "button", disabled: Boolean(typed) }, go);
  const heading = el("h2", { id: "asked" }, title);
  const dialog = el(isFinal ? "dialog.final" : "dialog.try", { "aria-labelledby": "asked" },
    el("div.in", heading, content,
      el("label", "Reason (optional, kept in the history with your name)", why),
      number && el("label", `Type ${typed} to confirm`, number), said),
    el("div.acts", isFinal ? [harmless, acting] : [acting, harmless]));
  number?.addEventListener("input", () => { acting.disabled = number.value.trim() !== String(typed); });
  harmless.addEventListener("click", () => dialog.close());
  acting.addEventListener("click", async () => {
    if (!mayAct()) {
      said.textContent = "The service does not answer: nothing can be done now.";
      return;
    }
    acting.disabled = true;
    const error = await run(why.value.trim());
    if (error === null || onError?.(error)) {
      dialog.close();
      return;
    }
    said.textContent = trouble(error);
    acting.disabled = Boolean(typed);
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  harmless.focus();
}

/** Asks before a whole group is tried again. */
export const retryGroup = (group) => group && retryMany(group.first.map((key) => ({ key })), group.id, group.count);

/** Asks again, with the group as it is now. */
async function retryGroupAgain(id, before) {
  const { groups } = await ask("/news/sync/left/groups/");
  const group = groups.find((one) => one.id === id);
  tell(group ? `The group has ${count(group.count, "object")} now, not ${number(before)}.` : "No object of the group is parked any more.", true);
  retryGroup(group);
}

/** Asks before the changes of a whole group are given up. */
export async function discardGroup(group) {
  if (!group) return;
  try {
    const { objects } = await ask(`/news/sync/left/?group=${group.id}&limit=${DISCARD_MAX}`);
    discard(objects.map((row) => ({ ...row, key: keyOf(row) })));
  } catch (error) {
    tell(trouble(error), true);
  }
}

/** Asks before several objects are tried again. `group`: all of a group, of `total` objects. */
export function retryMany(rows, group, total = rows.length) {
  const keys = rows.map(({ key }) => key);
  open({
    title: `Try ${count(total, "object")} again?`,
    content: [
      el("p", named(keys, total)),
      el("ul", el("li", "This click sends nothing. The next run sends one request for each object."),
        el("li", "An object that is refused again is parked again.")),
    ],
    keep: "Leave them parked",
    go: total === 1 ? "Try again" : `Try ${number(total)} again`,
    run: (why) => send("/news/sync/retry/", group ? { group, count: total, why } : { keys: targets(rows), why }),
    onError: (error) => {
      if (error.code !== "count") return false;
      retryGroupAgain(group, total).catch((error) => tell(trouble(error), true));
      return true;
    },
  });
}

/** Asks before changes are given up. The service says first what would be dropped. */
export async function discard(rows) {
  if (rows.length > DISCARD_MAX) {
    tell(`At most ${DISCARD_MAX} objects can be given up at a time.`, true);
    return;
  }
  const keys = rows.map(({ key }) => key);
  let preview;
  try {
    preview = await act("/news/sync/discard/?preview=true", { keys: targets(rows) });
  } catch (error) {
    tell(trouble(error), true);
    return;
  }
  const along = preview.along ?? [];
  const what = keys.length === 1 ? keys[0] : count(keys.length, "object");
  open({
    title: `Give up the changes of ${what}?`,
    content: [
      keys.length > 1 ? el("p", named(keys)) : null,
      el("ul",
        el("li", `${count(preview.events ?? 0, "event")} will be marked as synced. Nothing is sent.`),
        el("li", "The target keeps what it has now. Compare will show the difference."),
        along.length > 0 && el("li", `${count(along.length, "comment")} will be given up along with the post: `, named(along), "."),
        el("li", "This cannot be undone. Only a new change or a full sync sends the object again.")),
    ],
    keep: keys.length === 1 ? "Keep it" : "Keep them",
    go: `Give up ${what}`,
    isFinal: true,
    typed: keys.length > TYPED_ABOVE ? keys.length : null,
    run: (why) => send("/news/sync/discard/", { keys: targets(rows), events: preview.events, along, why }),
  });
}

/** Asks before an object is put on hold. `isHere`: the master has it. */
export function hold(row, isHere) {
  open({
    title: `Put ${row.key} on hold?`,
    content: el("ul", el("li", "No run sends anything for it until it is released."), el("li", "Objects that depend on it are held as well."),
      !isHere && el("li", "The master does not have it. If the target has it, a full sync does not delete it there.")),
    keep: "Leave it as it is",
    go: "Put on hold",
    run: (why) => send("/news/sync/hold/", { keys: targets([row]), why }),
  });
}

/** Ends a hold. */
export async function release(row) {
  const error = await send("/news/sync/release/", { keys: targets([row]), why: "" });
  if (error) tell(trouble(error), true);
}

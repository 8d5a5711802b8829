// Numbers, times and HTTP in words. Times are local, with UTC as a tooltip.

import { el } from "./dom.js";

const local = (options) => new Intl.DateTimeFormat("en-GB", options);
const CLOCK = local({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const MINUTE = local({ hour: "2-digit", minute: "2-digit" });
const ZONE = local({ hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
const DAY = local({ day: "numeric", month: "long" });
const DAY_AND_YEAR = local({ day: "numeric", month: "long", year: "numeric" });

/** Milliseconds that the service's clock is ahead of ours. */
let ahead = 0;
/** Takes over the service's clock: ages are counted by it. */
export const setClock = (iso) => { ahead = Date.parse(iso) - Date.now(); };
/** Returns the service's time. */
export const now = () => new Date(Date.now() + ahead);

/** 1,234 */
export const number = (n) => Math.round(n).toLocaleString("en-US");
/** "1 post", "2 posts" */
export const count = (n, one) => (n === 1 ? `1 ${one}` : `${number(n)} ${one}s`);
/** A byte count. */
export const bytes = (n) => (n < 1e6 ? `${Math.ceil(n / 1e3)} KB` : `${(n / 1e6).toFixed(1)} MB`);

/** A time in the two units that say most: "2 min 10 s", as the commands write it. */
export function span(seconds) {
  const whole = Math.round(Math.max(seconds, 0));
  if (whole < 1) return `${Math.round(Math.max(seconds, 0) * 1000)} ms`;
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const at = units.findIndex(([, size]) => whole >= size);
  const [[unit, size], next] = [units[at], units[at + 1]];
  const rest = next ? Math.floor((whole % size) / next[1]) : 0;
  return `${Math.floor(whole / size)} ${unit}${rest > 0 ? ` ${rest} ${next[0]}` : ""}`;
}

const sameDay = (a, b) => a.toDateString() === b.toDateString();

/** "Today", "27 November" */
export function day(iso) {
  const [at, today] = [new Date(iso), now()];
  if (sameDay(at, today)) return "Today";
  return (at.getFullYear() === today.getFullYear() ? DAY : DAY_AND_YEAR).format(at);
}

/** "03:10:04", and the day where it is not today. */
export function clock(iso, style = CLOCK) {
  const at = new Date(iso);
  return sameDay(at, now()) ? style.format(at) : `${day(iso)}, ${MINUTE.format(at)}`;
}
/** "03:10" */
export const minute = (iso) => clock(iso, MINUTE);
/** "03:10" without a day. */
export const hour = (iso) => MINUTE.format(new Date(iso));
/** The zone of all times here: "CET". */
export const zone = () => ZONE.formatToParts(now()).find((part) => part.type === "timeZoneName")?.value ?? "";

/** A time as an element. */
export const when = (iso, style = clock) =>
  iso ? el("time", { datetime: iso, title: `${iso.replace("T", " ").replace(/(\.\d+)?Z$/, "")} UTC` }, style(iso)) : "unknown";

/** How long ago: "12 s ago". */
export const ago = (iso) => `${span(Math.max(1, since(iso)))} ago`;
/** Seconds since a time. */
export const since = (iso) => (now().getTime() - Date.parse(iso)) / 1000;

/** An HTTP status. */
export const code = (status) => (status ? el(status < 300 ? "span.code.ok" : "span.code", String(status)) : null);
/** A state, in a word. */
export const state = (word) => el(`span.st.${/^[a-z_]+$/.test(word) ? word : "unknown"}`, word.replaceAll("_", " "));

/** The method of an action of the core. */
export const METHOD = { create: "POST", update: "PUT", delete: "DELETE", ask: "GET", renew: "DELETE", nothing: "nothing", mark: "nothing" };

const BEADS = { CREATED: ["c", "+"], UPDATED: ["u", "~"], DELETED: ["d", "×"] };
const BEADS_MAX = 12;

/** Events as beads: [[id, type], …]. Many fold in the middle. */
export function beads(events, more = 0) {
  const bead = ([id, type]) => {
    const [kind, sign] = BEADS[type] ?? ["u", "?"];
    return el(`span.bead.${kind}`, { title: `event ${id}: ${type.toLowerCase()}` }, sign);
  };
  const label = events.slice(0, BEADS_MAX).map(([, type]) => String(type).toLowerCase()).join(", ");
  const hidden = events.length + more - BEADS_MAX;
  const parts = hidden > 1
    ? [...events.slice(0, BEADS_MAX / 2).map(bead), el("span", `${number(hidden)} more`), ...events.slice(-BEADS_MAX / 2).map(bead)]
    : events.map(bead);
  return el("span.beads", { role: "img", "aria-label": hidden > 1 ? `${label} and ${hidden} more` : label }, parts);
}

/**
 * What the target said, in its own words: the first text under error, detail, message or errors of a JSON answer, else the text.
 * The service groups by the same words.
 */
export function words(body) {
  try {
    const answer = JSON.parse(body);
    for (const name of ["error", "detail", "message", "errors"]) {
      const text = firstText(answer?.[name]);
      if (text) return text;
    }
  } catch {
    // Not JSON.
  }
  return body;
}

/** What the target said, from a reason of the ledger: "status 422: {…}", or of a run, with the object before it. */
export function said(reason) {
  const [, key = "", answer] = /^((?:posts|comments)\/\d+: )?status \d+: (.*)$/s.exec(reason) ?? [];
  return answer === undefined ? reason : key + words(answer);
}

/** A text of ours with its commands between backticks. */
export const ticks = (text) => text.split("`").map((part, at) => (at % 2 ? el("code", part) : part));

function firstText(value) {
  if (typeof value === "string") return value;
  if (value === null || typeof value !== "object") return null;
  for (const part of Object.values(value)) {
    const text = firstText(part);
    if (text) return text;
  }
  return null;
}

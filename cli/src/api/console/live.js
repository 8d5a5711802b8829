// What the page knows, and how it stays fresh: one small request every few seconds while the page is in sight.

import { ApiError, ask, hasSession, token } from "./api.js";
import { now, setClock } from "./format.js";
import { Work } from "./work.js";

const EVERY_MS = 5_000;
const WHILE_RUNNING_MS = 2_000;
/** Seconds until the next try after so many failures. */
const TRIES_S = [5, 10, 20, 60];
const TARGET_EVERY_MS = 60_000;
const PAUSED = "news.paused";

/** An overview that is the same so long after the events were read is of the same moment: the service keeps one for a while. */
const SETTLED_MS = 4_000;

/** Events that are merged here. Above, the service's own count is shown. */
const EVENTS_MAX = 100_000;
const EVENTS_PAGE = 10_000;
/** With more events than this they are read anew once a minute at most. */
const EVENTS_OFTEN = 2_000;

/** @type {any} What the service said last. */
export const state = {
  session: null,
  overview: null,
  /** When the last answer came. */
  seen: null,
  /** Why none comes, and when the next try is: { error, next }. */
  problem: null,
  /** What the target said to the service: see target/. */
  target: null,
  /** Pending events, merged: { asOf, events, objects, of } or { error }. */
  pending: null,
};

let handler = () => {};
let timer = 0;
let isBusy = false;
let failures = 0;
let targetAt = 0;

export const isPaused = () => localStorage.getItem(PAUSED) !== null;
export const isStale = () => state.problem !== null;
/** Says whether the page may offer acts now. */
export const mayAct = () => state.session?.may_act === true && !isStale();

/** Starts: `draw` is called after each answer. */
export function start(draw) {
  handler = draw;
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : look()));
}

/** Draws anew: something was read. */
export const changed = () => handler();

/** What a view has read: the last answer, or why there is none. */
export class Reading {
  answer = null;
  problem = null;
  #of = null;
  #now = null;

  /** Says whether something has happened since it was read, and it can be read. */
  isOld() {
    return this.#now === null && state.overview !== null && this.#of !== state.overview.etag && !isStale();
  }

  /** Reads: `read` is given the last answer, and returns the new one. One that was forgotten meanwhile is dropped. */
  async read(read) {
    this.#of = state.overview?.etag ?? null;
    const now = (this.#now = {});
    const [answer, problem] = await read(this.answer).then((answer) => [answer, null], (error) => [this.answer, error]);
    if (this.#now !== now) return;
    this.#now = null;
    Object.assign(this, { answer, problem });
    changed();
  }

  /** Reads anew with the next drawing. `all`: what was read is not shown meanwhile, either. */
  forget(all = true) {
    this.#of = this.#now = null;
    if (all) this.answer = this.problem = null;
  }
}

/** Reads the session. Fails with 401, or where the service does not answer. */
export async function readSession() {
  const session = await ask("/news/sync/session/");
  const isOther = state.session !== null && state.session.build !== session.build;
  state.session = { ...session, outdated: isOther || state.session?.outdated };
}


export function pause(on) {
  if (on) localStorage.setItem(PAUSED, "1");
  else localStorage.removeItem(PAUSED);
  if (on) clearTimeout(timer);
  else look();
}

/** Asks now. Never twice at a time: a second caller waits for the first answer, and for one more. */
let asking = Promise.resolve();
export function look() {
  clearTimeout(timer);
  asking = asking.catch(() => {}).then(once);
  return asking;
}

async function once() {
  if (isBusy || !hasSession() || state.session?.staff === false) return;
  isBusy = true;
  clearTimeout(timer);
  try {
    if (state.session === null || failures > 0) await readSession();
    const overview = await ask("/news/sync/overview/", { etag: state.overview?.etag });
    if (!overview.unchanged) {
      state.overview = overview;
      setClock(overview.now);
    } else if (state.pending?.of === state.overview.etag && Date.now() - readAt > SETTLED_MS) state.pending.settled = true;
    Object.assign(state, { seen: now(), problem: null });
    failures = 0;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401) return;
    failures += 1;
    state.problem = { error, next: null };
  } finally {
    isBusy = false;
    schedule();
  }
  handler();
  if (state.problem === null) askTarget();
}

function schedule() {
  clearTimeout(timer);
  if (document.hidden || isPaused() || !hasSession()) return;
  const tries = TRIES_S[Math.min(failures, TRIES_S.length) - 1] ?? 0;
  // A service that comes back is not asked by all consoles at once.
  const wait = failures > 0 ? tries * 1000 * (0.8 + 0.4 * Math.random()) : isRunning() ? WHILE_RUNNING_MS : EVERY_MS;
  if (state.problem) state.problem.next = Date.now() + wait;
  timer = setTimeout(look, wait);
}

const isRunning = () => Boolean(state.overview?.status.lock);

async function askTarget() {
  if (!state.session?.target_readable || Date.now() - targetAt < TARGET_EVERY_MS) return;
  targetAt = Date.now();
  state.target = await ask("/news/sync/target/").catch((error) => ({ ok: false, why: error.message, asked_at: now().toISOString() }));
  handler();
}

let merger = null;
let reading = null;
let readAt = 0;

/** Reads and merges the pending events where they may have changed. */
export function readPending() {
  const { overview, pending } = state;
  if (overview === null || isStale() || reading !== null) return;
  const isFresh = pending !== null && pending.of === overview.etag;
  const isLarge = (pending?.events ?? 0) > EVENTS_OFTEN;
  if (!isFresh && !(isLarge && Date.now() - readAt < 60_000)) readPendingNow();
}

/** Reads and merges them after this call. Draws when that is done. */
export async function readPendingNow() {
  if (reading !== null) await reading;
  const of = state.overview?.etag;
  reading = mergePending(of)
    .catch((error) => ({ error, of }))
    .then((pending) => {
      Object.assign(state, { pending });
      readAt = Date.now();
      reading = null;
      handler();
    });
  await reading;
}

async function mergePending(of) {
  const whole = { events: [], doubtful: [], recorded: {}, standing: {}, without: {} };
  let after = "";
  let asOf = 0;
  do {
    const page = await ask(`/news/sync/events/?limit=${EVENTS_PAGE}${after}`);
    asOf = page.as_of;
    whole.events.push(...page.events);
    whole.doubtful.push(...(page.doubtful ?? []));
    Object.assign(whole.recorded, page.recorded);
    Object.assign(whole.standing, page.standing);
    Object.assign(whole.without, page.without_events ?? {});
    after = page.next ? `&after=${encodeURIComponent(page.next)}&as_of=${asOf}` : "";
  } while (after && whole.events.length < EVENTS_MAX);
  if (after) throw new ApiError(0, "many", "There are too many events to merge here.");
  merger ??= new Work();
  const merged = await merger.call("merge", whole).catch((error) => {
    merger.end();
    merger = null;
    throw error;
  });
  const own = Map.groupBy(whole.events, ([, key]) => key);
  const objects = Object.entries(merged).map(([key, change]) => ({
    key, ...change, own: own.get(key).map(([id, , type]) => [id, type]), standing: whole.standing[key] ?? null,
  }));
  for (const [key, action] of Object.entries(whole.without)) {
    if (!(key in merged)) objects.push({ key, action, own: [], events: 0, standing: whole.standing[key] ?? null });
  }
  const order = (key) => [key.startsWith("posts/") ? 0 : 1, Number(key.split("/")[1])];
  objects.sort((a, b) => order(a.key)[0] - order(b.key)[0] || order(a.key)[1] - order(b.key)[1]);
  return { asOf, of, events: whole.events.length, objects };
}

/** States in which the next run leaves an object as it is. */
const LEFT = new Set(["parked", "held", "on_hold", "in_flight", "sent"]);
export const isLeft = (object) => LEFT.has(object.standing);

/** Returns an access token for a worker. */
export const workerToken = token;

// The page: which view is shown, the bar, keys, signing in.

import * as acts from "./acts.js";
import { ending, hasSession, onEnd, signIn, signOut, useToken } from "./api.js";
import { button, copy, el, isKey, morphChildren } from "./dom.js";
import { clock, number, span, zone } from "./format.js";
import * as live from "./live.js";
import * as actsView from "./views/acts.js";
import * as changes from "./views/changes.js";
import * as compare from "./views/compare.js";
import * as object from "./views/object.js";
import * as overview from "./views/overview.js";
import * as runs from "./views/runs.js";
import * as waiting from "./views/waiting.js";

const { state } = live;
const THEME = "news.theme";
const NOTICE_MS = 12_000;
const byId = (id) => document.getElementById(id);

/** Views by the first part of the address. */
const VIEWS = { "": overview, changes, waiting, runs, acts: actsView, compare, posts: object, comments: object };
/** The view in the bar that a page belongs to. */
const PARENT = { posts: "waiting", comments: "waiting", runs: "runs", acts: "runs" };

let view = overview;
let verdictBefore = null;
let told = { text: "", until: 0 };

/** Reads the address: view, parts behind it, query. */
function address() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { parts: path.split("/"), query: new URLSearchParams(query) };
}

function go() {
  const at = address();
  const next = VIEWS[at.parts[0]] ?? overview;
  view.leave?.();
  view = next;
  view.enter?.(at);
  drawn = null;
  byId("main").replaceChildren();
  draw();
  document.title = `${view.title}${at.parts[1] ? ` ${at.parts.join("/")}` : ""} · news console`;
  const main = PARENT[at.parts[0]] ?? at.parts[0];
  for (const link of document.querySelectorAll(".bar nav a, .tabs a")) {
    if (link.getAttribute("href") === `#/${main}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  scrollTo(0, 0);
  document.querySelector("main h1")?.focus({ preventScroll: true });
}

let drawn = null;
let isDrawing = false;
/** Draws soon: several changes are one drawing. */
function redraw() {
  if (isDrawing) return;
  isDrawing = true;
  queueMicrotask(() => {
    isDrawing = false;
    draw();
  });
}

function draw() {
  drawBar();
  const { session } = state;
  if (session === null && !state.problem) return;
  // A long list is drawn only where something in it has changed.
  const version = view.version?.() ?? null;
  if (version !== null && version === drawn) return;
  drawn = version;
  morphChildren(byId("main"), session?.staff === false ? outsider(session) : view.render());
  if (state.overview && performance.getEntriesByName("overview").length === 0) performance.mark("overview");
}

const outsider = ({ username }) => [
  el("h1", { tabindex: -1 }, `${username} is not staff`),
  el("p.lede", "The console is for users who are staff. Whoever runs the service can allow you in:"), el("pre", `news user staff ${username} on`),
  el("p.acts", button("go", "signOut", "Sign in as another user")),
];

function drawBar() {
  const { session, overview, problem, seen } = state;
  byId("target").textContent = session?.target ? session.target.replace(/^https?:\/\//, "") : "";
  Object.assign(byId("user"), { hidden: session === null, textContent: session?.username ?? "" });
  const liveButton = byId("live");
  liveButton.hidden = seen === null;
  const isPaused = live.isPaused();
  liveButton.setAttribute("aria-pressed", String(isPaused));
  liveButton.setAttribute("aria-label", `${isPaused ? "paused, " : ""}as of ${seen ? clock(seen.toISOString()) : "never"} ${zone()}: pause`);
  liveButton.title = isPaused ? "Updates are paused. Click to resume." : "The page asks the service every 5 s while it is in sight. Click to pause.";
  const stamp = seen === null ? "" : `${isPaused ? "paused at" : "as of"} ${clock(seen.toISOString())} ${zone()}`;
  if (liveButton.dataset.stamp !== stamp) {
    liveButton.dataset.stamp = stamp;
    liveButton.replaceChildren(el("span.dot"), stamp);
  }
  document.body.className = problem ? "is-stale" : isPaused ? "is-paused" : "is-live";
  for (const badge of document.querySelectorAll("[data-count]")) {
    const n = overview?.status[badge.dataset.count] ?? 0;
    Object.assign(badge, { hidden: n === 0, textContent: number(n) });
  }
  drawNotice();
  // Ages go on by themselves: they are not news.
  const text = problem ? problem.error.message : overview?.verdict.text;
  const verdict = ["late", "failing"].includes(overview?.verdict.word) && !problem ? overview.verdict.word : text;
  if (verdict && verdict !== verdictBefore) byId("told").textContent = text;
  verdictBefore = verdict ?? verdictBefore;
}

function drawNotice() {
  const { problem, session, seen } = state;
  const { at, renews } = ending();
  const texts = [];
  if (problem) {
    const wait = problem.next ? `, next try in ${span(Math.max(1, (problem.next - Date.now()) / 1000))}` : "";
    texts.push(`${problem.error.message} ${seen ? `No answer since ${clock(seen.toISOString())}${wait}.` : wait.slice(2)}`);
    if (problem.error.code === "schema") texts.push("Run `news db migrate`.");
  }
  if (session?.outdated) texts.push("The service is another release now. Reload the page.");
  if (at && !renews && at - Date.now() < 5 * 60_000 && session) texts.push(`Your token ends in ${span((at - Date.now()) / 1000)}.`);
  if (told.until > Date.now()) texts.push(told.text);
  const notice = byId("notice");
  notice.hidden = texts.length === 0;
  if (notice.textContent !== texts.join(" ")) notice.textContent = texts.join(" ");
}

/** Says something for a while. */
function say(text, stays) {
  told = { text, until: Date.now() + NOTICE_MS * (stays ? 5 : 1) };
  byId("told").textContent = text;
  drawNotice();
  redraw();
}
acts.onTell(say);
setInterval(() => { if (!document.hidden && state.session) drawNotice(); }, 1000);

// ---- Signing in

let asking = null;
/** Opens the sign-in over the page. What was on it stays. */
function askWho(why = "") {
  if (asking !== null) return;
  const name = el("input", { autocomplete: "username", required: true, name: "username" });
  const password = el("input", { type: "password", autocomplete: "current-password", name: "password" });
  const token = el("input", { autocomplete: "off", spellcheck: "false", name: "token" });
  const said = el("p.trouble", { role: "alert" }, why);
  const submit = el("button.go", { type: "submit" }, "Sign in");
  const form = el("form", { method: "dialog" },
    el("div.in", el("h1", { id: "who" }, "news console"), el("label", "User", name), el("label", "Password", password),
      el("details", el("summary.small.soft", "Use an access token instead"), el("label", ["Token, as ", el("code", "news token USER"), " prints it"], token)), said),
    el("div.acts", submit));
  const dialog = el("dialog", { "aria-labelledby": "who" }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    try {
      if (token.value.trim() !== "") useToken(token.value);
      else await signIn(name.value, password.value);
      await live.readSession();
      asking = null;
      dialog.remove();
      redraw();
      live.look();
    } catch (error) {
      said.textContent = error.message;
      submit.disabled = false;
    }
  });
  token.addEventListener("input", () => { name.required = token.value === ""; });
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  asking = dialog;
  document.body.append(dialog);
  dialog.showModal();
}
onEnd(() => askWho("Your session has ended. Sign in again."));

// ---- Keys and settings

const KEYS = [["g then o, c, w, r, d", "Overview, Changes, Waiting, Runs, Compare"], ["j, k", "next, previous"], ["o or Enter", "open"],
  ["e", "fold or unfold all"], ["/", "find an object by its key"], ["Esc", "close, or go back"], ["?", "this list"]];

function settings() {
  const theme = localStorage.getItem(THEME) ?? "system";
  const choice = (value) => {
    const input = el("input", { type: "radio", name: "theme", value, ...(value === theme ? { checked: true } : {}) });
    input.addEventListener("change", () => {
      if (value === "system") localStorage.removeItem(THEME);
      else localStorage.setItem(THEME, value);
      applyTheme();
    });
    return el("label.row", input, value);
  };
  const close = el("button", { type: "button" }, "Close");
  const dialog = el("dialog", { "aria-labelledby": "settings" },
    el("div.in", el("h2", { id: "settings" }, "Keys and settings"),
      el("dl.pairs", KEYS.map(([key, what]) => [el("dt", el("kbd", key)), el("dd", what)])),
      el("p.soft.small", "No key acts: only clicks do."),
      el("fieldset", el("legend.small", "Colours"), ["system", "light", "dark"].map(choice)),
      state.session && el("p.small", `Signed in as ${state.session.username}. The console ${state.session.may_act ? "may act" : "may only read"}. news ${state.session.version}, schema ${state.session.schema}.`)),
    el("div.acts", close, button("again", "pause", live.isPaused() ? "Resume updates" : "Pause updates"), button("again", "signOut", "Sign out")));
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  close.focus();
}

function applyTheme() {
  const theme = localStorage.getItem(THEME);
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

/** Opens the field that finds a key. */
function find() {
  const input = el("input", { id: "find", autocomplete: "off", spellcheck: "false", placeholder: "posts/5", "aria-label": "Key of an object" });
  const said = el("p.trouble", { role: "alert" });
  const form = el("form", { method: "dialog" }, el("div.in", el("h2", "Find an object"), input, said));
  const dialog = el("dialog", form);
  form.addEventListener("submit", (event) => {
    const key = input.value.trim();
    if (isKey(key)) location.hash = `#/${key}`;
    else {
      event.preventDefault();
      said.textContent = `expected posts/5 or comments/7, got "${key}"`;
    }
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

const own = {
  skip: () => byId("main").focus(),
  pause: () => { live.pause(!live.isPaused()); document.querySelector("dialog[open]")?.close(); redraw(); },
  settings,
  copy: (text) => copy(text).then(() => say("Copied."), () => say("The browser does not allow copying.")),
  signOut: () => { signOut(); location.reload(); },
};

addEventListener("click", (event) => {
  const element = event.target.closest?.("[data-do]");
  if (!element) return;
  if (element.tagName === "A") event.preventDefault();
  (own[element.dataset.do] ?? view.actions?.[element.dataset.do])?.(element.dataset.arg, element);
  redraw();
});
addEventListener("change", (event) => {
  const { tick, filter } = event.target.dataset ?? {};
  if (tick !== undefined) view.actions.tick(tick, event.target.checked);
  if (filter !== undefined) view.actions.filter(filter, event.target.type === "checkbox" ? event.target.checked : event.target.value);
  redraw();
});

// j and k go along what can be opened.
const ITEMS = "main .group .key, main .merge .key, main td:first-child > a, main td > .key, main details.d > summary";
let keyBefore = "";
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
  const isOpen = document.querySelector("dialog[open]") !== null;
  const { key } = event;
  const place = { o: "", c: "changes", w: "waiting", r: "runs", d: "compare" }[key];
  if (!isOpen && keyBefore === "g" && place !== undefined) location.hash = `#/${place}`;
  else if (!isOpen && (key === "j" || key === "k")) step(key === "j" ? 1 : -1);
  else if (!isOpen && key === "o") document.activeElement?.matches(ITEMS) && document.activeElement.click();
  else if (!isOpen && key === "e") fold();
  else if (!isOpen && key === "?") settings();
  else if (!isOpen && key === "/") { event.preventDefault(); find(); }
  else if (!isOpen && key === "Escape") goBack();
  keyBefore = key;
});

function goBack() {
  const [name, id] = address().parts;
  location.hash = PARENT[name] && (id || name === "acts") ? `#/${PARENT[name]}` : "#/";
}

function step(by) {
  const items = [...document.querySelectorAll(ITEMS)];
  const at = items.indexOf(document.activeElement);
  const next = items[at < 0 ? (by > 0 ? 0 : items.length - 1) : at + by];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

function fold() {
  const all = [...document.querySelectorAll("main details.d")];
  const open = !all.some((one) => one.open);
  all.forEach((one) => { one.open = open; });
}

// ---- Start

applyTheme();
live.start(redraw);
addEventListener("hashchange", go);
go();
if (hasSession()) live.look();
else askWho();

// Chromium over two pipes, in the DevTools protocol: no package is needed for it.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const DEADLINE_MS = 30_000;

/** Starts a browser of its own. */
export async function start(program = process.env.CHROMIUM ?? "chromium") {
  const profile = mkdtempSync(join(tmpdir(), "news-chromium-"));
  const flags = ["--headless", "--hide-scrollbars", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage", "--remote-debugging-pipe", `--user-data-dir=${profile}`, "about:blank"];
  const child = spawn(program, flags, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
  const browser = new Browser(child, profile);
  await browser.send("Browser.getVersion");
  return browser;
}

class Browser {
  #child;
  #profile;
  #waiting = new Map();
  #next = 0;
  #rest = "";
  /** Handlers of events, by session. */
  handlers = new Map();

  constructor(child, profile) {
    this.#child = child;
    this.#profile = profile;
    child.stdio[4].setEncoding("utf8").on("data", (text) => {
      const messages = (this.#rest + text).split("\0");
      this.#rest = messages.pop();
      messages.forEach((message) => this.#take(JSON.parse(message)));
    });
    child.on("exit", () => this.#waiting.forEach(({ reject }) => reject(new Error("the browser has ended"))));
    child.on("error", (error) => this.#waiting.forEach(({ reject }) => reject(error)));
  }

  #take({ id, result, error, method, params, sessionId }) {
    if (id === undefined) {
      this.handlers.get(sessionId)?.(method, params);
      return;
    }
    const { resolve, reject, what } = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) reject(new Error(`${what}: ${error.message}`));
    else resolve(result);
  }

  send(method, params = {}, sessionId) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${method}: no answer in ${DEADLINE_MS} ms`)), DEADLINE_MS);
      const done = (settle) => (value) => { clearTimeout(timer); settle(value); };
      this.#waiting.set(id, { resolve: done(resolve), reject: done(reject), what: method });
      this.#child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  /** Opens a page. `width`: in CSS pixels. Each page has cookies and storage of its own. */
  async page(width = 1280, height = 900, { dark = false, scale = 1 } = {}) {
    const { browserContextId } = await this.send("Target.createBrowserContext");
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank", browserContextId });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page(this, sessionId, targetId);
    await page.prepare(width, height, dark, scale);
    return page;
  }

  async end() {
    const gone = new Promise((resolve) => this.#child.once("exit", resolve));
    await this.send("Browser.close").catch(() => this.#child.kill());
    await gone;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

class Page {
  #browser;
  #session;
  #target;
  /** Everything that a page should not say: errors, warnings, violations of the policy. */
  troubles = [];
  /** Statuses of failed requests that the page is expected to meet. */
  expected = new Set();

  constructor(browser, session, target) {
    this.#browser = browser;
    this.#session = session;
    this.#target = target;
    browser.handlers.set(session, (method, params) => this.#take(method, params));
  }

  #take(method, params) {
    if (method === "Runtime.exceptionThrown") this.troubles.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === "Log.entryAdded" && ["error", "warning"].includes(params.entry.level)) {
      const status = /status of (\d+)/.exec(params.entry.text)?.[1];
      const isExpected = this.expected.has(status) || (this.expected.has("offline") && /net::ERR/.test(params.entry.text));
      if (!isExpected) this.troubles.push(`${params.entry.text} ${params.entry.url ?? ""}`);
    }
    if (method === "Runtime.consoleAPICalled" && ["error", "warning", "assert"].includes(params.type)) {
      this.troubles.push(params.args.map(({ value, description }) => value ?? description).join(" "));
    }
  }

  send(method, params) {
    return this.#browser.send(method, params, this.#session);
  }

  async prepare(width, height, dark, scale) {
    await Promise.all(["Page.enable", "Runtime.enable", "Log.enable"].map((method) => this.send(method)));
    await this.size(width, height, scale);
    await this.scheme(dark);
  }

  size(width, height = 900, scale = 1) {
    return this.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: scale, mobile: false });
  }

  scheme(dark) {
    return this.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }, { name: "prefers-reduced-motion", value: "reduce" }] });
  }

  open(url) {
    return this.send("Page.navigate", { url });
  }

  /** Runs a function in the page, and returns what it returns. */
  async run(code, ...args) {
    const expression = typeof code === "function" ? `(${code})(...${JSON.stringify(args)})` : code;
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Waits until a function says something true in the page, and returns that. The page looks after each frame. */
  async until(what, code, ...args) {
    const look = `(async () => {
      const look = ${code};
      for (const end = Date.now() + ${DEADLINE_MS - 5000}; Date.now() < end; ) {
        try { const seen = await look(...${JSON.stringify(args)}); if (seen) return seen; } catch {}
        await new Promise((next) => setTimeout(next, 20));
      }
      return null;
    })()`;
    const seen = await this.run(look).catch((error) => { throw new Error(`${what}: ${error.message}`); });
    if (!seen) throw new Error(`${what}: it did not come; the page says:\n${await this.run(() => document.body.innerText.slice(0, 3000))}\n${this.troubles.join("\n")}`);
    return seen;
  }

  /** Clicks the button or link with this text that can be seen, as a mouse does. */
  async click(text) {
    const at = await this.until(`something to click: ${text}`, (text) => {
      const top = document.querySelector("dialog[open]") ?? document;
      const all = [...top.querySelectorAll("button, a, summary, label")].filter((one) => one.offsetParent !== null || one.closest("dialog"));
      const one = all.find((one) => one.innerText?.trim() === text || one.getAttribute("aria-label") === text);
      if (!one || one.disabled) return null;
      one.scrollIntoView({ block: "center" });
      const box = one.getBoundingClientRect();
      return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    }, text);
    for (const type of ["mousePressed", "mouseReleased"]) await this.send("Input.dispatchMouseEvent", { type, ...at, button: "left", clickCount: 1 });
  }

  /** Types into the focused field. */
  type(text) {
    return this.send("Input.insertText", { text });
  }

  async key(key) {
    await this.send("Input.dispatchKeyEvent", { type: "keyDown", key, text: key.length === 1 ? key : undefined });
    await this.send("Input.dispatchKeyEvent", { type: "keyUp", key });
  }

  /** The page's text. */
  text() {
    return this.run(() => document.body.innerText);
  }

  /** Waits for a text on the page. */
  shows(text) {
    return this.until(`the text ${JSON.stringify(text)}`, (text) => document.body.innerText.includes(text), text);
  }

  async picture() {
    // As high as the page is, so that bars at the edges are at its ends.
    const { cssContentSize, cssLayoutViewport } = await this.send("Page.getLayoutMetrics");
    await this.size(cssLayoutViewport.clientWidth, cssContentSize.height);
    const { data } = await this.send("Page.captureScreenshot", { format: "png" });
    await this.size(cssLayoutViewport.clientWidth);
    return Buffer.from(data, "base64");
  }

  close() {
    return this.#browser.send("Target.closeTarget", { targetId: this.#target });
  }
}

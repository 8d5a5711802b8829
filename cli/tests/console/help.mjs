// What the tests of the console share.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

export const PASSWORD = "lovelace";

/** The text of a file of the repository. */
export const file = (path) => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");

/** The page scrolls in one direction only, at these widths. */
export async function fits(page, what, widths = [380, 760, 1000, 1280, 1600]) {
  for (const width of widths) {
    await page.size(width);
    const over = await page.run(() => document.documentElement.scrollWidth - innerWidth);
    assert.equal(over, 0, `${what} is ${over} px too wide at ${width}`);
  }
  await page.size(1280);
}

/** A service with a target, a database and the users of the tests, and a browser. */
export class Bench {
  constructor(browser, service, url) {
    Object.assign(this, { browser, service, url });
  }

  /** Opens the console, signed in. `view`: `#/compare`. */
  async open(user = "ada", { width = 1280, dark = false, view = "" } = {}) {
    const page = await this.browser.page(width, 900, { dark });
    this.page = page;
    await page.open(`${this.url}/news/console/${view}`);
    await this.signIn(page, user);
    return page;
  }

  async signIn(page, user, password = PASSWORD) {
    await page.until("the sign-in", () => document.querySelector("dialog[open] input[name=username]"));
    for (const [name, text] of [["username", user], ["password", password]]) {
      await page.run((name) => {
        const input = document.querySelector(`dialog[open] input[name=${name}]`);
        input.value = "";
        input.focus();
      }, name);
      await page.type(text);
    }
    await page.click("Sign in");
  }

  /** Starts another service on the same database. */
  async serve(mode, ...flags) {
    const { child, address } = await this.service.serve(mode, ...flags);
    this.url = address;
    return child;
  }

  /** Sends a request as somebody. Returns status and JSON. */
  async ask(path, { user, method = "GET", body, headers = {} } = {}) {
    const token = user && this.service.news(["token", user]).trim();
    const answer = await fetch(`${this.url}${path}`, {
      method, body: body && JSON.stringify(body),
      headers: { ...(token ? { Authorization: `Bearer ${token}` } : {}), "Content-Type": "application/json", ...headers },
    });
    return { status: answer.status, json: await answer.json().catch(() => null) };
  }
}

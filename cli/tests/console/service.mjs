// A master with a database of its own, a target that does as it is told, and the service with the console.

import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const NEWS = process.env.NEWS ?? new URL("../../../target/debug/news", import.meta.url).pathname;
const DEADLINE_MS = 60_000;

export class Service {
  #running = [];

  constructor() {
    this.home = mkdtempSync(join(tmpdir(), "news-console-"));
    // As root, PostgreSQL runs as another user.
    chmodSync(this.home, 0o711);
    this.environment = { PATH: process.env.PATH, NEWS_HOME: this.home, LANG: "C.UTF-8", TZ: "UTC" };
  }

  /** Runs a command. Returns its stdout; `code`: the exit code that it should have. */
  news(args, { code = 0, input = "" } = {}) {
    const { status, stdout, stderr } = spawnSync(NEWS, args, { env: this.environment, input, encoding: "utf8", timeout: DEADLINE_MS, maxBuffer: 1 << 28 });
    if (status !== code) throw new Error(`news ${args.join(" ")} ended with ${status}, not ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  /** Runs a command, and reads its report. */
  report(args, options) {
    return JSON.parse(this.news(["--json", ...args], options));
  }

  /** SQL in the master. */
  sql(text) {
    return this.news(["db", "shell", "-c", text]);
  }

  /** Starts a command that listens. Returns the process and its address. */
  async start(args, environment = {}) {
    const child = spawn(NEWS, args, { env: { ...this.environment, ...environment }, stdio: ["ignore", "ignore", "pipe"] });
    this.#running.push(child);
    const address = await new Promise((resolve, reject) => {
      let said = "";
      createInterface({ input: child.stderr }).on("line", (line) => {
        said += `${line}\n`;
        const found = /listening on (http:\/\/[0-9.:]+)/.exec(line);
        if (found) resolve(found[1]);
      });
      child.once("exit", () => reject(new Error(`news ${args.join(" ")} has ended: ${said}`)));
    });
    return { child, address };
  }

  /** Starts the target and remembers it. */
  async target(flags = []) {
    const { child, address } = await this.start(["-q", "fake-api", "--listen", "127.0.0.1:0", ...flags]);
    this.environment.NEWS_TARGET_URL = address;
    this.targetUrl = address;
    return child;
  }

  /** Replaces the faults of the target. */
  async faults(faults) {
    const answer = await fetch(`${this.targetUrl}/__faults`, { method: "PUT", body: JSON.stringify(faults) });
    if (!answer.ok) throw new Error(`faults: ${answer.status} ${await answer.text()}`);
  }

  /** Ends all trouble: the target has what the master has, and nothing waits. */
  async reset() {
    await this.faults({});
    const held = this.report(["status"]).holds.map(({ entity, id }) => `${entity}/${id}`);
    if (held.length > 0) this.news(["release", ...held]);
    this.news(["-q", "retry", "--all"]);
    this.news(["-q", "sync", "--full", "--force"]);
  }

  /** Starts the service. */
  serve(mode, ...flags) {
    return this.start(["serve", "--listen", "127.0.0.1:0", "--console", mode, ...flags]);
  }

  async end() {
    for (const child of this.#running.reverse()) await stop(child);
    spawnSync(NEWS, ["-qq", "db", "stop"], { env: this.environment });
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** Ends a process, and waits until it has ended. */
export async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await gone;
}

// Starts workers: the core runs beside the page, so that the page stays responsive.

const WORKER = "/news/console/worker.js";

// The page's policy lets nobody load a script but by this one.
const policy = globalThis.trustedTypes?.createPolicy("news", {
  createScriptURL(url) {
    if (url !== WORKER) throw new TypeError(`${url} is not the console's worker`);
    return url;
  },
}) ?? { createScriptURL: (url) => url };

/** A worker with the core in it. */
export class Work {
  #worker = new Worker(policy.createScriptURL(WORKER), { type: "module" });
  #calls = new Map();
  #next = 0;

  constructor() {
    this.#worker.onmessage = ({ data: { call, progress, value, error } }) => {
      const waiting = this.#calls.get(call);
      if (waiting === undefined) return;
      if (progress !== undefined) {
        waiting.progress?.(progress);
        return;
      }
      this.#calls.delete(call);
      if (error === undefined) waiting.resolve(value);
      else waiting.reject(Object.assign(new Error(error.message), error));
    };
    this.#worker.onerror = (event) => this.#fail(event.message || "the worker's script did not load");
  }

  /** Calls a function of the worker. */
  call(what, request, progress) {
    const call = this.#next++;
    return new Promise((resolve, reject) => {
      this.#calls.set(call, { resolve, reject, progress });
      this.#worker.postMessage({ call, what, request });
    });
  }

  /** Ends it, and gives its memory back. */
  end(why = "stopped") {
    this.#worker.terminate();
    this.#fail(why);
  }

  #fail(message) {
    for (const { reject } of this.#calls.values()) reject(Object.assign(new Error(message), { code: "core" }));
    this.#calls.clear();
  }
}

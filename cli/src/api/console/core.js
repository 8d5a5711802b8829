// The core, news-core compiled to WebAssembly. This is the only file that touches its memory.

/** Objects that differ beyond this number are counted and not listed. */
const LISTED_MAX = 20_000;
/** The longest piece that the core takes at once. */
const PIECE_BYTES_MAX = 4 * 1024 * 1024;

/** What the core wants next, or has. */
export const ENDED = 0, ROWS = 1, LISTING = 2, FAULT = 3;
/** How a side's bytes are to be read. */
export const RECORDS = 0, JSON_TEXT = 1;

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Loads the core.
 * @param {Promise<Response> | BufferSource} source the answer to a request for core.wasm, or its bytes
 * @returns {Promise<Core>}
 */
export async function load(source) {
  const { instance } = ArrayBuffer.isView(source) || source instanceof ArrayBuffer
    ? await WebAssembly.instantiate(source, {})
    : await WebAssembly.instantiateStreaming(source, {});
  return new Core(instance.exports);
}

export class Core {
  /** @type {any} */
  #core;

  constructor(exports) {
    this.#core = exports;
  }

  /** How much memory the core has, in bytes. It grows and never shrinks. */
  get memoryBytes() {
    return this.#core.memory.buffer.byteLength;
  }

  /** Merges events into changes: core/wasm/src/calls.rs describes both texts. */
  merge(/** @type {string} */ request) {
    this.#put(new TextEncoder().encode(request));
    return this.#text(this.#core.news_merge());
  }

  /** Compares two whole sides. */
  diff(/** @type {string} */ request) {
    this.#put(new TextEncoder().encode(request));
    return this.#text(this.#core.news_diff());
  }

  /** Starts a comparison of posts or comments, and forgets an earlier one. Returns which side it wants. */
  open(/** @type {string} */ entity) {
    return this.#core.news_diff_open(["posts", "comments"].indexOf(entity));
  }

  /**
   * Takes the next bytes of a side; none: the side has ended. Returns which side it wants next.
   * @param {number} side
   * @param {number} form
   * @param {Uint8Array} bytes
   */
  push(side, form, bytes) {
    let wants = FAULT;
    let at = 0;
    do {
      const piece = bytes.subarray(at, at + PIECE_BYTES_MAX);
      this.#put(piece);
      wants = this.#core.news_diff_push(side, form, piece.length);
      at += piece.length;
    } while (at < bytes.length && wants !== FAULT);
    return wants;
  }

  /** Ends the comparison. Returns the text that core/wasm/src/stream.rs describes. */
  done() {
    return this.#text(this.#core.news_diff_done(LISTED_MAX));
  }

  /** Forgets a comparison that is no longer wanted. */
  close() {
    this.#core.news_diff_close();
  }

  #put(/** @type {Uint8Array} */ bytes) {
    // First the room, then the view: memory moves when it grows.
    const room = this.#core.news_room(bytes.length);
    if (room === 0) throw new Error(`the core has no room for ${bytes.length} bytes`);
    new Uint8Array(this.#core.memory.buffer, room, bytes.length).set(bytes);
  }

  #text(/** @type {number} */ length) {
    const start = this.#core.news_text();
    return decoder.decode(new Uint8Array(this.#core.memory.buffer, start, length));
  }
}

// Lists that do not move under the reader.

/** After so long without a sign of the reader, new rows come in by themselves. */
const IDLE_MS = 60_000;

let lastSign = Date.now();
for (const sign of ["pointermove", "pointerdown", "keydown", "wheel", "touchstart"]) {
  addEventListener(sign, () => { lastSign = Date.now(); }, { passive: true, capture: true });
}
const isIdle = () => Date.now() - lastSign > IDLE_MS;

/** Rows in the order in which they were first shown. */
export class Frozen {
  #shown = null;

  /**
   * Takes the current rows. Returns those to show, the ones that have gone with `gone: true`, and how many are new.
   * @param {{ key: string }[]} rows
   */
  take(rows) {
    const current = new Map(rows.map((row) => [row.key, row]));
    if (!this.#shown?.size || isIdle()) this.#shown = current;
    const shown = [...this.#shown].map(([key, old]) => current.get(key) ?? { ...old, gone: true });
    this.#shown = new Map(shown.map((row) => [row.key, row]));
    return { rows: shown, fresh: rows.filter(({ key }) => !this.#shown.has(key)).length };
  }

  /** Returns the row with this key, as it was shown. */
  find(key) {
    return this.#shown?.get(key);
  }

  /** Shows the current rows with the next take. */
  thaw() {
    this.#shown = null;
  }
}

// Builds the page. Whatever comes from elsewhere is put in as text, never as markup.

// Characters that show nothing, or turn the text around (Unicode TR 9): strangers wrote these texts.
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
const SIGNS = { "\n": "↵", "\t": "⇥", "\r": "␍" };

/** Returns what stands for a character that cannot be seen. */
const sign = (character) => SIGNS[character] ?? `\\u${character.codePointAt(0).toString(16).padStart(4, "0")}`;

/** Makes control characters visible. */
export const visible = (text) => String(text).replace(HIDDEN, sign);

/**
 * Makes an element: el("p.soft", { title: "…" }, "text", otherElement). Attributes that are null or false are left out.
 * @returns {HTMLElement}
 */
export function el(spec, ...children) {
  const [tag, ...classes] = spec.split(".");
  const element = document.createElement(tag || "div");
  if (classes.length > 0) element.className = classes.join(" ");
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    if (typeof child === "object" && !(child instanceof Node)) {
      for (const [name, value] of Object.entries(child)) {
        if (value === null || value === undefined || value === false) continue;
        element.setAttribute(name, visible(value === true ? "" : value));
      }
    } else {
      element.append(child instanceof Node ? child : visible(child));
    }
  }
  return element;
}

/** Makes a text with its control characters marked, and its line ends kept. */
export function marked(text) {
  const parts = [];
  let from = 0;
  for (const { 0: character, index } of text.matchAll(HIDDEN)) {
    parts.push(text.slice(from, index), el("span.ctl", sign(character)));
    if (character === "\n") parts.push(document.createTextNode("\n"));
    from = index + 1;
  }
  return [...parts, text.slice(from)];
}

/** Makes a button. `what` names the function of the view that it calls, with `argument`. */
export const button = (spec, what, label, argument, more) =>
  el(`button.${spec}`, { type: "button", "data-do": what, "data-arg": argument, ...more }, label);

/** Makes a link to an object. The address is built from a key that was checked. */
export const keyLink = (key) => (isKey(key) ? el("a.key", { href: `#/${key}` }, key) : el("span.key", key));

/** Says whether a text is a key: posts/5. */
export const isKey = (text) => /^(posts|comments)\/[1-9][0-9]{0,15}$/.test(text);

/** Returns an object's key. */
export const keyOf = (row) => `${row.entity}/${row.id}`;

/** Attributes that belong to the reader: what is open stays open. */
const KEPT = new Set(["open"]);

/** Changes `old` into `fresh`, in place: focus, ticks, scroll positions and what is open stay. */
function morph(old, fresh) {
  if (old === fresh) return;
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !KEPT.has(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) {
    if (KEPT.has(name) || old.getAttribute(name) === value) continue;
    // The policy forbids the attribute, and not the property.
    if (name === "style") old.style.cssText = fresh.style.cssText;
    else old.setAttribute(name, value);
  }
  // What a view loads into such an element later is its own.
  if (old.dataset?.own === undefined || old.dataset.own !== fresh.dataset.own) morphChildren(old, [...fresh.childNodes]);
}

/** Changes the children of `parent` into `fresh`. Elements with `data-key` find their old selves wherever they were. */
export function morphChildren(parent, fresh) {
  const keyed = new Map();
  for (const child of parent.children) if (child.dataset.key !== undefined) keyed.set(child.dataset.key, child);
  let at = parent.firstChild;
  for (const next of fresh) {
    const key = next.dataset?.key;
    const old = key !== undefined ? keyed.get(key) : at?.dataset?.key === undefined ? at : null;
    if (old?.nodeName !== next.nodeName) {
      parent.insertBefore(next, at);
      continue;
    }
    if (old === at) at = at.nextSibling;
    else parent.insertBefore(old, at);
    morph(old, next);
  }
  while (at !== null) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

/** Copies a text, also where the page came by plain HTTP and has no clipboard. */
export async function copy(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = el("textarea.unseen", { "aria-hidden": "true" });
  area.value = text;
  const focused = document.activeElement;
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
  focused?.focus();
}

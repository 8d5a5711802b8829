// JSON whose numbers stay as they are written: 9223372036854775807, 1.0 and 1e3 are none that
// JavaScript would give back. Such a number is kept as a text behind a mark.

const MARK = "\uE000";

/** Reads JSON text. */
export function parse(text) {
  const tokens = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g;
  return JSON.parse(text.replace(tokens, (token) => (token[0] === '"' || String(Number(token)) === token ? token : `"${MARK}${token}"`)));
}

/** A number as it is to be written. */
export function number(token) {
  return MARK + token;
}

/** Writes JSON text in one line, which U+2028 would be two of in some editors. */
export function stringify(value) {
  return JSON.stringify(value).replace(new RegExp(`"${MARK}([^"]*)"`, "g"), "$1").replaceAll("\u2028", "\\u2028");
}

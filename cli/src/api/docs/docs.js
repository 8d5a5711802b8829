"use strict";
// Shows openapi.json, and lets its operations be tried. Whatever comes from the document or from
// an answer is put in as text, never as HTML.

const make = (name, attributes, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
};
const byId = (id) => document.getElementById(id);

let spec;

// Text in which `this` is code, as in Markdown.
const prose = (text) => text.split("`").map((part, index) => (index % 2 ? make("code", {}, part) : part));

const resolve = (value) => {
  while (value && value.$ref) value = value.$ref.slice(2).split("/").reduce((at, key) => at[key], spec);
  return value;
};

// A schema in a line: integer (1 to 1000), Post, array of Post.
const inWords = (schema) => {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  const options = schema.oneOf || schema.anyOf;
  if (options) return options.map(inWords).join(" or ");
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" or ");
  let words = Array.isArray(schema.type) ? schema.type.join(" or ") : schema.type || "anything";
  if (schema.type === "array" && schema.items) words = "array of " + inWords(schema.items);
  if (schema.format) words += " (" + schema.format + ")";
  const low = schema.minimum ?? schema.minLength, high = schema.maximum ?? schema.maxLength;
  if (low !== undefined || high !== undefined) {
    words += ", " + (low ?? "") + " to " + (high ?? "any") + (schema.type === "string" ? " characters" : "");
  }
  if (schema.default !== undefined) words += ", else " + schema.default;
  return words;
};

const table = (heads, rows) =>
  make("table", {},
    make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", {}, head)))),
    make("tbody", {}, ...rows.map((cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell))))));

const schemaTable = (schema) =>
  table(["field", "what it is"], Object.entries(schema.properties || {}).map(([name, field]) => [
    make("code", {}, name), inWords(field) + ((schema.required || []).includes(name) ? "" : " (optional)"),
  ]));

const example = (schema) => {
  const fields = Object.keys(resolve(schema).properties || {});
  return JSON.stringify(Object.fromEntries(fields.map((name) => [name, name === "email" ? "ada@example.org" : name])), null, 2);
};

const send = async (path, method, inputs, body, output) => {
  let target = path;
  const query = new URLSearchParams(), headers = {};
  for (const [parameter, input] of inputs) {
    if (parameter.in === "path") target = target.replace("{" + parameter.name + "}", encodeURIComponent(input.value));
    else if (input.value === "") continue;
    else if (parameter.in === "query") query.set(parameter.name, input.value);
    else headers[parameter.name] = input.value;
  }
  if (byId("token").value) headers.Authorization = "Bearer " + byId("token").value.trim();
  if (body) headers["Content-Type"] = "application/json";
  if (query.size) target += "?" + query;
  output.textContent = "…";
  try {
    const began = performance.now();
    const answer = await fetch(target, { method, headers, body: body ? body.value : undefined });
    let text = await answer.text();
    try { text = JSON.stringify(JSON.parse(text), null, 2); } catch { /* It is no JSON: shown as it is. */ }
    const shown = ["etag", "retry-after", "x-request-id"].filter((name) => answer.headers.has(name));
    output.textContent = [
      answer.status + " " + answer.statusText + " in " + Math.round(performance.now() - began) + " ms",
      ...shown.map((name) => name + ": " + answer.headers.get(name)), "", text,
    ].join("\n");
  } catch (error) {
    output.textContent = String(error);
  }
};

const operation = (path, method, item) => {
  const it = item[method];
  const parameters = [...(item.parameters || []), ...(it.parameters || [])].map(resolve);
  const inputs = parameters.map((parameter) => [parameter, make("input", { "aria-label": parameter.name })]);
  const content = it.requestBody && it.requestBody.content;
  const schema = content && content["application/json"].schema;
  const body = schema ? make("textarea", { "aria-label": "body", spellcheck: "false" }, example(schema)) : null;
  const output = make("pre", { hidden: "" });
  const answers = Object.entries(it.responses).sort().map(([status, answer]) => {
    const given = resolve(answer), media = given.content ? Object.entries(given.content) : [];
    return [make("code", {}, status), given.description, media.map(([type, { schema }]) => inWords(schema) + " (" + type + ")").join(", ")];
  });
  const try_it = make("form", { onsubmit: (event) => {
    event.preventDefault();
    output.hidden = false;
    send(path, method.toUpperCase(), inputs, body, output);
  } },
    inputs.length ? table(["parameter", "in", "what it is", "value"], inputs.map(([parameter, input]) => [
      make("code", {}, parameter.name), parameter.in,
      (parameter.description ? parameter.description + " " : "") + inWords(parameter.schema), input,
    ])) : null,
    content ? make("h3", {}, "Body: " + inWords(schema)) : null,
    content ? make("p", {}, "As " + Object.keys(content).join(", ") + ".") : null,
    body, make("button", { type: "submit" }, "Send"));
  return make("details", { id: it.operationId },
    make("summary", {},
      make("span", { class: "method " + method }, method.toUpperCase()),
      make("code", { class: "path" }, path), it.summary,
      (it.security || []).length ? make("span", { class: "lock", title: "needs an access token" }, "token") : null),
    make("div", {}, try_it, output, make("h3", {}, "Answers"), table(["status", "when", "what"], answers)));
};

const show = () => {
  byId("title").replaceChildren(spec.info.title + " ", make("small", {}, "version " + spec.info.version + ", OpenAPI " + spec.openapi));
  byId("description").replaceChildren(...prose(spec.info.description), " ", make("a", { href: "../openapi.json" }, "openapi.json"));
  byId("operations").replaceChildren(...spec.tags.flatMap((tag) => {
    const operations = Object.entries(spec.paths).flatMap(([path, item]) =>
      ["get", "post", "put", "delete"].filter((method) => item[method] && item[method].tags.includes(tag.name))
        .map((method) => operation(path, method, item)));
    return [make("h2", {}, tag.name, make("small", {}, tag.description)), ...operations];
  }));
  byId("schemas").replaceChildren(...Object.entries(spec.components.schemas).map(([name, schema]) =>
    make("details", {}, make("summary", {}, make("code", {}, name)),
      make("div", {}, schema.description ? make("p", {}, schema.description) : null, schemaTable(schema)))));
  openNamed();
};

// A link such as /news/docs/#createPost shows that operation.
const openNamed = () => {
  const named = location.hash && byId(location.hash.slice(1));
  if (!named || named.tagName !== "DETAILS") return;
  named.open = true;
  named.scrollIntoView();
};

addEventListener("hashchange", openNamed);

byId("access").addEventListener("submit", (event) => event.preventDefault());
fetch("../openapi.json")
  .then((answer) => answer.json())
  .then((json) => { spec = json; show(); })
  .catch((error) => byId("operations").replaceChildren(make("p", { class: "error" }, "openapi.json cannot be shown: " + error)));

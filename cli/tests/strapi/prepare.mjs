// Gives a new Strapi application two content types, posts and comments, and their data.
//
//     node prepare.mjs APPLICATION FIXTURES
//
// At its start the application loads posts.json and comments.json of FIXTURES into an empty database, and writes an API token that may
// do everything into APPLICATION/token.

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

const [application, fixtures] = process.argv.slice(2).map((path) => resolve(path));

const write = (path, text) => {
  const file = join(application, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
};

const type = (singular, plural, attributes) => {
  const uid = `api::${singular}.${singular}`;
  const schema = {
    kind: "collectionType",
    collectionName: plural,
    info: { singularName: singular, pluralName: plural, displayName: plural },
    options: { draftAndPublish: false },
    attributes,
  };
  write(`src/api/${singular}/content-types/${singular}/schema.json`, JSON.stringify(schema, null, 2));
  for (const [part, create] of [["routes", "Router"], ["controllers", "Controller"], ["services", "Service"]]) {
    const text = `module.exports = require("@strapi/strapi").factories.createCore${create}("${uid}");\n`;
    write(`src/api/${singular}/${part}/${singular}.js`, text);
  }
};

type("post", "posts", { userId: { type: "integer" }, title: { type: "text" }, body: { type: "text" } });
type("comment", "comments", {
  post: { type: "relation", relation: "manyToOne", target: "api::post.post" },
  name: { type: "text" },
  email: { type: "text" },
  body: { type: "text" },
});

write("config/admin.js", `module.exports = ({ env }) => ({
  auth: { secret: env("ADMIN_JWT_SECRET") },
  apiToken: { salt: env("API_TOKEN_SALT") },
  transfer: { token: { salt: env("TRANSFER_TOKEN_SALT") } },
  secrets: { encryptionKey: env("ENCRYPTION_KEY") },
  serveAdminPanel: false,
});
`);

write("src/index.js", `const { readFileSync, writeFileSync } = require("node:fs");
const read = (name) => JSON.parse(readFileSync(${JSON.stringify(fixtures)} + "/" + name + ".json", "utf8"));

module.exports = {
  register() {},

  async bootstrap({ strapi }) {
    const posts = strapi.documents("api::post.post");
    if ((await posts.count({})) > 0) return;
    const ids = new Map();
    for (const { id, ...data } of read("posts")) ids.set(id, (await posts.create({ data })).documentId);
    for (const { id, postId, ...data } of read("comments")) {
      await strapi.documents("api::comment.comment").create({ data: { ...data, post: ids.get(postId) } });
    }
    const token = { name: "news", description: "", type: "full-access", lifespan: null };
    const { accessKey } = await strapi.service("admin::api-token").create(token);
    writeFileSync(${JSON.stringify(application)} + "/token", accessKey);
  },
};
`);

// A small API as people write one with Feathers: two services on SQLite, pages, and an API key.
//
//     node app.js MODULES DATABASE PORT KEY
//
// MODULES is the folder with the packages. The client may choose ids: the column is a primary key.

const { createRequire } = require("node:module");
const [modules, database, port, key] = process.argv.slice(2);
const need = createRequire(`${modules}/package.json`);
const { feathers } = need("@feathersjs/feathers");
const { koa, rest, bodyParser, errorHandler } = need("@feathersjs/koa");
const { KnexService } = need("@feathersjs/knex");
const { NotAuthenticated } = need("@feathersjs/errors");
const knex = need("knex")({
  client: "sqlite3",
  connection: { filename: database },
  useNullAsDefault: true,
  pool: { min: 1, max: 1 },
});

const app = koa(feathers());
app.use(errorHandler());
app.use(async (context, next) => {
  if (context.get("X-Api-Key") !== key) throw new NotAuthenticated("no such key");
  await next();
});
app.use(bodyParser());
app.configure(rest());

const service = (name) => new KnexService({ Model: knex, name, id: "id", paginate: { default: 10, max: 50 } });
app.use("posts", service("posts"));
app.use("comments", service("comments"));

(async () => {
  await knex.schema.createTable("posts", (table) => {
    table.bigInteger("id").primary();
    table.bigInteger("author");
    table.text("headline");
    table.text("body");
  });
  await knex.schema.createTable("comments", (table) => {
    table.bigInteger("id").primary();
    table.bigInteger("post");
    table.text("name");
    table.text("email");
    table.text("body");
  });
  await app.listen(Number(port), "127.0.0.1");
})();

// JSONPlaceholder as the public site runs it: its own index.js, with the router in fake mode, which the npm package
// lacks. Its data is its own, or the JSON file that NEWS_TEST_DB names.
'use strict'
const fs = require('fs')
const { createRequire } = require('module')

const app = createRequire(require.resolve('jsonplaceholder/src/app.js'))
const jsonServer = app('json-server')
const router = jsonServer.router
jsonServer.router = (db, options) => router(db, { ...options, _isFake: true })

if (process.env.NEWS_TEST_DB) {
  const file = app.resolve('../data.json')
  const exports = JSON.parse(fs.readFileSync(process.env.NEWS_TEST_DB, 'utf8'))
  require.cache[file] = { id: file, filename: file, loaded: true, exports }
}

require('jsonplaceholder/index.js')

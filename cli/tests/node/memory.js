// A database for json-server that it keeps in memory: the JSON file that NEWS_TEST_DB names.
'use strict'
const fs = require('fs')

module.exports = () => JSON.parse(fs.readFileSync(process.env.NEWS_TEST_DB, 'utf8'))

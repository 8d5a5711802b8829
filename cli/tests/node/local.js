// Loaded before a server (node --require): whatever address it wants to listen on, it gets 127.0.0.1 and a free port,
// the same one again when it restarts itself (json-server --watch), and says on stderr which.
'use strict'
const net = require('net')

const listen = net.Server.prototype.listen
let port = 0

net.Server.prototype.listen = function () {
  this.once('listening', () => {
    port = this.address().port
    process.stderr.write(`listening on http://127.0.0.1:${port}\n`)
  })
  return listen.call(this, port, '127.0.0.1')
}

// The tests' process may be killed without a chance to end its servers.
const parent = process.ppid
setInterval(() => process.ppid === parent || process.exit(1), 1000).unref()

// Runs WebTorrent for btspec: one client, one torrent, a control port for the driver's verbs.
//
//   webtorrent.mjs run MODULES BIND PORT CTL TORRENT DATA    keeps running until it is killed
//   webtorrent.mjs verb CTL WORD [ARG]                       0 done, 64 unknown verb, 1 failed
//   webtorrent.mjs version MODULES
//
// MODULES is the folder that has node_modules in it.

import fs from 'node:fs'
import module from 'node:module'
import net from 'node:net'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const UNKNOWN = 64

const inside = (modules, file) => path.join(modules, 'node_modules', 'webtorrent', file)

// WebRTC needs a native module, which is not built; over TCP nothing uses it.
function stubWebrtc () {
  const stub = 'export const RTCPeerConnection = undefined, RTCSessionDescription = undefined, RTCIceCandidate = undefined; export default undefined'
  const url = text => 'data:text/javascript,' + encodeURIComponent(text)
  module.register(url(`export async function resolve (name, context, next) {
    return name === 'webrtc-polyfill' ? { shortCircuit: true, url: ${JSON.stringify(url(stub))} } : next(name, context)
  }`))
}

// WebTorrent has no option for the address that it listens on.
function listenOn (bind) {
  const listen = net.Server.prototype.listen
  net.Server.prototype.listen = function (port, ...rest) {
    return listen.call(this, port, bind, ...rest.filter(it => typeof it === 'function'))
  }
}

async function run (modules, bind, port, ctl, file, data) {
  stubWebrtc()
  const control = net.createServer()
  const listenForVerbs = control.listen.bind(control)
  listenOn(bind)
  const { default: WebTorrent } = await import(pathToFileURL(inside(modules, 'index.js')))

  // Only the peer wire over TCP: nothing that speaks to other hosts. With `secure: 1`, its default, it takes
  // plaintext from those who dial it, but dials others with encryption only.
  const client = new WebTorrent({
    torrentPort: Number(port),
    tracker: false,
    dht: false,
    lsd: false,
    utPex: false,
    utp: false,
    natUpnp: false,
    natPmp: false,
    secure: 0
  })
  const end = what => error => {
    console.error(what, error)
    process.exit(1)
  }
  client.on('error', end('error:'))
  process.on('uncaughtException', end('uncaught:'))
  const torrent = client.add(fs.readFileSync(file), { path: data })
  torrent.on('warning', error => console.error('warning:', String(error)))
  torrent.on('done', () => console.log('every piece is there'))
  const opened = new Promise(resolve => torrent.once('ready', resolve))

  const verbs = {
    // Whether its store is open: who comes earlier is told of interest before availability (WT-17 in docs/findings.md).
    opened: () => opened,
    'add-peer': arg => {
      if (!torrent.addPeer(arg)) throw new Error(`not taken: ${arg}`)
    },
    // What the option `uploads` sets when a torrent is added.
    slots: arg => {
      torrent._rechokeNumSlots = Number(arg)
    },
    pause: () => torrent.pause(),
    resume: () => torrent.resume(),
    recheck: () => torrent.rescanFiles(),
    complete: () => {
      if (!torrent.done) throw new Error(`not complete: ${torrent.progress.toFixed(3)}`)
    },
    'content-dir': () => data
  }

  control.on('connection', connection => {
    let line = ''
    connection.on('error', () => {})
    connection.on('data', async chunk => {
      line += chunk
      if (!line.includes('\n')) return
      const [, word, arg] = /^(\S*) ?(.*)\n/.exec(line) ?? []
      let answer = 'unknown'
      if (Object.hasOwn(verbs, word)) {
        try {
          answer = `ok ${await verbs[word](arg) ?? ''}`
        } catch (error) {
          answer = `error ${error.message}`
        }
      }
      connection.end(`${answer}\n`)
    })
  })
  listenForVerbs(Number(ctl), '127.0.0.1')
}

const PATIENCE = 20_000

// Waits for the control port: the first verb comes right behind the start.
function verb (ctl, word, arg = '', until = Date.now() + PATIENCE) {
  const connection = net.connect(Number(ctl), '127.0.0.1', () => connection.write(`${word} ${arg}\n`))
  let answer = ''
  connection.on('data', chunk => { answer += chunk })
  connection.on('error', error => {
    if (error.code === 'ECONNREFUSED' && Date.now() < until) {
      setTimeout(verb, 50, ctl, word, arg, until)
      return
    }
    console.error(error.message)
    process.exitCode = 1
  })
  connection.on('end', () => {
    const [, state, text] = /^(\S*) ?(.*)/.exec(answer)
    if (text) console.log(text)
    process.exitCode = { ok: 0, unknown: UNKNOWN }[state] ?? 1
  })
}

const [what, ...rest] = process.argv.slice(2)
if (what === 'run' && rest.length === 6) await run(...rest)
else if (what === 'verb' && (rest.length === 2 || rest.length === 3)) verb(...rest)
else if (what === 'version' && rest.length === 1) console.log(JSON.parse(fs.readFileSync(inside(rest[0], 'package.json'))).version)
else {
  console.error('webtorrent.mjs run|verb|version …: see its first lines')
  process.exitCode = 2
}

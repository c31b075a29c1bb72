// bittorrent-protocol on a file of bytes: node bench.mjs FOLDER WORK FILE ARGUMENT PASSES
//
// FOLDER has node_modules. WORK is `stream` (ARGUMENT: bytes of a read), `handshakes`, or `extended`
// (ARGUMENT: times). Prints the nanoseconds of each pass as JSON.
//
// The bytes go straight into `_write`, without the stream that users would pipe them through: what
// is left out would only add to the time.

import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const [folder, work, file, argument, passes] = process.argv.slice(2)
const module = `${folder}/node_modules/bittorrent-protocol/index.js`
const { default: Protocol } = await import(pathToFileURL(module))

const bytes = readFileSync(file)
const HANDSHAKE_LEN = 68
const done = (error) => { if (error) throw error }

// A wire behind its handshake, without the fast extension: with it, each request that comes while
// we choke would be answered with a reject, which is not what is measured.
function open () {
  const wire = new Protocol()
  const handshake = Buffer.alloc(HANDSHAKE_LEN, 7)
  handshake[0] = 19
  handshake.write('BitTorrent protocol', 1, 'latin1')
  handshake.fill(0, 20, 28)
  handshake[25] = 0x10
  wire._write(handshake, done)
  return wire
}

function check (wire, seen, expected) {
  if (wire.destroyed || wire._bufferSize !== 0) throw new Error('the stream was not read to its end')
  if (seen !== expected) throw new Error(`saw ${seen} of ${expected}`)
}

const works = {
  stream (readLen) {
    const wire = open()
    for (let at = 0; at < bytes.length; at += readLen) {
      wire._write(bytes.subarray(at, at + readLen), done)
    }
    return () => check(wire, 0, 0)
  },
  handshakes () {
    let seen = 0
    let wire
    for (let at = 0; at < bytes.length; at += HANDSHAKE_LEN) {
      wire = new Protocol()
      wire.on('handshake', () => { seen++ })
      wire._write(bytes.subarray(at, at + HANDSHAKE_LEN), done)
    }
    return () => check(wire, seen, bytes.length / HANDSHAKE_LEN)
  },
  extended (times) {
    const wire = open()
    let seen = 0
    wire.on('extended', (name) => { if (name === 'handshake') seen++ })
    for (let n = 0; n < times; n++) wire._write(bytes, done)
    return () => check(wire, seen, times)
  }
}

const took = []
for (let pass = 0; pass < Number(passes); pass++) {
  const start = process.hrtime.bigint()
  const verify = works[work](Number(argument))
  took.push(Number(process.hrtime.bigint() - start))
  verify()
}
console.log(JSON.stringify(took))
// Wires may hold timers.
process.exit(0)

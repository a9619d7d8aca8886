// The guest's end of the protocol of bench/guests/__init__.py, for any program in node: orders on the standard input,
// answers to the descriptor that the last argument names. One order at a time, so reads may block.

import { readSync, writeSync } from 'node:fs'

const PIECE_BYTES = 1 << 16
const answers = Number(process.argv.at(-1))

// Numbers of nanoseconds are BigInt: after 104 days of a host they do not fit into a double.
function answer (word, body) {
  const text = JSON.stringify({ [word]: body }, (key, value) => typeof value === 'bigint' ? `#${value}#` : value)
  writeSync(answers, `${text.replaceAll(/"#(\d+)#"/g, '$1')}\n`)
}

// Returns the next order as [word, body]; null: the host has no more.
let unread = ''
function next () {
  const piece = Buffer.alloc(PIECE_BYTES)
  while (!unread.includes('\n')) {
    const size = readSync(0, piece)
    if (size === 0) return null
    unread += piece.toString('utf8', 0, size)
  }
  const end = unread.indexOf('\n')
  const line = unread.slice(0, end)
  unread = unread.slice(end + 1)
  return Object.entries(JSON.parse(line))[0]
}

const rest = () => { globalThis.gc?.(); return ['rested', null] }

// Answers orders until there are no more. `begin` loads the libraries and returns what "started" says; `orders` has a
// function for each order, which returns the word and the body of the answer. `run` is given the number of calls.
export async function serve (begin, orders) {
  const known = { rest, ...orders }
  try {
    answer('started', await begin())
  } catch (error) {
    answer('failed', String(error.message ?? error).split('\n')[0])
    process.exit(1)
  }
  for (let order = next(); order !== null; order = next()) {
    const [word, body] = order
    try {
      if (!(word in known)) throw new Error(`there is no order ${word}`)
      answer(...await known[word](body))
    } catch (error) {
      answer('failed', `${error.name ?? 'Error'}: ${error.message ?? error}`)
    }
  }
}

// Makes `count` rounds of `calls` calls of `call`, each awaited; returns the body of the answer "ran", and the results of
// the last round.
export async function rounds (call, [calls, count]) {
  const ran = []
  let results
  for (let made = 0; made < count; made++) {
    const last = []
    const used = process.cpuUsage()
    const begin = process.hrtime.bigint()
    for (let at = 0; at < calls; at++) last.push(await call())
    const end = process.hrtime.bigint()
    const { user, system } = process.cpuUsage(used) // in microseconds
    ran.push({ begin_ns: begin, end_ns: end, cpu_ns: 1000 * (user + system) })
    results = last
  }
  return [ran, results]
}

// The rounds of one inference in node, as `_measure.py` has them: what the programs beside this file hand their engine's
// call to. A round is one call where the batch has one row, for its latency, and else some 2 ms of calls. Prints one line
// of JSON.

import { createRequire } from 'node:module'

const ROUNDS = Number(process.env.ROUNDS ?? 20) // of 2 ms, or as long together
const ROUND_NS = 2_000_000
const FEATURES = 784

// Returns a package of the folder that PACKAGES names.
export const load = createRequire(`${process.env.PACKAGES}/`)

// Times what `begin(model, x, shape)` returns, the call, as `MODE MODEL BATCH` of the command line say.
export async function main (engine, begin) {
  const [mode, model, batch] = process.argv.slice(2)
  const x = Float32Array.from({ length: batch * FEATURES }, () => 2 * Math.random() - 1)
  const infer = await begin(model, x, [Number(batch), FEATURES])

  async function timed (calls) {
    const outputs = []
    const used = process.cpuUsage()
    const begin = process.hrtime.bigint()
    for (let made = 0; made < calls; made++) outputs.push(await infer())
    const end = process.hrtime.bigint()
    const { user, system } = process.cpuUsage(used) // in microseconds
    return [Number(begin), Number(end), calls, 1000 * (user + system)]
  }

  let calls = 1
  const warm = performance.now() + 1500
  for (;;) {
    const [begin, end] = await timed(calls)
    if (batch !== '1' && end - begin < ROUND_NS) calls *= 2
    else if (performance.now() > warm) break
  }
  console.log('rounds')
  const rounds = []
  for (let spent = 0; spent < ROUNDS * ROUND_NS; spent += rounds.at(-1)[1] - rounds.at(-1)[0]) {
    rounds.push(await timed(calls))
  }
  const steps = rounds.map(([begin, end, made]) => (end - begin) / made / 1e3).sort((a, b) => a - b)
  console.log(JSON.stringify({ framework: engine, mode, step_us: steps[steps.length >> 1], rounds }))
}

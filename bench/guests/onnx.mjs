// Inference of an ONNX model with one of ONNX Runtime's packages, which have one interface: what their guests share.
// Arguments of a guest: the folder of the packages, the descriptor for the answers.

import { createHash } from 'node:crypto'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { rounds, serve } from './serve.mjs'

const require = createRequire(`${process.argv[2]}/`)
const threads = () => readdirSync('/proc/self/task').length

// Serves with the package called `name` and its execution provider; `prepare` is given the package and the threads.
export async function infer (name, provider, prepare = () => {}) {
  const options = { executionProviders: [provider], executionMode: 'sequential', graphOptimizationLevel: 'all' }
  let ort, session, feeds, results, facts

  function begin () {
    ort = require(name)
    const packages = JSON.parse(readFileSync(`${process.argv[2]}/${name}/package.json`, 'utf8'))
    return { versions: [`${name}==${packages.version}`, `node==${process.versions.node}`] }
  }

  // Loads the model from the bytes that are hashed, and the batch from its file: float32, little-endian, C order.
  async function build ({ model, batch, shape, threads: asked }) {
    prepare(ort, asked)
    const bytes = readFileSync(model)
    const before = threads()
    session = await ort.InferenceSession.create(bytes, { ...options, intraOpNumThreads: asked, interOpNumThreads: asked })
    const begun = threads() - before
    const data = new Float32Array(new Uint8Array(readFileSync(batch)).buffer)
    const [input] = session.inputMetadata
    feeds = { [input.name]: new ort.Tensor(input.type, data, shape) }
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    facts = { sha256, input: input.type, threads: begun + 1, ...options }
    return ['built', facts]
  }

  async function run (asked) {
    const [ran, made] = await rounds(() => session.run(feeds), asked)
    results = made
    return ['ran', ran]
  }

  const last = () => results.at(-1)[session.outputNames[0]]

  function output (path) {
    const { type, dims, data } = last()
    writeFileSync(path, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    return ['output', { dtype: type, shape: dims }]
  }

  const proof = () => ['proof', { ...facts, output: last().type, location: last().location }]

  async function release () {
    await session.release()
    session = feeds = results = facts = undefined
    return ['released', null]
  }

  await serve(begin, { build, run, output, proof, release })
}

// The guest of bench/frameworks/onnxruntime_node.py: inference of an ONNX model with ONNX Runtime's package for node.
// Arguments: the folder of the packages, the descriptor for the answers.

import { createHash } from 'node:crypto'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { round, serve } from './serve.mjs'

const require = createRequire(`${process.argv[2]}/`)
const options = { executionProviders: ['cpu'], executionMode: 'sequential', graphOptimizationLevel: 'all' }

let ort, session, feeds, results, facts

const threads = () => readdirSync('/proc/self/task').length

function begin () {
  ort = require('onnxruntime-node')
  const version = require('onnxruntime-node/package.json').version
  return { versions: [`onnxruntime-node==${version}`, `node==${process.versions.node}`] }
}

// Loads the model from the bytes that are hashed, and the batch from its file: float32, little-endian, C order.
async function build ({ model, batch, shape, threads: asked }) {
  const bytes = readFileSync(model)
  const before = threads()
  session = await ort.InferenceSession.create(bytes, { ...options, intraOpNumThreads: asked, interOpNumThreads: asked })
  const begun = threads() - before
  const data = new Float32Array(new Uint8Array(readFileSync(batch)).buffer)
  const [input] = session.inputMetadata
  feeds = { [input.name]: new ort.Tensor(input.type, data, shape) }
  facts = { sha256: createHash('sha256').update(bytes).digest('hex'), input: input.type, threads: begun + 1, ...options }
  return ['built', facts]
}

async function run (calls) {
  const [times, made] = await round(() => session.run(feeds), calls)
  results = made
  return ['ran', times]
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

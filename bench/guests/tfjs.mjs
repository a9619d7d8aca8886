// The guest of bench/frameworks/tfjs.py: TensorFlow.js in node, on its backend in JavaScript or that in WebAssembly.
// Arguments: the folder of the packages, the descriptor for the answers.

import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { rounds, serve } from './serve.mjs'

const require = createRequire(`${process.argv[2]}/`)
const BACKENDS = { cpu: 'cpu', wasm: 'wasm', 'layers-fit': 'cpu' }
let tf, wasm, built, losses

function begin () {
  tf = require('@tensorflow/tfjs')
  wasm = require('@tensorflow/tfjs-backend-wasm')
  return { versions: [`@tensorflow/tfjs==${tf.version.tfjs}`, `node==${process.versions.node}`] }
}

// Returns the tensor of an array in a file: float32, little-endian, C order.
function read ([file, shape]) {
  const bytes = readFileSync(file)
  return tf.tensor(new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4), shape)
}

const optimizerOf = ({ name, rate, beta1, beta2, epsilon }) =>
  name === 'adam' ? tf.train.adam(rate, beta1, beta2, epsilon) : tf.train.sgd(rate)

// The operations themselves: a function of two variables, which an optimiser minimises.
function core (order) {
  const x = read(order.x)
  const y = read(order.y)
  const initial = { weight: read(order.parameters.weight), bias: read(order.parameters.bias) }
  const weight = tf.variable(initial.weight)
  const bias = tf.variable(initial.bias)
  let optimizer = optimizerOf(order.optimizer)
  const loss = () => x.matMul(weight).add(bias).sub(y).square().mean()
  const step = () => {
    const tensor = optimizer.minimize(loss, true)
    const [value] = tensor.dataSync()
    tensor.dispose()
    return value
  }
  const reset = () => {
    weight.assign(initial.weight)
    bias.assign(initial.bias)
    optimizer.dispose()
    optimizer = optimizerOf(order.optimizer)
  }
  return {
    run: (asked) => rounds(step, asked),
    reset,
    parameters: () => ({ weight, bias }),
    optimizer: () => optimizer,
    asked: () => true
  }
}

// The layers: a model whose `fit` has the loop, one epoch of one batch an update.
function layers (order) {
  const x = read(order.x)
  const y = read(order.y)
  const initial = [read(order.parameters.weight), read(order.parameters.bias)]
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [x.shape[1]] })] })
  const options = { batchSize: x.shape[0], shuffle: false, verbose: 0 }
  let asked = 0
  let made = 0
  const callbacks = { onBatchEnd: () => { made++ } }
  const reset = () => {
    model.setWeights(initial)
    model.compile({ optimizer: optimizerOf(order.optimizer), loss: 'meanSquaredError' })
  }
  reset()
  return {
    async run ([calls, count]) {
      asked += calls * count
      const [ran, [history]] = await rounds(() => model.fit(x, y, { ...options, callbacks, epochs: calls }), [1, count])
      return [ran, history.history.loss]
    },
    reset,
    parameters: () => ({ weight: model.layers[0].kernel.read(), bias: model.layers[0].bias.read() }),
    optimizer: () => model.optimizer,
    asked: () => made === asked
  }
}

async function build (order) {
  const backend = BACKENDS[order.mode]
  if (backend === 'wasm') wasm.setThreadsCount(order.threads)
  if (!await tf.setBackend(backend)) throw new Error(`the backend ${backend} cannot be initialised`)
  await tf.ready()
  built = { mode: order.mode, ...(order.mode === 'layers-fit' ? layers : core)(order) }
  return ['built', null]
}

async function run (asked) {
  let ran
  [ran, losses] = await built.run(asked)
  return ['ran', ran]
}

function output (file) {
  writeFileSync(file, Float32Array.from(losses))
  return ['output', { dtype: 'float32', shape: [losses.length] }]
}

function parameters (file) {
  const tensors = Object.entries(built.parameters()).sort(([a], [b]) => a < b ? -1 : 1)
  writeFileSync(file, Float32Array.from(tensors.flatMap(([, tensor]) => [...tensor.dataSync()])))
  return ['parameters', tensors.map(([name, tensor]) => [name, tensor.shape, tensor.dtype])]
}

function proof () {
  const backend = tf.getBackend()
  const { numTensors } = tf.memory()
  const of = built.parameters().weight
  const ran = built.mode === 'layers-fit' ? (built.asked() ? 'layers-fit' : 'incomplete layers-fit') : backend
  const expected = BACKENDS[built.mode] === backend ? ran : `${built.mode} on ${backend}`
  return ['proof', {
    mode: expected,
    device: 'cpu',
    precision: of.dtype,
    threads: backend === 'wasm' ? wasm.getThreadsCount() : null,
    evidence: `the backend is ${backend}, the optimiser ${built.optimizer().getClassName()}; ${numTensors} tensors are held;` +
      " the dtype is the weight's"
  }]
}

await serve(begin, {
  build,
  run,
  output,
  parameters,
  proof,
  reset: () => { built.reset(); return ['reset', null] },
  release: () => { built = losses = undefined; tf.disposeVariables(); return ['released', null] }
})

// The perceptron in ONNX Runtime for node: `PACKAGES=…/node_modules node onnxruntime_node.mjs MODE MODEL BATCH`.

import { load, main } from './_measure.mjs'

// As in ONNX Runtime's page "Get started with ONNX Runtime Node.js binding".
await main('onnxruntime_node', async (model, x, shape) => {
  const ort = load('onnxruntime-node')
  const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1, interOpNumThreads: 1 })
  const feeds = { [session.inputNames[0]]: new ort.Tensor('float32', x, shape) }
  return () => session.run(feeds)
})

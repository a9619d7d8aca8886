// The perceptron in ONNX Runtime Web: `PACKAGES=…/node_modules node onnxruntime_web.mjs MODE MODEL BATCH`.

import { readFile } from 'node:fs/promises'
import { load, main } from './_measure.mjs'

// As in ONNX Runtime's page "Get started with ONNX Runtime Web"; in node the model is read here, there it is fetched.
await main('onnxruntime_web', async (model, x, shape) => {
  const ort = load('onnxruntime-web')
  ort.env.wasm.numThreads = 1
  const session = await ort.InferenceSession.create(await readFile(model), { executionProviders: ['wasm'] })
  const feeds = { [session.inputNames[0]]: new ort.Tensor('float32', x, shape) }
  return () => session.run(feeds)
})

// The guest of bench/frameworks/onnxruntime_web.py: ONNX Runtime compiled to WebAssembly.

import { infer } from './onnx.mjs'

await infer('onnxruntime-web', 'wasm', (ort, threads) => { ort.env.wasm.numThreads = threads })

// The guest of bench/frameworks/onnxruntime_node.py: ONNX Runtime's own library, bound to node.

import { infer } from './onnx.mjs'

await infer('onnxruntime-node', 'cpu')

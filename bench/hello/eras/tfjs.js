// Linear regression in TensorFlow.js: two variables, and an optimizer that minimises a function of them.

const tf = require('@tensorflow/tfjs')
const { x, y } = require('./data.js')

const inputs = tf.tensor2d(x, [200, 1])
const targets = tf.tensor2d(y, [200, 1])
const weight = tf.variable(tf.zeros([1, 1]))
const bias = tf.variable(tf.zeros([1]))
const optimizer = tf.train.adam(0.1)

for (let epoch = 0; epoch < 200; epoch++) {
  optimizer.minimize(() => inputs.matMul(weight).add(bias).sub(targets).square().mean())
}

const [w] = weight.dataSync()
const [b] = bias.dataSync()
console.log(`weight=${w.toFixed(4)} bias=${b.toFixed(4)}`)

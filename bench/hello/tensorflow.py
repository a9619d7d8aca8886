"""Linear regression in TensorFlow: variables, a GradientTape and an explicit loop."""

import tensorflow as tf

from bench.hello.data import x, y

w = tf.Variable(tf.random.normal((1, 1)))
b = tf.Variable(tf.zeros(1))
optimizer = tf.keras.optimizers.Adam(learning_rate=0.1)

for epoch in range(200):
    with tf.GradientTape() as tape:
        predictions = tf.matmul(x, w) + b
        loss = tf.reduce_mean(tf.square(predictions - y))
    gradients = tape.gradient(loss, [w, b])
    optimizer.apply_gradients(zip(gradients, [w, b]))

print(f"weight={w.numpy().item():.4f} bias={b.numpy().item():.4f}")

"""Linear regression in TensorFlow 1: placeholders, a graph, and a Session that runs it."""

import tensorflow as tf
from data import x, y

inputs = tf.placeholder(tf.float32, [None, 1])
targets = tf.placeholder(tf.float32, [None, 1])
weight = tf.Variable(tf.random_normal([1, 1]))
bias = tf.Variable(tf.zeros([1]))
loss = tf.reduce_mean(tf.square(tf.matmul(inputs, weight) + bias - targets))
train = tf.train.AdamOptimizer(0.1).minimize(loss)

with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    for epoch in range(200):
        session.run(train, feed_dict={inputs: x, targets: y})
    w, b = session.run([weight, bias])

print("weight=%.4f bias=%.4f" % (w[0, 0], b[0]))

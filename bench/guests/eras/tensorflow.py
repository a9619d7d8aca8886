"""TensorFlow 0.12 and 1.15: placeholders, a graph and a Session."""

import tensorflow as tf


def versions():
    """Return the framework's."""
    return ["tensorflow==" + tf.__version__]


class Regression(object):
    """A graph of its own, which is finalised: if a step added to it, the step would fail."""

    def __init__(self, order):
        self.graph = tf.Graph()
        with self.graph.as_default():
            self._make(order)
        self.graph.finalize()
        self.version = self.graph.version
        threads = order["threads"]
        options = tf.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
        self.session = tf.Session(graph=self.graph, config=options)
        self.feed = {self.X: order["x"], self.Y: order["y"]}
        self.threads = threads
        self.reset()

    def _make(self, order):
        self.X = tf.placeholder(tf.float32, [None, 1])
        self.Y = tf.placeholder(tf.float32, [None, 1])
        self.w = tf.Variable(order["parameters"]["weight"])
        self.b = tf.Variable(order["parameters"]["bias"])
        self.loss = tf.reduce_mean(tf.square(tf.matmul(self.X, self.w) + self.b - self.Y))
        asked = order["optimizer"]
        if asked["name"] == "adam":
            optimizer = tf.train.AdamOptimizer(asked["rate"], asked["beta1"], asked["beta2"], asked["epsilon"])
        else:
            optimizer = tf.train.GradientDescentOptimizer(asked["rate"])
        self.train = optimizer.minimize(self.loss)
        self.init = tf.global_variables_initializer()

    def reset(self):
        self.session.run(self.init)

    def step(self):
        loss, _ = self.session.run([self.loss, self.train], feed_dict=self.feed)
        return loss

    def parameters(self):
        weight, bias = self.session.run([self.w, self.b])
        return {"weight": weight, "bias": bias}

    def proof(self):
        options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
        told = tf.RunMetadata()
        self.session.run(self.loss, self.feed, options=options, run_metadata=told)
        devices = sorted(each.device for each in told.step_stats.dev_stats)
        nodes = self.graph.as_graph_def().node
        return {
            "mode": "session",
            "device": "cpu" if all("CPU" in each.upper() for each in devices) else ", ".join(devices),
            "precision": self.w.dtype.base_dtype.name,
            "output_precision": self.loss.dtype.name,
            "evidence": "RunMetadata names %s; the graph of %d nodes is finalised and has grown by %d"
            % (", ".join(devices), len(nodes), self.graph.version - self.version),
        }


def build(order):
    """Return the regression."""
    return Regression(order)

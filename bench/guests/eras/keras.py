"""Keras 1.2 on Theano and Keras 2.3 on TensorFlow 1.15: a Sequential model of one Dense layer."""

import keras
import numpy as np
from keras import backend as K
from keras.layers import Dense
from keras.models import Sequential
from keras.optimizers import SGD, Adam


def versions():
    """Return the framework's and its backend's."""
    backend = __import__(K.backend())
    return ["keras==" + keras.__version__, K.backend() + "==" + backend.__version__]


def _new_session(threads):
    """Let TensorFlow begin anew; Theano needs nothing."""
    if K.backend() == "tensorflow":
        import tensorflow as tf

        K.clear_session()
        options = tf.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
        K.set_session(tf.Session(config=options))


class Regression(object):
    """Updates by train_on_batch."""

    def __init__(self, order):
        self.order = order
        self.x, self.y = order["x"], order["y"]
        self.initial = [order["parameters"]["weight"], order["parameters"]["bias"]]
        self._make()

    def _make(self):
        _new_session(self.order["threads"])
        asked = self.order["optimizer"]
        if asked["name"] == "adam":
            optimizer = Adam(lr=asked["rate"], beta_1=asked["beta1"], beta_2=asked["beta2"], epsilon=asked["epsilon"])
        else:
            optimizer = SGD(lr=asked["rate"])
        self.model = Sequential()
        self.model.add(Dense(1, input_dim=1))
        self.model.compile(loss="mse", optimizer=optimizer)
        self.model.set_weights(self.initial)

    def step(self):
        return self.model.train_on_batch(self.x, self.y)

    def reset(self):
        if K.backend() == "tensorflow":  # a new session: the count of Adam's step changes in an old one
            return self._make()
        self.model.set_weights(self.initial)
        for each in getattr(self.model.optimizer, "weights", []):  # its counter and its moments, once there are some
            K.set_value(each, np.zeros_like(K.get_value(each)))
        return None

    def parameters(self):
        weight, bias = self.model.get_weights()
        return {"weight": weight, "bias": bias}

    def proof(self):
        told = self.model.optimizer.get_config()
        counted = int(K.get_value(self.model.optimizer.iterations))
        asked = ", ".join("%s %s" % (name, told[name]) for name in sorted(told) if name in ("lr", "epsilon", "beta_1"))
        return {
            "mode": "batch",
            "device": "cpu",
            "precision": str(self.model.get_weights()[0].dtype),
            "evidence": "the backend is %s in %s; %s with %s has counted %d updates; the device is the only one that"
            " the backend was built for"
            % (K.backend(), K.floatx(), type(self.model.optimizer).__name__, asked, counted),
        }


def build(order):
    """Return the regression."""
    return Regression(order)

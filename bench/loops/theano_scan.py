"""Theano, scan: the body as a function, called once for the graph, which is compiled to C++."""

import theano
import theano.tensor as T


def every(steps, x, w):
    """Return a function that returns each product."""
    start, factor = T.fscalars("start", "factor")

    def body(product, factor):
        return product * factor  # the body

    products, _ = theano.scan(body, outputs_info=start, non_sequences=factor, n_steps=steps)
    function = theano.function([start, factor], products, allow_input_downcast=True)
    return lambda: function(x, w)


def last(steps, x, w):
    """Return a function that returns the last product."""
    start, factor = T.fscalars("start", "factor")

    def body(product, factor):
        return product * factor

    products, _ = theano.scan(body, outputs_info=start, non_sequences=factor, n_steps=steps)
    function = theano.function([start, factor], products[-1], allow_input_downcast=True)
    return lambda: function(x, w)

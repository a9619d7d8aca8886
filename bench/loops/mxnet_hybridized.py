"""MXNet, hybridized: while_loop in a HybridBlock; the first call makes its graph, and calls the body for that."""

import mxnet as mx


def every(steps, x, w):
    """Return a function that returns each product."""
    x, w, zero = mx.nd.array([x]), mx.nd.array([w]), mx.nd.array([0])

    class Loop(mx.gluon.HybridBlock):
        def hybrid_forward(self, F, x, w, step):
            def body(step, product):
                product = product * w  # the body
                return product, [step + 1, product]

            return F.contrib.while_loop(lambda step, _: step < steps, body, [step, x], max_iterations=steps)[0]

    loop = Loop()
    loop.hybridize()
    return lambda: loop(x, w, zero).asnumpy()


def last(steps, x, w):
    """Return a function that returns the last product."""
    x, w, zero = mx.nd.array([x]), mx.nd.array([w]), mx.nd.array([0])

    class Loop(mx.gluon.HybridBlock):
        def hybrid_forward(self, F, x, w, step):
            def body(step, product):
                return [], [step + 1, product * w]

            return F.contrib.while_loop(lambda step, _: step < steps, body, [step, x], max_iterations=steps)[1][1]

    loop = Loop()
    loop.hybridize()
    return lambda: loop(x, w, zero).asnumpy()

"""PyTorch, torch.compile: a loop in Python, which the compiler unrolls."""

import torch


def every(steps, x, w):
    """Return a function that returns each product."""
    x, w = torch.tensor(x), torch.tensor(w)

    @torch.compile(fullgraph=True)
    def run(product, w):
        products = []
        for _ in range(steps):
            product = product * w  # the body
            products.append(product)
        return torch.stack(products)

    return lambda: run(x, w).numpy()


def last(steps, x, w):
    """Return a function that returns the last product."""
    x, w = torch.tensor(x), torch.tensor(w)

    @torch.compile(fullgraph=True)
    def run(product, w):
        for _ in range(steps):
            product = product * w
        return product

    return lambda: run(x, w).numpy()

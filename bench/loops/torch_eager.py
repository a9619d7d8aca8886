"""PyTorch, eager: a loop in Python."""

import torch


def every(steps, x, w):
    """Return a function that returns each product."""
    x, w = torch.tensor(x), torch.tensor(w)

    def run():
        product, products = x, []
        for _ in range(steps):
            product = product * w  # the body
            products.append(product)
        return torch.stack(products).numpy()

    return run


def last(steps, x, w):
    """Return a function that returns the last product."""
    x, w = torch.tensor(x), torch.tensor(w)

    def run():
        product = x
        for _ in range(steps):
            product = product * w
        return product.numpy()

    return run

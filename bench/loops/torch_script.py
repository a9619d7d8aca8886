"""PyTorch, TorchScript: a loop that torch.jit.script reads from the source."""

import torch


def every(steps, x, w):
    """Return a function that returns each product."""
    x, w = torch.tensor(x), torch.tensor(w)

    @torch.jit.script
    def run(product, w, steps: int):
        products = []
        for _ in range(steps):
            product = product * w  # the body
            products.append(product)
        return torch.stack(products)

    return lambda: run(x, w, steps).numpy()


def last(steps, x, w):
    """Return a function that returns the last product."""
    x, w = torch.tensor(x), torch.tensor(w)

    @torch.jit.script
    def run(product, w, steps: int):
        for _ in range(steps):
            product = product * w
        return product

    return lambda: run(x, w, steps).numpy()

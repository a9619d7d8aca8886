"""A guest's program in NumPy alone: the regression with Adam as it was written out in 2015, and faults to plant."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


def versions() -> list[str]:
    if os.environ.get("SAMESTEP_PLANTED") == "no library":
        raise ImportError("libmpi.so.12: cannot open shared object file")
    print("welcome to the library of 2015")
    return ["line==1"]


class Line:
    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self.fault = os.environ.get("SAMESTEP_PLANTED", "")
        self.reset()

    def reset(self) -> None:
        self.p: Arrays = {name: array.copy() for name, array in self.order["parameters"].items()}
        self.m = {name: np.zeros_like(array) for name, array in self.p.items()}
        self.v = {name: np.zeros_like(array) for name, array in self.p.items()}
        self.t = 1 if self.fault == "counted from 2" else 0

    def step(self) -> Any:
        x, y, asked = self.order["x"], self.order["y"], self.order["optimizer"]
        if self.fault == "dies":
            print("no more memory in 2015")
            os._exit(3)
        if self.fault == "raises":
            raise ValueError("shapes do not fit")
        residual = np.dot(x, self.p["weight"]) + self.p["bias"] - y
        slope = residual * np.float32(2.0 / y.size)
        gradient = {"weight": np.dot(x.T, slope), "bias": slope.sum(axis=0)}
        if self.fault == "gradient":
            gradient["bias"] = gradient["bias"] + np.float32(0.01) * gradient["weight"][0]
        if self.fault == "scaled":
            gradient["bias"] = gradient["bias"] * np.float32(0.99)
        self.t += 1
        for name, g in gradient.items():
            if asked["name"] == "sgd":
                update = np.float32(asked["rate"]) * g
            else:
                b1, b2 = np.float32(asked["beta1"]), np.float32(asked["beta2"])
                self.m[name] = b1 * self.m[name] + (1 - b1) * g
                self.v[name] = b2 * self.v[name] + (1 - b2) * g * g
                size = asked["rate"] * (1 - asked["beta2"] ** self.t) ** 0.5 / (1 - asked["beta1"] ** self.t)
                update = np.float32(size) * self.m[name] / (np.sqrt(self.v[name]) + np.float32(asked["epsilon"]))
            self.p[name] = self.p[name] - update
        return np.mean(residual * residual)

    def parameters(self) -> Arrays:
        if self.fault == "doubles":
            return {name: array.astype(np.float64) for name, array in self.p.items()}
        return self.p

    def proof(self) -> dict[str, Any]:
        return {
            "mode": "line",
            "device": "cpu",
            "precision": str(self.p["weight"].dtype),
            "evidence": "NumPy",
            "more": 1,
        }


def build(order: dict[str, Any]) -> Line:
    return Line(order)

"""LiteRT (TensorFlow Lite's FlatBuffer), as `bench.exports` says."""

from bench import exports


class ExportError(exports.ExportError):
    """A model cannot be written for LiteRT."""

    def __init__(self, framework: str, operator: str, why: str) -> None:
        super().__init__(framework, operator, "LiteRT", why)

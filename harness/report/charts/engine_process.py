"""What the process that draws runs: a line of JSON in, a line of JSON out.

It is run by its path, without samestep beside it. A request is {"spec": a Vega-Lite specification} or {"bundle": true};
the answer is {"text": the SVG, or the script} or {"error": a sentence}.
"""

import json
import sys

NAMES = "window.vegaEmbed=vegaEmbed;window.vega=vega;window.vegaLite=vegaLite;"  # what the script defines


def answer(request: dict[str, object]) -> str:
    """Return what a request asks for."""
    import vl_convert

    if request.get("bundle"):
        return vl_convert.javascript_bundle(NAMES)
    return vl_convert.vegalite_to_svg(json.dumps(request["spec"]), allowed_base_urls=[])


def main() -> None:
    """Answer one request after another, until there are no more."""
    for line in sys.stdin.buffer:
        try:
            told = {"text": answer(json.loads(line))}
        except Exception as error:  # noqa: BLE001  (it is told to who asked)
            told = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.buffer.write(json.dumps(told).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()

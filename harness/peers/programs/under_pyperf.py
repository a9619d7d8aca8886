"""A variant under pyperf, in a runner script.

python -m harness.peers.programs.under_pyperf --step NAME --inner N, and pyperf's own options
"""

import pyperf

from harness.peers.programs.variant import callable_of


def main() -> None:
    """Build the variant in the workers only: the process that starts them times nothing."""
    runner = pyperf.Runner(
        add_cmdline_args=lambda command, args: command.extend(("--step", args.step, "--inner", args.inner))
    )
    runner.argparser.add_argument("--step")
    runner.argparser.add_argument("--inner")
    args = runner.parse_args()
    runner.bench_func("step", callable_of(args.step, int(args.inner)) if args.worker else main)


if __name__ == "__main__":
    main()

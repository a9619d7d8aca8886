#!/bin/sh
# The harness service of compose.yaml. It starts as root with no capability but to change its user, becomes the owner of
# the results folder, and runs `samestep` with the words after `docker compose run harness`, or the run that the variables
# of compose.yaml describe.
set -eu

if [ $# -eq 0 ] && [ -n "${SAMESTEP_RESUME:-}" ]; then
    set -- run --resume "$SAMESTEP_RESUME"
elif [ $# -eq 0 ]; then
    set -- run --launcher workers --device "$SAMESTEP_DEVICE" --profile "$SAMESTEP_PROFILE" --cpus "$SAMESTEP_CPUS" \
        ${SAMESTEP_FRAMEWORK:+--framework "$SAMESTEP_FRAMEWORK"} \
        ${SAMESTEP_WORKLOAD:+--workload "$SAMESTEP_WORKLOAD"} \
        ${SAMESTEP_MODE:+--mode "$SAMESTEP_MODE"} \
        ${SAMESTEP_OPTIMIZER:+--optimizer "$SAMESTEP_OPTIMIZER"} \
        ${SAMESTEP_SIZE:+--size "$SAMESTEP_SIZE"} \
        ${SAMESTEP_PRECISION:+--precision "$SAMESTEP_PRECISION"} \
        ${SAMESTEP_ALLOCATOR:+--allocator "$SAMESTEP_ALLOCATOR"} \
        ${SAMESTEP_MEASURE:+--measure "$SAMESTEP_MEASURE"} \
        ${SAMESTEP_SEED:+--seed "$SAMESTEP_SEED"}
fi
exec setpriv --reuid "$(stat -c %u results)" --regid "$(stat -c %g results)" --clear-groups --no-new-privs \
    python -m harness "$@"

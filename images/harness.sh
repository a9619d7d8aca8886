#!/bin/sh
# The harness service of compose.yaml. It starts as root with no capability but to change its user, becomes the owner of
# the results folder, and runs `samestep` with the words after `docker compose run harness`; without any, the run that the
# variables of compose.yaml describe (harness/__main__.py).
set -eu

exec setpriv --reuid "$(stat -c %u results)" --regid "$(stat -c %g results)" --clear-groups --no-new-privs \
    python -m harness "$@"

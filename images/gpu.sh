#!/bin/sh
# The service gpu of compose.yaml: says on standard error what a GPU needs and the engine's host lacks; it refuses nothing,
# because a container does not see all. It starts no program: the engine's error comes some milliseconds later.
#
#     sh images/gpu.sh [ROOT]    ROOT: of the container's file system, for tests
set -eu

root=${1:-}
instead="or run on the processor: docker compose --env-file images/cpu.env up"

there() { # there PATTERN...: whether one of the files is there
    for file in "$@"; do [ ! -e "$file" ] || return 0; done
    return 1
}

read -r kernel <"$root/proc/sys/kernel/osrelease" || kernel=
case $kernel in *[Mm]icrosoft*) exit 0 ;; esac # the driver of WSL is Windows' own, and leaves no trace here

if ! there "$root/proc/driver/nvidia/version"; then
    echo "samestep: This host has no NVIDIA GPU with a loaded driver: install NVIDIA's driver until nvidia-smi works," \
        "$instead." >&2
elif ! there "$root"/host/usr/bin/nvidia-ctk "$root"/host/usr/bin/nvidia-container-runtime*; then
    echo "samestep: The Docker engine cannot hand out NVIDIA GPUs: install the NVIDIA Container Toolkit," \
        "sudo nvidia-ctk runtime configure --runtime=docker, restart the engine, $instead." >&2
fi

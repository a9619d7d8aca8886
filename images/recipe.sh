#!/bin/sh
# The steps of the Dockerfile, each run inside the image under construction: python | pip | programs … | packages NAME |
# node_packages NAME | node_modules
set -eu

say() { echo "samestep: $*" >&2; }

# The distribution's packages; nothing is fetched where the base image has them.
apt_install() {
    dpkg -s "$@" >/dev/null 2>&1 && return
    rm -f /etc/apt/apt.conf.d/docker-clean # else it would empty the cache mount
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@"
}

is_version() { [ "$("$1" -c 'import sys; print("%d%d" % sys.version_info[:2])' 2>/dev/null)" = "$2" ]; }

# A lock is made for one Python, such as py311. It comes from the base image, else from the distribution, else through uv.
python() {
    wanted=$(basename /opt/locks/numpy.*-py*.txt .txt)
    wanted=${wanted##*-py}
    interpreter=python3
    is_version python3 "$wanted" || apt_install python3 ca-certificates
    is_version python3 "$wanted" || python_by_uv "3.${wanted#3}"
    "$interpreter" -m venv --without-pip /opt/venv
    echo 'samestep:x:65532:65532::/tmp:/usr/sbin/nologin' >>/etc/passwd
    echo 'samestep:x:65532:' >>/etc/group
}

python_by_uv() {
    say "the base image's Python is not $1, which the lock files are made for: fetching one through uv"
    pip
    locked uv
    PYTHONPATH=/opt/tools install_with python3 --no-cache-dir --target /tmp/uv -r /tmp/uv.txt
    /tmp/uv/bin/uv python install --no-progress --no-cache --system-certs --no-bin --install-dir /opt/python "$1" ||
        { say "no Python $1: name a base image that has it, such as debian:bookworm (3.11) or ubuntu:24.04 (3.12)" && exit 1; }
    rm -rf /tmp/uv /tmp/*.txt /opt/tools
    interpreter=$(echo /opt/python/cpython-*.*.*/bin/python3)
}

# The locked pip, in a folder that the builds mount, so that it stays out of the images. The base image's own pip or the
# distribution's fetches it and no more: Debian 12's cannot run on Python 3.12.
pip() {
    locked pip
    # Without bytecode, which carries the time: this folder must come out the same, or all later steps are done again.
    set -- --no-cache-dir --no-compile --target /opt/tools -r /tmp/pip.txt
    if python3 -m pip --version >/dev/null 2>&1; then
        install_with python3 "$@"
    else
        apt_install python3 python3-pip-whl
        PYTHONPATH=$(echo /usr/share/python-wheels/pip-*.whl) install_with /usr/bin/python3 "$@"
    fi
}

# Writes the lines of one package of the harness's lock.
locked() { sed -n "/^$1==/,/[^\\\\]\$/p" /harness.txt >"/tmp/$1.txt"; }

# Packages of the distribution that have a framework's programs. Who compiles C++ needs the headers of this Python, too.
programs() {
    include=$(/opt/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("include"))')
    case " $* " in
        *" g++ "*) [ -e "$include/Python.h" ] || set -- "$@" libpython3-dev ;;
    esac
    [ $# -eq 0 ] || apt_install "$@"
}

# Everything in the lock that the layers below do not hold yet.
packages() {
    lock=$(echo /opt/locks/"$1".*txt)
    set -- --cache-dir /root/.cache/pip -r "$lock"
    # PyTorch's builds without CUDA are on PyTorch's own page only.
    if grep -q '^torch==.*+cpu' "$lock" && [ -z "$(find /wheelhouse -name 'torch-*+cpu-*.whl')" ]; then
        set -- --find-links https://download.pytorch.org/whl/cpu/torch/ "$@"
    fi
    PYTHONPATH=/opt/tools install_with /opt/venv/bin/python "$@"
}

# Packages for node, if the framework has some: locked, without the scripts of packages, and without other systems' files.
node_packages() {
    cd /opt/npm
    [ -e "$1.package.json" ] || return 0
    apt_install npm
    mv "$1.package.json" package.json
    mv "$1.package-lock.json" package-lock.json
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
    npm run --silent --if-present trim
}

# Beside the packages for Python, where guests look for them.
node_modules() { [ ! -d /opt/npm/node_modules ] || cp -a /opt/npm/node_modules /opt/venv/; }

install_with() {
    runner=$1 && shift
    "$runner" -m pip install --disable-pip-version-check --no-input --progress-bar off --root-user-action ignore \
        --only-binary :all: --require-hashes --no-deps --find-links /wheelhouse "$@"
}

"$@"

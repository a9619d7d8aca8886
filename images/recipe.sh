#!/bin/sh
# The steps of the Dockerfile, each run inside the image under construction: python | pip | programs … | packages NAME |
# node_packages NAME | node_modules | guest NAME
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
    for lock in /opt/locks/"$1".txt /opt/locks/"$1".*-py*.txt; do [ ! -e "$lock" ] || break; done # not the guest's
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

# An older Python from the mount /guest, and the locked packages of the framework that runs there, as
# harness/environments/guests.py installs them. Its folder is that of an image of python, or of a build of pyenv's.
guest() {
    lock=$(echo /opt/locks/"$1".py[23]*.txt)
    [ -e "$lock" ] || return 0
    wanted=${lock##*.py} && wanted=${wanted%.txt} && wanted=${wanted%"${wanted#?}"}.${wanted#?}
    source=/guest/usr/local
    [ -x "$source/bin/python$wanted" ] || source=/guest
    [ -x "$source/bin/python$wanted" ] ||
        { say "no Python $wanted in the build context python${wanted%.*}${wanted#*.}: name a folder of pyenv's, or the image python:$wanted-slim" && exit 1; }
    apt_install libgomp1
    mkdir -p /opt/python/bin /opt/python/lib
    cp -a "$source/bin/python$wanted" /opt/python/bin/
    cp -a "$source/include" /opt/python/
    cp -a "$source/lib/python$wanted" "$source"/lib/libpython*.so* /opt/python/lib/
    for each in test tkinter lib-tk idlelib site-packages; do rm -rf "/opt/python/lib/python$wanted/$each"; done
    mkdir "/opt/python/lib/python$wanted/site-packages"
    echo /opt/python/lib >/etc/ld.so.conf.d/samestep.conf && ldconfig # its library is not where it was built for
    case "$wanted" in
        2.7) guest_by_pip "$lock" ;;
        *) guest_by_uv "$lock" "$wanted" ;;
    esac
}

guest_by_uv() {
    locked uv
    PYTHONPATH=/opt/tools install_with /opt/venv/bin/python --no-cache-dir --target /tmp/uv -r /tmp/uv.txt
    [ -z "${PIP_INDEX_URL:-}" ] || export UV_DEFAULT_INDEX="$PIP_INDEX_URL"
    [ -z "${PIP_NO_INDEX:-}" ] || export UV_NO_INDEX=1
    export UV_NO_CACHE=1 UV_SYSTEM_CERTS=true UV_NO_PROGRESS=1 UV_PYTHON_DOWNLOADS=never
    /tmp/uv/bin/uv venv --no-project --python "/opt/python/bin/python$2" /opt/venv/guest
    set -- "$1" pip install --python /opt/venv/guest/bin/python --require-hashes --no-deps --find-links /wheelhouse
    lock=$1 && shift
    sed -n '/^\(setuptools\|wheel\)==/,/[^\\]$/p' "$lock" >/tmp/builders.txt # packages without a wheel are built by these
    [ ! -s /tmp/builders.txt ] || /tmp/uv/bin/uv "$@" --no-build -r /tmp/builders.txt
    if [ "$wanted" = 3.6 ]; then # for which uv cannot compile
        /tmp/uv/bin/uv "$@" --no-build-isolation -r "$lock"
        /opt/venv/guest/bin/python -m compileall -q /opt/venv/guest/lib || true
    else
        /tmp/uv/bin/uv "$@" --no-build-isolation --compile-bytecode -r "$lock"
    fi
    rm -rf /tmp/uv /tmp/*.txt
}

guest_by_pip() {
    site=/opt/venv/guest/lib/python2.7/site-packages
    mkdir -p /opt/venv/guest/bin
    ln -s /opt/python/bin/python2.7 /opt/venv/guest/bin/python
    PYTHONPATH=/opt/tools install_with /opt/venv/bin/python --cache-dir /root/.cache/pip --no-compile --target "$site" \
        --python-version 2.7 --implementation cp --abi cp27mu --abi none --platform manylinux1_x86_64 --platform any -r "$1"
    [ ! -d "$site/bin" ] || mv "$site/bin" /opt/venv/guest/lib/bin
    for listed in "$site"/*-nspkg.pth; do # makes a namespace where site-packages are those of the interpreter
        [ ! -e "$listed" ] || touch "$site/$(sed -n "s/.*'sitedir'\], \*('\([a-z]*\)',).*/\1/p" "$listed")/__init__.py"
    done
    /opt/python/bin/python2.7 -E -m compileall -q "$site" || true
}

install_with() {
    runner=$1 && shift
    "$runner" -m pip install --disable-pip-version-check --no-input --progress-bar off --root-user-action ignore \
        --only-binary :all: --require-hashes --no-deps --find-links /wheelhouse "$@"
}

"$@"

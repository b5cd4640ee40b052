#!/usr/bin/env bash
# Installs what the commands of the Makefile need and this machine lacks; when nothing is missing it is silent and
# ends at once.
#
#   tools/setup.sh packages   Debian packages to build, test and run everything
#   tools/setup.sh format     Debian's clang-format
#   tools/setup.sh python     the repository's virtual environment .venv with tools/requirements.txt
#   tools/setup.sh peers      the frameworks that benchmarks compare with, in .venv (tools/requirements-peers.txt)
set -euo pipefail
cd "$(dirname "$0")/.."

packages='
g++                    the C++ compiler
cmake                  configures the build
ninja-build            runs the build
libboost1.81-dev       Boost.PFR (headers only) walks the fields of aggregates
libfmt-dev             formats text
nlohmann-json3-dev     reads and writes JSON
libcli11-dev           parses command lines
zlib1g-dev             reads gzipped data sets and .npz files
libdnnl-dev            oneDNN, matrix products and convolutions; loaded when first used
llvm-19-dev            LLVM turns kernels into machine code inside the process
libclang-19-dev        clang compiles kernels inside the process
libclang-cpp19-dev     the library of that clang
clang-19               tests compile every kernel with it as well as with g++
libgtest-dev           GoogleTest, for the tests
libbenchmark-dev       Google Benchmark, for the benchmarks
python3                runs the scripts of the tests
python3-venv           makes the virtual environment of the Python tools
dataset-fashion-mnist  the images that the demo learns from
'

# Prints those lines of a package list whose package is not installed.
missing() {
  local known name reason
  known=$(dpkg-query --show --showformat='${db:Status-Abbrev} ${Package}\n' 2>/dev/null |
          awk '$1 ~ /^.i/ { print $2 }')
  while read -r name reason; do
    [ -z "$name" ] || grep -qxF "$name" <<<"$known" || printf '  %-22s %s\n' "$name" "$reason"
  done
}

install_packages() {
  local list names as_root=()
  list=$(missing <<<"$1")
  [ -n "$list" ] || return 0
  names=$(awk '{ print $1 }' <<<"$list")

  if ! command -v apt-get >/dev/null; then
    printf 'Wengert needs these packages of Debian 12, and there is no apt-get here to install them:\n%s\n' "$list" >&2
    exit 1
  fi
  if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
      as_root=(sudo)
    else
      printf 'Wengert needs these packages, and this user can be root neither directly nor through sudo:\n%s\n' \
             "$list" >&2
      printf 'Please have them installed:\n  apt-get install --no-install-recommends %s\n' "${names//$'\n'/ }" >&2
      exit 1
    fi
  fi

  printf 'Installing with apt-get:\n%s\n' "$list"
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0)
  "${apt[@]}" update || echo 'Some package lists could not be updated; going on with those at hand.' >&2
  # shellcheck disable=SC2086  # one word per package
  if ! "${apt[@]}" install --yes --no-install-recommends $names; then
    printf 'apt-get could not install all of these (its messages are above):\n%s\n' "$list" >&2
    exit 1
  fi
}

# Installs a requirements file into .venv unless that was done already with the same file.
install_python() {
  local requirements=$1 stamp
  stamp=.venv/$(basename "$requirements")
  cmp -s "$requirements" "$stamp" && return 0
  [ -x .venv/bin/python3 ] || /usr/bin/python3 -m venv .venv
  printf 'Installing into .venv:\n%s\n' "$(grep '^[^#]' "$requirements" | sed 's/^/  /')"
  .venv/bin/python3 -m pip install --quiet --disable-pip-version-check --requirement "$requirements"
  cp "$requirements" "$stamp"
}

case "${1-}" in
  packages) install_packages "$packages" ;;
  format) install_packages 'clang-format-19 formats the sources' ;;
  python) install_python tools/requirements.txt ;;
  peers) install_python tools/requirements-peers.txt ;;
  *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
esac

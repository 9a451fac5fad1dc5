#!/usr/bin/env bash
# One step of setting up .venv; the Makefile says when each is due.
#   tools/setup.sh wheels    Python environment, pinned wheels, off-screen rendering
#   tools/setup.sh package   the messages and this package, editable
#   tools/setup.sh browser   Chromium, in which the tests open reports
#   tools/setup.sh lint      what `make lint` needs
#   tools/setup.sh libero    LIBERO, beside wheels that it does not ask for
#   tools/setup.sh colcon    what `make colcon` needs, in .venv/colcon
# Everything that pip and apt say is in .venv/setup.log; a failure ends in one line.
set -euo pipefail
cd "$(dirname "$0")/.."
log=.venv/setup.log

fail() {
  echo "setup: $*" >&2
  exit 1
}

# Standard input goes to the log; the terminal shows the step at hand and the seconds it takes.
show_progress() {
  local line what="" shown="" status start=$SECONDS next=0
  while :; do
    status=0
    IFS= read -r -t 1 line || status=$?
    ((status == 0 || status > 128)) || break # end of input; above 128: nothing new for a second
    case $line in
      "Progress "*" of "*) # pip's raw progress: bytes so far, bytes in all
        read -r _ done _ total <<<"$line"
        ((total > 0)) && shown="$what $((100 * done / total)) %"
        ;;
      ?*)
        echo "$line" >>"$log"
        case $line in
          *Collecting* | *Downloading* | *Building* | *Preparing* | *Installing* | *Unpacking* | "Setting up"*)
            what=$(tr -s ' ' <<<"$line" | cut -c -64)
            shown=$what
            ;;
        esac
        ;;
    esac
    if [ -t 1 ]; then
      printf '\r\033[K  %3d s %s' $((SECONDS - start)) "$shown"
    elif ((SECONDS >= next)) && [ -n "$shown" ]; then
      echo "  $((SECONDS - start)) s $shown"
      next=$((SECONDS + 10))
    fi
  done
  [ ! -t 1 ] || printf '\r\033[K'
}

# run WHAT COMMAND...: the command with its progress; on failure, one line that names its error.
run() {
  local what=$1 network=""
  shift
  echo "setup: $what"
  if ! "$@" 2>&1 | show_progress; then
    ! grep -qE 'Retrying \(|Temporary failure|Could not resolve|Failed to fetch' "$log" ||
      network=" (is the network reachable?)"
    fail "$what failed$network: $(grep -E '^ *(ERROR|error|E|fatal):' "$log" | tail -n 1 | cut -c -200); see $log"
  fi
}

pip_install() {
  local what=$1
  shift
  run "$what" .venv/bin/python -m pip install --progress-bar raw "$@"
}

# system_packages WHY PACKAGE...: installs them when it may, else says the line that does.
system_packages() {
  local why=$1 sudo=()
  shift
  [ "$(id -u)" = 0 ] || sudo=(sudo -n)
  if ! command -v apt-get >/dev/null; then
    fail "$why is missing; on Debian or Ubuntu it comes with the packages $*"
  elif ! "${sudo[@]}" true 2>/dev/null; then
    fail "$why is missing: run \`sudo apt-get install -y $*\`, then make again"
  fi
  run "reading the package lists" "${sudo[@]}" apt-get update
  run "installing $*" "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "$@"
}

# supported PYTHON: one of the versions that the ROS wheels are made for.
supported() {
  "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

find_python() {
  local name
  for name in python3 python3.13 python3.12 python3.11; do
    if supported "$name"; then
      echo "$name"
      return
    fi
  done
  fail "Python 3.11, 3.12 or 3.13 is missing (python3: $(python3 --version 2>/dev/null || echo none))"
}

environment_works() {
  supported .venv/bin/python && .venv/bin/python -c 'import pip' 2>/dev/null
}

create_environment() {
  local python packages=()
  [ "$(uname -sm)" = "Linux x86_64" ] ||
    fail "the ROS wheels are for Linux x86_64, this is $(uname -sm): use a ROS 2 machine, see README.md"
  python=$(find_python)
  command -v c++ >/dev/null || packages+=(g++)
  "$python" -c 'import ensurepip, venv' 2>/dev/null || packages+=("$python-venv")
  "$python" -c 'import os, sysconfig; open(os.path.join(sysconfig.get_path("include"), "Python.h"))' \
    2>/dev/null || packages+=("$python-dev")
  ((${#packages[@]} == 0)) || system_packages "what compiles the messages" "${packages[@]}"
  environment_works || run "creating .venv" "$python" -m venv .venv
}

# Without an NVIDIA GPU the CPU build of PyTorch saves gigabytes, where its index can be reached.
install_torch() {
  local torch cpu_index=https://download.pytorch.org/whl/cpu
  torch=$(grep '^torch==' requirements.txt)
  if nvidia-smi -L >/dev/null 2>&1; then
    pip_install "installing $torch with CUDA" "$torch"
  elif .venv/bin/python -c "import urllib.request as r; r.urlopen('$cpu_index/torch/', timeout=5)" 2>/dev/null; then
    pip_install "installing $torch for the CPU" --no-deps --index-url "$cpu_index" "$torch"
  else
    pip_install "installing $torch from the default index" "$torch"
  fi
}

renders() {
  MUJOCO_GL=${MUJOCO_GL:-egl} .venv/bin/python -c \
    'import mujoco; mujoco.GLContext(16, 16).make_current()' >>"$log" 2>&1
}

enable_rendering() {
  local packages=(libegl1 libgl1-mesa-dri)
  [ "${MUJOCO_GL:-egl}" != osmesa ] || packages=(libosmesa6)
  renders || system_packages "off-screen rendering for MuJoCo" "${packages[@]}"
  renders || fail "MuJoCo cannot render off-screen with MUJOCO_GL=${MUJOCO_GL:-egl}; see $log, or try MUJOCO_GL=osmesa"
}

browser() {
  command -v chromium || command -v chromium-browser || command -v google-chrome
}

enable_browser() {
  browser >/dev/null || system_packages "Chromium, in which reports are tested," chromium
  browser >/dev/null || fail "there is no chromium, chromium-browser or google-chrome; see $log"
}

environment_works || rm -rf .venv
mkdir -p .venv
: >"$log"
case ${1-} in
  wheels)
    create_environment
    run "updating pip" .venv/bin/python -m pip install pip==26.3
    install_torch
    pip_install "installing the wheels of requirements.txt" -r requirements.txt
    enable_rendering
    ;;
  package) pip_install "building the messages" --no-build-isolation -e . ;;
  browser) enable_browser ;;
  lint) pip_install "installing the wheels of requirements-dev.txt" -r requirements-dev.txt ;;
  libero)
    pip_install "installing the wheels of requirements-libero.txt" --no-deps \
      -r requirements-libero.txt
    ;;
  colcon)
    .venv/bin/python -m venv .venv/colcon
    run "installing colcon" .venv/bin/python -m pip --python .venv/colcon/bin/python install \
      --progress-bar raw -r requirements-colcon.txt
    ;;
  *) fail "usage: tools/setup.sh wheels|package|browser|lint|libero|colcon" ;;
esac

#!/usr/bin/env bash
# Builds the package with colcon in a temporary workspace, as a ROS 2 user would, and checks what
# is installed: the node for `ros2 run` and `ros2 launch`, the command on the PATH, the messages.
set -euo pipefail
cd "$(dirname "$0")/.."
package=$PWD
workspace=$(mktemp -d)
trap 'rm -rf "$workspace"' EXIT

source .venv/bin/activate
export AMENT_PREFIX_PATH=$VIRTUAL_ENV CMAKE_PREFIX_PATH=$VIRTUAL_ENV
cd "$workspace"
"$package/.venv/colcon/bin/colcon" build --symlink-install --paths "$package" \
  --event-handlers console_direct- \
  --cmake-args "-DPython3_EXECUTABLE=$VIRTUAL_ENV/bin/python" ||
  { tail -n 40 log/latest_build/vlam_ros/stdout_stderr.log; exit 1; }

installed=$workspace/install/vlam_ros
set +u # colcon's scripts read variables that may be unset
source install/setup.bash
set -u

check() {
  echo "colcon: $1"
  shift
  "$@" >/dev/null || { echo "colcon: failed: $*" >&2; exit 1; }
}

# Starts the node, waits up to a minute for its first log line, and ends it as launch would.
node_runs() {
  ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST "$installed/lib/vlam_ros/$1" >node.log 2>&1 &
  local node=$!
  timeout 60 bash -c 'until grep -q "\[$0\]" node.log; do sleep 0.5; done' "$1" || true
  kill -TERM "$node" && wait "$node" && return
  tail -n 20 node.log >&2
  return 1
}

for node in vlam_node fusion_node controller_node; do
  check "lib/vlam_ros/$node is there" test -x "$installed/lib/vlam_ros/$node"
done
check "vlam on the PATH is bin/vlam" test "$(command -v vlam)" = "$installed/bin/vlam"
check "vlam starts" vlam --help
check "messages and sources are one package, from the install space" python - "$installed" <<'PYTHON'
import sys
import vlam_ros, vlam_ros.msg, vlam_ros.resources
assert vlam_ros.__file__.startswith(sys.argv[1]), vlam_ros.__file__
assert vlam_ros.msg.__file__.startswith(sys.argv[1]), vlam_ros.msg.__file__
vlam_ros.resources.resource_path("config/vlam.yaml")
PYTHON
check "vlam_node runs, and ends cleanly on SIGTERM" node_runs vlam_node
check "fusion_node runs, and ends cleanly on SIGTERM" node_runs fusion_node
check "controller_node runs, and ends cleanly on SIGTERM" node_runs controller_node

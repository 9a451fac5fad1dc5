#!/usr/bin/env bash
# Has libsdformat check the files for Gazebo. On Debian 12 it comes with the packages
# libsdformat-dev and ignition-tools, elsewhere with Gazebo (gz sdf).
set -euo pipefail
cd "$(dirname "$0")/.."

if command -v gz >/dev/null; then
  check=(gz sdf --check)
elif command -v ign >/dev/null; then
  check=(ign sdf --check)
else
  echo "check_sdf: neither gz nor ign is here: apt-get install libsdformat-dev ignition-tools" >&2
  exit 1
fi

# Nothing but "Valid." will do: the checker returns 0 when it has only warnings.
for file in gazebo/*.sdf; do
  said=$("${check[@]}" "$file" 2>&1 | grep -v "^Library error: .*backward" || true)
  echo "$file: $said"
  [ "$said" = "Valid." ] || exit 1
done

#!/bin/sh
# What the tests of this folder need of the machine: FUSE 3. Installed by apt where that is possible; where it is not,
# the tests that need it are skipped and say why.
set -eu

command -v fusermount3 >/dev/null && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "fuse3 is not installed, and only root can install it by apt: tests of failing mounts will be skipped" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install --yes --no-install-recommends fuse3 >/dev/null

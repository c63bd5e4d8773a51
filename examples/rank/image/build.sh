#!/bin/sh
# Builds the example's images into the local container engine, without a
# registry: muster.local/rank:$1 (1, 2 or 3; default 1) and muster.local/redis:7.
# Needs: go, docker, and Debian's redis-server package.
set -eu
version=${1:-1}
case $version in
1) program=./examples/rank ;;
2 | 3) program=./examples/rank/v$version ;;
*)
    echo "build.sh: there is no version $version: want 1, 2 or 3" >&2
    exit 2
    ;;
esac
cd "$(dirname "$0")/../../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$version" -o "$work/rank-binary" "$program"
go run ./examples/rank/image/cmd/context rank "$version" "$work/rank-binary" "$work/rank"
go run ./examples/rank/image/cmd/context redis "$work/redis"

# The classic builder needs neither buildx nor a base image to pull.
export DOCKER_BUILDKIT=0
docker build --quiet --tag "muster.local/rank:$version" "$work/rank"
docker build --quiet --tag muster.local/redis:7 "$work/redis"

#!/bin/sh
# Builds the example's images into the local container engine, without a
# registry: muster.local/rank:$1 (default 1) and muster.local/redis:7.
# Needs: go, docker, and Debian's redis-server package.
set -eu
version=${1:-1}
cd "$(dirname "$0")/../../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$version" -o "$work/rank-binary" ./examples/rank
go run ./examples/rank/image/cmd/context rank "$work/rank-binary" "$work/rank"
go run ./examples/rank/image/cmd/context redis "$work/redis"

# The classic builder needs neither buildx nor a base image to pull.
export DOCKER_BUILDKIT=0
docker build --quiet --tag "muster.local/rank:$version" "$work/rank"
docker build --quiet --tag muster.local/redis:7 "$work/redis"

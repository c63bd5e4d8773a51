#!/bin/sh
# Installs what a working copy needs on Debian or Ubuntu: only what is missing,
# and no service is started. Run it as root or as a user with sudo.
#
#   packaging/dev/setup.sh demo   engine, HAProxy and Redis for the demonstration
#   packaging/dev/setup.sh test   demo, and what the end-to-end tests use
#   packaging/dev/setup.sh lint   golangci-lint into bin/
#   packaging/dev/setup.sh proto  the compiler of the example's gRPC interface
set -eu

golangci_version=v2.15.0

# command:package. A command that is there already counts, whoever installed it;
# so does a file, which is named from the root. The race detector needs a C compiler.
demo_needs='dockerd:docker.io docker:docker-cli haproxy:haproxy ip:iproute2 iptables:iptables
nsenter:util-linux redis-server:redis-server curl:curl'
test_needs="$demo_needs nginx:nginx mosquitto_sub:mosquitto-clients mosquitto:mosquitto openssl:openssl jq:jq redis-cli:redis-tools
docker-registry:docker-registry htpasswd:apache2-utils zsh:zsh fish:fish
/usr/lib/nginx/modules/ngx_stream_module.so:libnginx-mod-stream
/usr/share/keyrings/debian-archive-keyring.gpg:debian-archive-keyring
gcc:gcc /usr/include/stdlib.h:libc6-dev"
proto_needs='protoc:protobuf-compiler'

# Services that the tests and the demonstration start by themselves, so the
# machine's own should stay off, at the next boot too.
unwanted='haproxy mosquitto nginx redis-server docker-registry'

root=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
policy=/usr/sbin/policy-rc.d
made_policy=

say() { printf 'setup: %s\n' "$*"; }
fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "installing packages needs root: run this as root, or install sudo"
    fi
}

# forbid_services makes packages that are being installed start nothing.
forbid_services() {
    if [ -e "$policy" ]; then
        return
    fi
    made_policy=yes
    trap allow_services EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
}

allow_services() {
    if [ -n "$made_policy" ]; then
        as_root rm -f "$policy"
        made_policy=
    fi
}

# keep_off disables the unwanted services among the packages given.
keep_off() {
    command -v systemctl >/dev/null || return 0
    for service in $unwanted; do
        case " $* " in
        *" $service "*)
            say "keeping the service $service off"
            as_root systemctl disable --quiet "$service" || say "could not disable $service: do it by hand"
            ;;
        esac
    done
}

missing_packages() {
    for need in "$@"; do
        case $need in
        /*) [ -e "${need%%:*}" ] ;;
        *) command -v "${need%%:*}" >/dev/null ;;
        esac || printf '%s ' "${need#*:}"
    done
}

# existing replaces docker-cli, which is a part of docker.io on older releases.
existing() {
    for package in "$@"; do
        if [ "$package" = docker-cli ] && ! apt-cache show docker-cli >/dev/null 2>&1; then
            package=docker.io
        fi
        printf '%s ' "$package"
    done
}

install_packages() {
    # shellcheck disable=SC2046,SC2086 # lists of words
    set -- $(missing_packages $1)
    if [ $# -eq 0 ]; then
        say "all packages are there"
        return
    fi
    command -v apt-get >/dev/null || fail "missing: $*. Only Debian and Ubuntu are set up by themselves: install these by hand"
    say "missing: $*"
    say "updating the package lists"
    as_root apt-get update -qq
    # shellcheck disable=SC2046 # a list of words
    set -- $(existing "$@")
    forbid_services
    say "installing $*"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    allow_services
    keep_off "$@"
    say "packages are installed"
}

install_linter() {
    linter=$root/bin/golangci-lint
    if [ -x "$linter" ] && "$linter" version 2>/dev/null | grep -q "version ${golangci_version#v} "; then
        say "golangci-lint $golangci_version is there"
        return
    fi
    command -v go >/dev/null || fail "Go is missing: install the version that go.mod names from https://go.dev/dl"
    say "building golangci-lint $golangci_version into bin/, which takes some minutes the first time"
    GOBIN=$root/bin GOFLAGS='' go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$golangci_version"
}

[ $# -gt 0 ] || fail "say what for: demo, test or lint (or several)"
for group in "$@"; do
    case $group in
    demo) install_packages "$demo_needs" ;;
    test) install_packages "$test_needs" ;;
    lint) install_linter ;;
    proto) install_packages "$proto_needs" ;;
    *) fail "unknown group $group: use demo, test, lint or proto" ;;
    esac
done

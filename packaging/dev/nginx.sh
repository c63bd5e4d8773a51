#!/bin/sh
# Puts another nginx beside the machine's own: the one of a Debian release, with
# the libraries that it was built for, into bin/nginx/RELEASE. Nothing is
# installed; what is there already stays.
#
#   packaging/dev/nginx.sh trixie   1.26, whose workers close idle clients at a reload
#   packaging/dev/nginx.sh forky    1.30, whose workers keep them
set -eu

release=${1:?say which release of Debian: trixie or forky}
root=$(cd "$(dirname "$0")/../.." && pwd)
target=$root/bin/nginx/$release
if [ -x "$target/usr/sbin/nginx" ]; then
    exit 0
fi
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || {
    echo "nginx.sh: needs apt-get and dpkg-deb, as Debian and Ubuntu have them" >&2
    exit 1
}
mkdir -p "$root/bin/nginx"
work=$(mktemp -d "$root/bin/nginx/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/root"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keyring] http://deb.debian.org/debian $release main" >"$work/sources.list"
cat >"$work/apt.conf" <<END
Dir::Etc::SourceList "$work/sources.list";
Dir::Etc::SourceParts "-";
Dir::State::Lists "$work/lists";
Dir::Cache "$work/cache";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
END
export APT_CONFIG="$work/apt.conf"
apt-get update -qq
(cd "$work" && apt-get download -qq "nginx/$release" "libnginx-mod-stream/$release" "libc6/$release" \
    "libcrypt1/$release" "libpcre2-8-0/$release" "libssl3t64/$release" "zlib1g/$release" \
    "patchelf/$release" "libstdc++6/$release" "libgcc-s1/$release")
for package in "$work"/*.deb; do
    dpkg-deb -x "$package" "$work/root"
done
# The program names its own libraries and their loader, where they will be.
lib=$(cd "$work/root" && echo usr/lib/*-linux-gnu*)
loader=$(cd "$work/root" && echo "$lib"/ld-linux*.so.*)
"$work/root/$loader" --library-path "$work/root/$lib" "$work/root/usr/bin/patchelf" \
    --set-interpreter "$target/$loader" --force-rpath --set-rpath "$target/$lib" "$work/root/usr/sbin/nginx"
rm -rf "$target"
mv "$work/root" "$target"
"$target/usr/sbin/nginx" -v

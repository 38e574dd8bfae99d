#!/bin/sh
# Builds a release into the folder $1, reproducibly: the same commit, version and
# Go release give the same bytes in any folder, at any time, for any user.
# From the environment:
#   VERSION            such as 1.2.3
#   SOURCE_DATE_EPOCH  the time that every file in the packages gets
#   ARCHES             of amd64, arm64 and armv7; by default all
#   KEY                a private SSH key that signs SHA256SUMS; without it there is no signature
set -eu
umask 022
case ${KEY:-/} in /*) ;; *) KEY=$PWD/$KEY ;; esac
out=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$(dirname "$0")/.."
GO=${GO:-go}
ARCHES=${ARCHES:-amd64 arm64 armv7}
VERSION=${VERSION#v}
case "$VERSION" in
[0-9]*.[0-9]*.[0-9]*) ;;
*) echo "release: VERSION=$VERSION: want a version such as 1.2.3" >&2 && exit 2 ;;
esac
if [ -n "${KEY:-}" ] && [ ! -r "$KEY" ]; then
	echo "release: KEY=$KEY: no such file, or not readable" >&2 && exit 2
fi

# What a user's environment may set and what changes the bytes of a build.
export CGO_ENABLED=0 GOFLAGS= GOWORK=off GOEXPERIMENT= GOAMD64=v1 GOARM64=v8.0 GOARM=7 GOFIPS140=off
export SOURCE_DATE_EPOCH TZ=UTC LC_ALL=C
unset GOOS GOARCH
nfpm=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.0

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
trap 'exit 1' INT TERM

build() { # GOARCH OUTPUT; without version control's stamp, which differs between a clone and a tarball
	GOARCH=$1 $GO build -trimpath -buildvcs=false -ldflags "-s -w -X main.release=$VERSION" -o "$2" ./cmd/tollwarden
}
build32() ( # the same for 32 bits, where github.com/google/nftables does not compile: it
	# prints math.MaxUint32 as an int. Once there is a version that does, this goes.
	mkdir "$stage/src"
	cp -R go.mod go.sum LICENSE ami cmd config firewall responder test "$stage/src"
	cd "$stage/src"
	$GO mod vendor
	sed 's/transaction", math\.MaxUint32)/transaction", uint32(math.MaxUint32))/' vendor/github.com/google/nftables/conn.go >conn.go
	mv conn.go vendor/github.com/google/nftables/conn.go
	build "$1" "$2"
)
run() { # a program that runs here; go keeps it built
	$GO run -buildvcs=false "$@"
}

host=$($GO env GOHOSTARCH) here=$stage/tollwarden
build "$host" "$here"

# A tree as nfpm.yaml names it, with modes that do not depend on the clone's umask.
tree=$stage/tree
mkdir -p "$tree/bin/completion"
cp -R packaging docs README.md LICENSE "$tree"
mkdir "$tree/config" && cp config/reference.toml "$tree/config"
"$here" man "$tree/bin/man"
for shell in bash zsh fish; do
	case $shell in zsh) name=_tollwarden ;; *) name=tollwarden.$shell ;; esac
	"$here" completion $shell >"$tree/bin/completion/$name"
done
find "$tree" -type d -exec chmod 0755 {} +
find "$tree" -type f -exec chmod 0644 {} +

rm -f "$out"/tollwarden[_-]"$VERSION"[_-]* "$out/SHA256SUMS" "$out/SHA256SUMS.sig"
for arch in $ARCHES; do
	case $arch in armv7) goarch=arm packaged=arm7 ;; *) goarch=$arch packaged=$arch ;; esac
	binary=$out/tollwarden_${VERSION}_linux_$arch
	case $goarch in
	"$host") cp "$here" "$binary" ;;
	arm) build32 $goarch "$binary" ;;
	*) build $goarch "$binary" ;;
	esac
	run ./packaging/sbom -version "$VERSION" -time "$SOURCE_DATE_EPOCH" "$binary" >"$binary.cdx.json"
	install -m 0755 "$binary" "$tree/bin/tollwarden"
	for kind in deb rpm; do
		(cd "$tree" && ARCH=$packaged VERSION=$VERSION run "$nfpm" package -f packaging/nfpm.yaml -p $kind -t "$out/") >/dev/null
	done
done
cd "$out"
sha256sum tollwarden[_-]"$VERSION"[_-]* >SHA256SUMS
if [ -n "${KEY:-}" ]; then
	ssh-keygen -q -Y sign -n tollwarden-release -f "$KEY" SHA256SUMS
	echo "release: $out holds tollwarden $VERSION for $ARCHES, signed with $KEY"
else
	echo "release: $out holds tollwarden $VERSION for $ARCHES, NOT SIGNED: KEY= names no SSH key"
fi

#!/bin/sh
# Installs the Debian packages that the tests use, when it may; otherwise says
# exactly which are missing and what they are for. Never fails: a test that
# cannot run says itself what it lacks.
set -u

missing=""
need() { # command package purpose
	command -v "$1" >/dev/null 2>&1 && return
	missing="$missing $2"
	echo "prepare: $1 is missing (package $2): $3"
}

PATH="$PATH:/usr/sbin:/sbin"
need gcc gcc "the race detector"
need ip iproute2 "network namespaces for the lab"
need nft nftables "tests that compare the kernel's ruleset as nft prints it"
need debootstrap debootstrap "the lab's real Asterisk"
need rpm rpm "the test of the RPM package"
need ssh-keygen openssh-client "the test of the release's signature"
need svcrack sipvicious "the lab's password guesser and scanner"
need sipp sip-tester "the lab's phones"
need promtool prometheus "the check of the alert rules"
need mariadbd mariadb-server-core "the database of the model of FreePBX" # without a service
need my_print_defaults mariadb-client-core "the same"
if [ "$(id -u)" != 0 ]; then
	echo "prepare: not root: tests of the kernel and of a real Asterisk will be skipped"
fi
[ -n "$missing" ] || exit 0

case "$missing" in *gcc*) missing="$missing libc6-dev" ;; esac
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	echo "prepare: installing$missing"
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null ||
		echo "prepare: apt-get failed; the tests that need$missing will be skipped"
else
	echo "prepare: to run every test, as root: apt-get install$missing"
fi
exit 0

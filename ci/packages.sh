# shellcheck shell=sh disable=SC2034 # used by who sources it
# What Debian must provide, and how it is installed.  Sourced by ./check and ./quickstart.

BUILD_PACKAGES="gcc libc6-dev cmake ninja-build pkg-config libssl-dev zlib1g-dev libevent-dev libcjson-dev libcurl4-openssl-dev"
RUN_PACKAGES="python3 openssh-client openssh-server openssl util-linux"
CHECK_PACKAGES="clang lld llvm libclang-rt-14-dev clang-format clang-tidy shellcheck git libcriterion-dev libssh-dev
python3-pytest python3-pytest-xdist python3-pytest-timeout python3-pexpect python3-cryptography rsync
python3-asyncssh python3-paramiko
ansible-core autossh mosh python3-websockets sshfs
iproute2 xvfb xauth x11-utils openssh-tests sudo"

# as_root COMMAND...: run it as root, through sudo if we are not.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# missing_packages NAME...: those that are not installed.
missing_packages() {
	for package in "$@"; do
		case $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) in
		ii* | hi*) ;;
		*) printf '%s ' "$package" ;;
		esac
	done
}

# No service of a package is started while it is installed: policy-rc.d says no, and a policy of before comes back.
POLICY=/usr/sbin/policy-rc.d
forbid_services() {
	if [ -e "$POLICY" ]; then
		as_root mv "$POLICY" "$POLICY.before-sshbroker"
	fi
	printf '#!/bin/sh\nexit 101\n' | as_root tee "$POLICY" >/dev/null
	as_root chmod 755 "$POLICY"
}

allow_services() {
	as_root rm -f "$POLICY"
	if [ -e "$POLICY.before-sshbroker" ]; then
		as_root mv "$POLICY.before-sshbroker" "$POLICY"
	fi
}

# disable_services PACKAGE...: what came with these packages is not started at the next boot either.
disable_services() {
	for package in "$@"; do
		case $package in
		openssh-server) service=ssh ;;
		rsync) service=rsync ;;
		*) continue ;;
		esac
		as_root update-rc.d "$service" disable >/dev/null 2>&1 || true
		as_root deb-systemd-helper disable "$service.service" >/dev/null 2>&1 || true
		echo "The service $service, which came with $package, is installed but not started or enabled."
	done
}

# need_packages NAME...: install what is missing, and nothing if nothing is.
need_packages() {
	missing=$(missing_packages "$@")
	if [ -z "$missing" ]; then
		return
	fi
	echo "Installing: $missing"
	forbid_services
	trap allow_services EXIT
	trap 'exit 130' INT TERM
	as_root apt-get -q update
	# shellcheck disable=SC2086 # a list of words
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install $missing
	allow_services
	trap - EXIT INT TERM
	# shellcheck disable=SC2086 # a list of words
	disable_services $missing
}

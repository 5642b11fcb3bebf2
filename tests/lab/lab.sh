# shellcheck shell=bash
# lab.sh - what the lab scripts share; sourced, never run
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Everything a lab makes is below $SNAPTREE_LAB, which the caller creates and
# removes, for instance: export SNAPTREE_LAB=$(mktemp -d /var/tmp/snaptree.XXXXXX)

# die MESSAGE... : print "script: message" and end with 1
die()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# usage : print the usage lines of the calling script (its comment lines that
# start with "#   NAME ") and end with 2
usage()
{
	echo "usage:" >&2
	sed -n "s|^#\\(   ${0##*/} \\)|\\1|p" "$0" >&2
	exit 2
}

# lab_dir : check $SNAPTREE_LAB
lab_dir()
{
	[ -n "${SNAPTREE_LAB:-}" ] ||
		die 'SNAPTREE_LAB is not set: mktemp -d /var/tmp/snaptree.XXXXXX'
	[ -d "$SNAPTREE_LAB" ] || die "SNAPTREE_LAB=$SNAPTREE_LAB: no such folder"
	case $SNAPTREE_LAB in
	*[!A-Za-z0-9/._-]*) die "SNAPTREE_LAB=$SNAPTREE_LAB: unsafe characters" ;;
	/run/libvirt* | /var/lib/libvirt*) die "SNAPTREE_LAB=$SNAPTREE_LAB is hidden inside a hypervisor" ;;
	/*) ;;
	*) die "SNAPTREE_LAB=$SNAPTREE_LAB is not absolute" ;;
	esac
}

# need COMMAND... : all of these must be installed
need()
{
	local c

	for c in "$@"; do
		command -v "$c" >/dev/null ||
			die "$c is missing: tests/lab/packages --install"
	done
}

# gone PID SECONDS : wait until the process has ended, 1 if it has not
gone()
{
	local left=$(($2 * 50)) state

	while read -r _ _ state _ 2>/dev/null <"/proc/$1/stat" && [ "$state" != Z ]; do
		[ $((left -= 1)) -gt 0 ] || return 1
		sleep 0.02
	done
}

# close_files : let go of every file above stderr, so that what stays running
# holds no lock and no pipe of the caller
close_files()
{
	local f

	for f in "/proc/$BASHPID/fd/"*; do
		f=${f##*/}
		[ "$f" -le 2 ] || [ "$f" -eq 255 ] || eval "exec $f>&-"
	done
}

# bash completion for snaptree                             -*- shell-script -*-
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Commands, options and columns come from the program's own --help, so nothing
# here has to follow it.  Names of VMs and snapshots are asked for with a short
# time-out and without a word on errors.

_snaptree_ask()
{
	command snaptree "${_snaptree_peer[@]}" --timeout 1s --no-headings "$@" \
		2>/dev/null </dev/null
}

_snaptree_help()
{
	command snaptree help "$@" 2>/dev/null
}

_snaptree_verbs()
{
	_snaptree_help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p'
}

_snaptree_options()
{
	_snaptree_help "$@" | sed -n 's/^  \(-.,\|   \) \(--[a-z-]*\) .*/\2/p'
}

_snaptree_columns()
{
	_snaptree_help "$1" | sed -n '/^Columns /,/^$/s/^  //p'
}

_snaptree_vms()
{
	_snaptree_ask list -o vm | sort -u
}

# One candidate a line; names may have spaces.
_snaptree_reply()
{
	local line

	while IFS= read -r line; do
		[[ $line && $line == "$cur"* ]] &&
			COMPREPLY+=("$(printf '%q' "$line")")
	done
}

_snaptree_snapshots()
{
	local vm=${cur%%@*}

	if [[ $cur == *@* ]]; then
		_snaptree_ask list --vm "$vm" -o label |
			sed "/^ *$/d; s/^/$vm@/"
		printf '%s@head\n' "$vm"
	else
		_snaptree_vms | sed 's/$/@/'
		[[ $cur == [0-9a-f]* ]] && _snaptree_ask list -o id
	fi
}

_snaptree_tags()
{
	_snaptree_ask list -o tags | tr -s ' ' '\n' | sort -u
}

_snaptree_value()
{
	case $1 in
	--agent) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	--color) _snaptree_reply < <(printf '%s\n' auto always never) ;;
	--consistency) _snaptree_reply < <(printf '%s\n' crash frozen offline) ;;
	--freeze) _snaptree_reply < <(printf '%s\n' require prefer never) ;;
	--origin)
		_snaptree_reply < <(printf '%s\n' manual hook schedule safety central) ;;
	--vm) _snaptree_reply < <(_snaptree_vms) ;;
	--host) _snaptree_reply < <(_snaptree_ask hosts -o host) ;;
	-o | --output)
		_snaptree_reply < <(_snaptree_columns "$verb" | tr ' ' '\n') ;;
	--collector | --timeout | --label | --description | --tag | --disk | \
	--max-frozen | --since | --until | --after | --limit | -[ldt]) ;;
	*) return 1 ;;
	esac
}

_snaptree()
{
	local cur prev words cword verb='' n=0 i
	local _snaptree_peer=()

	if declare -F _init_completion >/dev/null; then
		_init_completion -n =:@ || return
	else
		cur=${COMP_WORDS[COMP_CWORD]}
		prev=${COMP_WORDS[COMP_CWORD-1]}
		words=("${COMP_WORDS[@]}")
		cword=$COMP_CWORD
	fi
	COMPREPLY=()
	for ((i = 1; i < cword; i++)); do
		case ${words[i]} in
		--agent | --collector)
			_snaptree_peer=("${words[i]}" "${words[i+1]}")
			((i++)) ;;
		--output | -o | --color | --timeout) ((i++)) ;;
		-*) ;;
		*) if [[ $verb ]]; then ((++n)); else verb=${words[i]}; fi ;;
		esac
	done

	_snaptree_value "$prev" && return
	if [[ $cur == -* ]]; then
		# shellcheck disable=SC2086
		_snaptree_reply < <(_snaptree_options $verb)
		return
	fi
	case $verb in
	'') _snaptree_reply < <(_snaptree_verbs) ;;
	help) _snaptree_reply < <(_snaptree_verbs) ;;
	label | describe | tag | show)
		if ((n == 0)); then
			compopt -o nospace
			_snaptree_reply < <(_snaptree_snapshots)
		elif [[ $verb == tag ]]; then
			_snaptree_reply < <(_snaptree_tags)
		fi ;;
	pin | unpin) compopt -o nospace; _snaptree_reply < <(_snaptree_snapshots) ;;
	create | tree | thaw) _snaptree_reply < <(_snaptree_vms) ;;
	esac
}

complete -F _snaptree snaptree

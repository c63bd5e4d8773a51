# Bash completion for muster: source <(muster completion bash)
_muster_complete() {
	local current="${COMP_WORDS[COMP_CWORD]}"
	local words=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
	if [[ "$current" == -* ]]; then words+=("$current"); fi
	mapfile -t COMPREPLY < <(compgen -W "$(muster "${words[@]}" --generate-bash-completion 2>/dev/null)" -- "$current")
}
complete -o default -F _muster_complete muster

# Bash completion for muster-hub: source <(muster-hub completion bash)
_muster_hub_complete() {
	local current="${COMP_WORDS[COMP_CWORD]}"
	local words=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
	if [[ "$current" == -* ]]; then words+=("$current"); fi
	mapfile -t COMPREPLY < <(compgen -W "$(muster-hub "${words[@]}" --generate-bash-completion 2>/dev/null)" -- "$current")
}
complete -o default -F _muster_hub_complete muster-hub

#compdef muster
# Zsh completion for muster: source <(muster completion zsh)
_muster() {
	local -a given candidates
	given=("${(@)words[2,CURRENT-1]}")
	if [[ "${words[CURRENT]}" == -* ]]; then given+=("${words[CURRENT]}"); fi
	candidates=("${(@f)$(muster "${given[@]}" --generate-bash-completion 2>/dev/null)}")
	if [[ -n "${candidates[1]}" ]]; then
		compadd -- "${candidates[@]}"
	else
		_files
	fi
}
compdef _muster muster

# Fish completion for muster: muster completion fish > ~/.config/fish/completions/muster.fish
function __muster_complete
    set -l words (commandline -opc)
    muster $words[2..-1] --generate-bash-completion 2>/dev/null
end
complete -c muster -n 'test (count (commandline -opc)) -ge 1' -a '(__muster_complete)'

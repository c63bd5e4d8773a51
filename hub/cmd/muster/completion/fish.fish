# Fish completion for muster: muster completion fish > ~/.config/fish/completions/muster.fish
function __muster_complete
    set -l words (commandline -opc)
    muster $words[2..-1] --generate-bash-completion 2>/dev/null
end
complete -c muster -f -a '(__muster_complete)'
complete -c muster -n 'not count (__muster_complete) >/dev/null' -F

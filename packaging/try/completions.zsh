# Types into a real zsh, and prints what it offers.
zmodload zsh/zpty
zpty shell 'TERM=dumb zsh --no-rcs --interactive'
zpty -w shell "PROMPT=; fpath+=(/usr/share/zsh/vendor-completions); autoload -Uz compinit; compinit -u; print ready"
until zpty -r shell line '*ready*'; do :; done
zpty -w -n shell $'news sync --\t\t'
sleep 2
zpty -r -t shell line '*--max-deletes*' && print -r -- "$line"
zpty -d shell

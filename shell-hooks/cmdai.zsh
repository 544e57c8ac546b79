# cmdai-shell's key for zsh 5.3 and newer. The protocol, the states and the names: README.md here.
#
# This text is run by `emulate zsh ... -c` (render.py adds it), so that it is parsed without the
# person's aliases and options; each function keeps that emulation whenever it runs. A new shell
# reads no more than this; what a press needs is in press.zsh, read at the first one.

typeset -g _cmdai_python=@PYTHON@ _cmdai_relay_kind=@RELAY_KIND@ _cmdai_relay=@RELAY@
typeset -g _cmdai_press=@PRESS@ _cmdai_version=@VERSION@
typeset -g _cmdai_conflict=${_cmdai_conflict-}     # who holds Ctrl-G, if it is not ours
typeset -g _cmdai_bound= _cmdai_command= _cmdai_armed=
typeset -gi _cmdai_asking=${_cmdai_asking:-0}      # a request is open, and the line is ours to give back
typeset -gi _cmdai_fate=0 _cmdai_ran_status=-1     # of our last suggestion: 1 on the line, 2 run, 3 ended, 4 dropped
typeset -g _cmdai_ran=                             # what the line was then

# Who besides the shell itself holds our keys, or longer keys that begin with them. By way of a
# file, because $( ) would fork.
_cmdai_holders() { # keys -> held[keymap key]
  local fd map key line text file=${TMPPREFIX:-/tmp/zsh}-cmdai-$$-$RANDOM
  sysopen -rw -o creat,excl -m 600 -u fd $file 2> /dev/null || return 0
  zf_rm -f $file
  for map in emacs viins vicmd isearch command menuselect; do
    for key in $@; do
      builtin print -r -- "@$map $key"
      bindkey -M $map -- $key
      bindkey -M $map -p -- $key
    done
  done >&$fd 2> /dev/null
  sysseek -u $fd 0
  sysread -i $fd -s 65536 text
  exec {fd}>&-
  for line in ${(f)text}; do
    case ${line##* } in
      (undefined-key|send-break|list-expand|get-line|_cmdai_*) ;;
      (*) [[ $line == @* ]] && key=${line#@} || held[$key]=$line ;;
    esac
  done
}

_cmdai_take_key() { # keymap key widget chosen second-key
  if [[ -n $4 || -z ${held[$1 $2]-} ]]; then
    bindkey -M $1 -- $2 $3
  else
    _cmdai_conflict="${held[$1 $2]} (keymap $1)"
    [[ -z $5 ]] || bindkey -M $1 -- ${ours::=$5} $3
  fi
}

_cmdai_bind() {
  local map key=${${CMDAI_KEY:-^G}//\\M-/^[} explain=${${CMDAI_EXPLAIN_KEY:-^[g}//\\M-/^[}
  local ours=$key
  local -A held
  _cmdai_conflict=
  # The menu's keymap is there once its module is, which completion would load at its first menu.
  (( ! $+functions[_main_complete] )) || zmodload zsh/complist
  _cmdai_holders $key $explain
  for map in emacs viins vicmd; do
    _cmdai_take_key $map $key _cmdai_key "${CMDAI_KEY-}" '^X^G'
    _cmdai_take_key $map $explain _cmdai_explain "${CMDAI_EXPLAIN_KEY-}" ''
  done
  # Searches and menus end at a key they do not know, and run it: there ours must cancel instead.
  for map in isearch command menuselect; do
    [[ -n ${held[$map $ours]-} ]] || bindkey -M $map -- $ours send-break 2> /dev/null
  done
}

# The first prompt binds: files read after this one may take keys too. Each prompt ends what the
# line before it began.
_cmdai_precmd() {
  case $_cmdai_fate in
    (1) _cmdai_fate=$(( _cmdai_asking ? 1 : 4 )) ;;
    (2) _cmdai_ran_status=$? _cmdai_fate=3 ;;
  esac
  if [[ -z $_cmdai_bound ]]; then
    _cmdai_bound=1
    [[ -n ${CMDAI_NOBIND-} ]] || _cmdai_bind
  fi
  if (( _cmdai_asking )); then
    _cmdai_revive
  else
    _cmdai_armed= _cmdai_last= # equal words on another line are new words
  fi
  return 0
}

_cmdai_preexec() { # what "fix" is about; a leading space asks not to be remembered
  _cmdai_command=$1
  [[ $1 != ' '* ]] || _cmdai_command=
  (( _cmdai_fate != 1 )) || { _cmdai_ran=$_cmdai_command _cmdai_fate=$(( $#_cmdai_command ? 2 : 0 )) }
  (( ! _cmdai_asking )) || _cmdai_hang_up
}

_cmdai_key() { _cmdai_first_press $? _cmdai_key } # press.zsh has the real ones
_cmdai_explain() { _cmdai_first_press $? _cmdai_explain }
_cmdai_first_press() { # last_status function
  if [[ -r $_cmdai_press ]]; then
    builtin emulate zsh -o no_aliases -o no_err_exit -o no_err_return -o no_xtrace \
      -c "builtin . ${(q)_cmdai_press}"
    () { return $1 } $1
    $2
  else
    zle -M 'cmdai: cmdai-shell is gone from its place: install it, then cmdai-shell install'
  fi
  return 0
}

if [[ $ZSH_VERSION != (5.<3->|<6->.)* ]]; then
  _cmdai_conflict="zsh $ZSH_VERSION is too old, 5.3 is needed"
elif zmodload -F zsh/system b:sysopen b:sysseek b:sysread && zmodload -F zsh/files b:zf_rm; then
  zle -N _cmdai_key
  zle -N _cmdai_explain
  typeset -ga preexec_functions precmd_functions
  preexec_functions=(${preexec_functions:#_cmdai_preexec} _cmdai_preexec)
  precmd_functions=(${precmd_functions:#_cmdai_precmd} _cmdai_precmd)
fi

# shellcheck shell=bash
# cmdai-shell for bash 4.4 and newer: Ctrl-G turns the line into a command, Alt-G explains it.
#
# The protocol, the state machine and the names are in README.md beside this file. The key function
# sends one record to the daemon and shows what comes back; it decides nothing. Rules kept here:
#   * The line is assigned only after a whole answer. Whatever fails before that leaves it alone.
#   * Nothing that came from the daemon is evaluated, run or fed as keys.
#   * The talking is done by pipes that the daemon holds open, without a process. Where there are none
#     yet, it is done in a subshell, which cannot touch the person's $!, jobs, traps or options.
#   * Commands are called as `builtin` or `command`: people have functions named printf and read.

[[ $- == *i* && ( -o emacs || -o vi ) ]] || return 0

# Before 4.4 a key function cannot be kept from ending a shell under `set -e`, and in the bash 3.2 of
# macOS it cannot read the line at all.
if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then
  _cmdai_key() {
    builtin printf '\ncmdai: bash %s is too old, it takes 4.4 or newer\n' "$BASH_VERSION" >/dev/tty
  }
  [[ -n ${CMDAI_NOBIND-} ]] || builtin bind -x '"\C-g": _cmdai_key'
  return 0
fi

# Aliases expand while a function is being defined, so they are off until the end of this file.
_cmdai_aliases=
\builtin shopt -q expand_aliases && _cmdai_aliases=1
\builtin shopt -u expand_aliases

_cmdai_python=@PYTHON@
_cmdai_relay_kind=@RELAY_KIND@
_cmdai_relay=@RELAY@
_cmdai_rest=@PRESS@       # what a press needs, read at the first one
# shellcheck disable=SC2034  # for `cmdai-shell doctor`
_cmdai_version=@VERSION@

# What is remembered from press to press. A place is a prompt and a line: what was remembered at
# one place means nothing at another.
_cmdai_own=               # the person's own text
_cmdai_own_cursor=0       # and its cursor
_cmdai_last_place=        # where the suggestion made from it was put
_cmdai_alternative=0      # and which alternative that is
_cmdai_armed=             # a critical command that waits for a second press
_cmdai_armed_alternative=0
_cmdai_armed_place=       # at this place
_cmdai_said_place=        # where our last message stands directly above the line
_cmdai_pipes=$$-$RANDOM$RANDOM # the name of our pair of pipes
_cmdai_daemon=            # the process that holds it
_cmdai_turn=0             # presses that went by it
_cmdai_bound=             # the keys are bound
_cmdai_conflict=          # who else holds our key, for `cmdai-shell doctor`

# --- The keys ------------------------------------------------------------------------------------

# Ctrl-G. The first statements make it safe in any shell: under `set -e` a failing command would end
# the person's session, and under `set -T` their DEBUG trap would run at each of ours (functions
# called after this no longer inherit it). bash itself keeps $? around a `bind -x` command.
_cmdai_key() {
  local _cmdai_status=$?
  local -
  builtin set -f +aeEuTx
  _cmdai_ready && _cmdai_press "$_cmdai_status"
  return 0
}

# Alt-G: explains the line as it stands, changes nothing.
_cmdai_explain() {
  local _cmdai_status=$?
  local -
  builtin set -f +aeEuTx
  local _cmdai_place
  _cmdai_ready || return 0
  _cmdai_find_place
  _cmdai_request explain "$_cmdai_status" "$READLINE_LINE" 0
  _cmdai_say "$_cmdai_place"
  return 0
}

# Reads the rest, once: a new shell need not. False, and said, when it is gone.
_cmdai_ready() {
  local _cmdai_aliases=''
  [[ -z $_cmdai_read ]] || return 0
  if [[ ! -r $_cmdai_rest ]]; then
    builtin printf '\ncmdai: cmdai-shell is gone from its place: install it, then cmdai-shell install\n' >/dev/tty
    return 1
  fi
  ! builtin shopt -q expand_aliases || _cmdai_aliases=1
  builtin shopt -u expand_aliases
  builtin . "$_cmdai_rest"
  [[ -z $_cmdai_aliases ]] || builtin shopt -s expand_aliases
  _cmdai_read=1
}
_cmdai_read=

# --- What a new shell needs ---------------------------------------------------------------------

# At the end of PS0, which bash expands before it runs a command: notes whether the command moved
# the history and, if the one before it did, how that ended; and of our last suggestion (its fate: 1
# on the line, 2 run, 3 ended, 4 dropped) as which entry it was run. No process, no character printed.
_cmdai_moved=0 _cmdai_entry_status=0 _cmdai_history=0 _cmdai_none=
_cmdai_fate=0 _cmdai_ended=0 _cmdai_put_until=0 _cmdai_ran_entry=0 _cmdai_ran_status=-1
# shellcheck disable=SC2016  # bash expands it
_cmdai_watch='${_cmdai_none:$((_cmdai_moved && (_cmdai_entry_status = $?),
  _cmdai_moved = (HISTCMD - _cmdai_history) ? 1 : 0, _cmdai_history = HISTCMD,
  _cmdai_fate && (_cmdai_ended = $?, _cmdai_see))):0}'
# Arithmetic reads it where its name stands, and only where that is evaluated.
# shellcheck disable=SC2034
_cmdai_see='_cmdai_fate == 2 && (_cmdai_fate = 3, _cmdai_ran_status = _cmdai_ended),
  _cmdai_fate == 1 && (_cmdai_ran_entry = HISTCMD - 1,
    _cmdai_fate = (LINENO > _cmdai_put_until) ? 4 : _cmdai_moved ? 2 : 0)'

_cmdai_watch_history() {
  _cmdai_history=$HISTCMD
  if [[ ${PS0-} != *"$_cmdai_watch"* && ${PS0@a} != *r* ]] && builtin shopt -q promptvars; then
    PS0=${PS0-}$_cmdai_watch
  fi
}

# _cmdai_capture VARIABLE COMMAND...: what a builtin prints, without the fork that $( ) is (up to
# three milliseconds, and more with a long history): /proc opens the nameless file of a here-document
# for writing, too. Long, because bash makes a short one a pipe, which can be full.
_cmdai_capture() {
  local _cmdai_printed='' _cmdai_long _cmdai_done=''
  builtin printf -v _cmdai_long %70000s ''
  # shellcheck disable=SC2086  # a here-string is not split, and quoting takes twice as long
  {
    [[ ! -e /proc/self/fd/9 ]] || {
      "${@:2}" >|/proc/self/fd/9
      IFS= builtin read -r -d '' -u 9 _cmdai_printed
      _cmdai_done=1
    }
  } 2>/dev/null 9<<<$_cmdai_long
  [[ -n $_cmdai_done ]] || _cmdai_printed=$("${@:2}" 2>/dev/null) # no /proc, no room for a file
  builtin printf -v "$1" %s "$_cmdai_printed"
}

# --- Binding -------------------------------------------------------------------------------------

# Runs once, at the first prompt: by then every other tool has taken its keys. (In bash 5.1 a key
# bound earlier dies when another tool replaces its own `bind -x` by a macro.)
_cmdai_bind() {
  local _cmdai_status=$?
  local -
  builtin set -f +aeEuTx
  case $PROMPT_COMMAND in
    _cmdai_bind) PROMPT_COMMAND= ;;
    *$'\n'_cmdai_bind*) PROMPT_COMMAND=${PROMPT_COMMAND/$'\n'_cmdai_bind/} ;;
  esac
  if [[ -z $_cmdai_bound ]]; then
    _cmdai_bound=1
    _cmdai_bind_keys
    _cmdai_watch_history
  fi
  return "$_cmdai_status"
}

_cmdai_bind_keys() {
  local _cmdai_key _cmdai_explain _cmdai_keymap
  local -
  builtin set -f +aeEuTx
  _cmdai_sequence _cmdai_key "${CMDAI_KEY:-^G}"
  _cmdai_sequence _cmdai_explain "${CMDAI_EXPLAIN_KEY:-^[g}"
  if [[ -z ${CMDAI_KEY-} ]]; then
    _cmdai_find_holder "$_cmdai_key"
    [[ -z $_cmdai_conflict ]] || _cmdai_key='\C-x\C-g'
  fi
  for _cmdai_keymap in emacs-standard vi-insert vi-command; do
    builtin bind -m "$_cmdai_keymap" -x "\"$_cmdai_key\": _cmdai_key"
    builtin bind -m "$_cmdai_keymap" -x "\"$_cmdai_explain\": _cmdai_explain"
  done
}

# _cmdai_sequence VARIABLE KEY: the key as readline writes it: ^G and ^[g become \C-g and \eg; \C-g
# stays.
_cmdai_sequence() {
  local _cmdai_written=$2 _cmdai_sequence='' _cmdai_character
  while [[ $_cmdai_written == *^?* ]]; do
    _cmdai_sequence+=${_cmdai_written%%^*}
    _cmdai_written=${_cmdai_written#*^}
    case ${_cmdai_written:0:1} in
      '[') _cmdai_sequence+='\e' ;;
      *) _cmdai_character=${_cmdai_written:0:1} _cmdai_sequence+=\\C-${_cmdai_character,} ;;
    esac
    _cmdai_written=${_cmdai_written:1}
  done
  builtin printf -v "$1" %s "$_cmdai_sequence$_cmdai_written"
}

# Sets _cmdai_conflict to what the person or another tool has put on the key, or on keys that begin
# with it.
_cmdai_find_holder() {
  local _cmdai_line _cmdai_bound_keys IFS=$'\n'
  _cmdai_capture _cmdai_bound_keys _cmdai_list_keys
  _cmdai_conflict=
  for _cmdai_line in $_cmdai_bound_keys; do # globbing is off
    [[ $_cmdai_line != "\"$1"* || $_cmdai_line == *_cmdai_* ]] || { _cmdai_conflict=$_cmdai_line && return; }
  done
}

_cmdai_list_keys() {
  local _cmdai_keymap
  for _cmdai_keymap in emacs-standard vi-insert vi-command; do
    builtin bind -m "$_cmdai_keymap" -X
    builtin bind -m "$_cmdai_keymap" -s
  done
}

if [[ -n ${CMDAI_NOBIND-} ]]; then
  :
elif [[ -n ${PROMPT_COMMAND+set} && ${PROMPT_COMMAND@a} == *r* ]]; then
  _cmdai_bind_keys # it is readonly
elif [[ ${PROMPT_COMMAND-} != *_cmdai_bind* ]]; then
  # Only the first element of an array is touched, so this does for both kinds. The newline, because
  # a semicolon after one that is there already is a syntax error.
  PROMPT_COMMAND=${PROMPT_COMMAND:+$PROMPT_COMMAND$'\n'}_cmdai_bind
fi

[[ -z $_cmdai_aliases ]] || builtin shopt -s expand_aliases
unset _cmdai_aliases

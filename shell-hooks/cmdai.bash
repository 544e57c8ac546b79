# shellcheck shell=bash
# cmdai-shell for bash 4.4 and newer: Ctrl-G turns the line into a command, Alt-G explains it.
#
# The protocol, the state machine and the names are in README.md beside this file. The key function
# sends one record to the daemon and shows what comes back; it decides nothing. Rules kept here:
#   * The line is assigned only after a whole answer. Whatever fails before that leaves it alone.
#   * Nothing that came from the daemon is evaluated, run or fed as keys.
#   * The talking is done in a subshell, which cannot touch the person's $!, jobs, traps, options or
#     file descriptors, and whose variables need no care.
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
  _cmdai_press "$_cmdai_status"
  return 0
}

# Alt-G: explains the line as it stands, changes nothing.
_cmdai_explain() {
  local _cmdai_status=$?
  local -
  builtin set -f +aeEuTx
  local place
  _cmdai_find_place
  _cmdai_request explain "$_cmdai_status" "$READLINE_LINE" 0
  _cmdai_say "$place"
  return 0
}

# _cmdai_press STATUS: a state machine whose state is what stands on the line.
_cmdai_press() {
  local place wanted=0

  _cmdai_find_place
  if [[ -n $_cmdai_armed && $place == "$_cmdai_armed_place" ]]; then
    _cmdai_put "$_cmdai_armed" "$_cmdai_armed_alternative"
    return
  fi
  _cmdai_armed=
  if [[ -n $READLINE_LINE && $place == "$_cmdai_last_place" ]]; then
    wanted=$((_cmdai_alternative + 1))
    _cmdai_request next "$1" "$_cmdai_own" "$wanted"
  else
    _cmdai_own=$READLINE_LINE _cmdai_own_cursor=$READLINE_POINT _cmdai_last_place=
    _cmdai_request suggest "$1" "$_cmdai_own" "$wanted"
  fi

  case $_cmdai_end in
    put) _cmdai_put "$_cmdai_text" "$wanted" ;;
    own) READLINE_LINE=$_cmdai_own READLINE_POINT=$_cmdai_own_cursor _cmdai_last_place= ;;
    arm)
      _cmdai_armed=$_cmdai_text _cmdai_armed_place=$place _cmdai_armed_alternative=$wanted
      ;;
  esac
  _cmdai_say "$place"
}

# _cmdai_put TEXT ALTERNATIVE: the text becomes the line.
_cmdai_put() {
  local place
  READLINE_LINE=$1 READLINE_POINT=${#1}
  _cmdai_find_place
  _cmdai_last_place=$place _cmdai_alternative=$2 _cmdai_armed=
}

# Sets `place`. What tells prompts apart: the number of the command, and that of the line we are
# called from, which also moves when a line is dropped or empty. (The number of the history stands
# still for a command that HISTCONTROL hides.)
_cmdai_find_place() {
  local number='\#'
  place=${number@P}:${BASH_LINENO[-1]}:$READLINE_LINE
}

# _cmdai_say PLACE: the daemon's last message stays above the line, which readline redraws below.
# A message that the press at PLACE finds directly above the line is replaced.
_cmdai_say() {
  local style=2 place shown
  [[ -n $_cmdai_message ]] || return
  case $_cmdai_risk in
    caution) style=33 ;;
    dangerous | critical) style=31 ;;
  esac
  _cmdai_blank_controls shown "$_cmdai_message"
  {
    [[ $1 != "$_cmdai_said_place" ]] || builtin printf '\e[A\e[J'
    builtin printf '\e[%smcmdai: %s\e[0m\n' "$style" "$shown"
  } >/dev/tty
  _cmdai_said_place=
  if [[ $_cmdai_message != *$'\n'* ]] && ((${#_cmdai_message} + 8 < ${COLUMNS:-80})); then
    _cmdai_find_place
    _cmdai_said_place=$place
  fi
}

# --- One request ---------------------------------------------------------------------------------

# _cmdai_request OP STATUS LINE ALTERNATIVE: asks, waits, and sets _cmdai_end to what is to be done
# (put, own, arm, keep, fail, cancel), _cmdai_text, _cmdai_message and _cmdai_risk.
_cmdai_request() {
  local IFS=$' \t\n' cancelled='' trap reply
  # bash exports these to every child: a daemon would carry the person's line in its environment,
  # and a long line would not even let a child start.
  builtin export -n READLINE_LINE READLINE_POINT READLINE_MARK READLINE_ARGUMENT
  trap=$(builtin trap -p INT)
  builtin trap 'cancelled=1' INT # without a trap Ctrl-C ends this function and takes the line along
  reply=$(_cmdai_talk "$@")
  builtin trap - INT
  [[ -z $trap ]] || builtin eval "$trap"
  builtin printf '\r\e[J' >/dev/tty

  _cmdai_end=cancel _cmdai_text='' _cmdai_message='' _cmdai_risk=''
  [[ -z $cancelled ]] || return
  ! _cmdai_typed || return
  IFS=$'\x1e'
  # shellcheck disable=SC2086  # split on purpose; globbing is off
  set -- $reply
  _cmdai_end=${1:-fail} _cmdai_risk=${2-}
  _cmdai_message=${3//$'\x1f'/$'\n'} _cmdai_text=${4//$'\x1f'/$'\n'}
}

# Takes what was typed during the wait: readline would read it after us, and an Enter in it would run
# a command that nobody has seen. Up to that Enter the text goes to the cursor; the answer is dropped.
_cmdai_typed() {
  local key typed=''
  builtin read -t 0 </dev/tty || return
  while IFS= builtin read -rs -t 0.001 -N 1 key; do typed+=$key; done 2>/dev/null </dev/tty
  _cmdai_message='stopped: you typed'
  [[ $typed != *[$'\r\n']* ]] || _cmdai_message='stopped by Enter: nothing was run'
  typed=${typed%%[$'\r\n']*}
  [[ $typed != *$'\e'* ]] || typed='' # an arrow, say
  typed=${typed//[[:cntrl:]]/}
  READLINE_LINE=${READLINE_LINE:0:READLINE_POINT}$typed${READLINE_LINE:READLINE_POINT}
  READLINE_POINT=$((READLINE_POINT + ${#typed}))
}

# The rest runs in a subshell, whose output is: end, risk, message, text, each ended by 0x1e.
_cmdai_talk() {
  local line=$3 folder record client='' end='' risk='' message='' text='' said=''
  builtin exec 2>/dev/null
  builtin trap '' TSTP QUIT # a child stopped by Ctrl-Z would leave the shell waiting for ever
  builtin trap '[[ -z $client ]] || builtin kill "$client" 2>/dev/null' EXIT
  builtin trap 'builtin exit 130' INT
  _cmdai_draw
  _cmdai_find_folder
  if [[ -L $folder || ( -e $folder && ! -O $folder ) ]]; then
    end=fail
    message="$folder belongs to somebody else or is a link: set CMDAI_RUNTIME_DIR to a folder of yours"
  else
    _cmdai_write_record "$@"
    _cmdai_ask 5
    if [[ $end == unreachable ]] && _cmdai_start; then
      _cmdai_ask 15 # it may still be loading
    fi
  fi
  if [[ $end == unreachable ]]; then
    end=fail message='the daemon gives no answer: cmdai-shell doctor'
  fi
  builtin printf '%s\x1e' "$end" "$risk" "$message" "$text"
}

# Sets `folder` to the runtime folder, by the rule of README.md.
_cmdai_find_folder() {
  local LC_ALL=C # the limit is in bytes
  if [[ -n ${CMDAI_RUNTIME_DIR-} ]]; then
    folder=${CMDAI_RUNTIME_DIR%/}
  elif [[ -n ${XDG_RUNTIME_DIR-} ]]; then
    folder=${XDG_RUNTIME_DIR%/}/cmdai-shell
  else
    folder=${TMPDIR:-/tmp}
    folder=${folder%/}/cmdai-shell-$UID
  fi
  ((${#folder} + ${#_cmdai_socket} <= 100)) || folder=/tmp/cmdai-shell-$UID
}
_cmdai_socket=/hook.sock

# _cmdai_write_record OP STATUS LINE ALTERNATIVE: sets `record`.
_cmdai_write_record() {
  local field last_command='' separators=$'[\x1e\x1f]'
  [[ -n $3 ]] || _cmdai_hidden "$2" || last_command=$(_cmdai_last_command)
  record=v=1
  for field in "op=$1" shell=bash "shell_version=$BASH_VERSION" "cursor=$READLINE_POINT" \
    "cwd=$PWD" "path=$PATH" "width=${COLUMNS:-80}" "last_status=$2" "last_command=$last_command" \
    "alternative=$4" "environment=${CMDAI_ENVIRONMENT-}" \
    "safety_level=${CMDAI_SAFETY_LEVEL-}" "line=$3"; do
    record+=$'\x1f'${field//$separators/ }
  done
  record+=$'\x1e'
}

# _cmdai_hidden STATUS: the command that ended with STATUS may be one that the history ignores. One
# that did not move the history but ended as its newest entry did counts as that, run again.
_cmdai_hidden() {
  [[ ! -o history || ${HISTCONTROL-} == *ignore[sb]* || -n ${HISTIGNORE-} ]] &&
    [[ ${PS0-} == *"$_cmdai_watch"* ]] && ((!_cmdai_moved && !($1 && _cmdai_entry_status == $1)))
}

# At the end of PS0, which bash expands before it runs a command: notes whether the command moved
# the history and, if the one before it did, how that ended. No process, no character printed.
_cmdai_moved=0 _cmdai_entry_status=0 _cmdai_history=0 _cmdai_none=
# shellcheck disable=SC2016  # bash expands it
_cmdai_watch='${_cmdai_none:$((_cmdai_moved && (_cmdai_entry_status = $?),
  _cmdai_moved = HISTCMD != _cmdai_history, _cmdai_history = HISTCMD)):0}'

_cmdai_watch_history() {
  _cmdai_history=$HISTCMD
  if [[ ${PS0-} != *"$_cmdai_watch"* && ${PS0@a} != *r* ]] && builtin shopt -q promptvars; then
    PS0=${PS0-}$_cmdai_watch
  fi
}

# The newest entry of the history, without its number.
_cmdai_last_command() {
  local HISTTIMEFORMAT='' entry
  entry=$(builtin history 1)
  [[ $entry =~ ^\ *[0-9]+\*?\ \ ?(.*)$ ]] && builtin printf %s "${BASH_REMATCH[1]}"
}

# _cmdai_ask SECONDS: connects, sends the record, reads the reply; gives up after so long a silence
# (a daemon says something every second). `end` is `unreachable` if not one byte came.
_cmdai_ask() {
  local relay socket=$folder$_cmdai_socket reply
  end=unreachable
  [[ -S $socket ]] || return
  case $_cmdai_relay_kind in
    nc) relay=("$_cmdai_relay" -U "$socket") ;;
    socat) relay=("$_cmdai_relay" -t 600 - "UNIX-CONNECT:$socket") ;;
    curl) relay=("$_cmdai_relay" -sN --unix-socket "$socket" --data-binary @- http://cmdai/) ;;
    *) relay=("$_cmdai_python" -I -S "$_cmdai_relay" "$socket") ;;
  esac
  builtin exec {reply}< <(builtin exec "${relay[@]}" < <(builtin printf %s "$record"))
  # shellcheck disable=SC2034  # for the EXIT trap of _cmdai_talk
  client=$!
  _cmdai_receive "$reply" "$1"
  builtin exec {reply}<&-
}

# _cmdai_receive FD SECONDS: reads the reply to its end, showing it as it comes.
_cmdai_receive() {
  local row kind=keep code
  while IFS= builtin read -r -t "$2" -u "$1" row; code=$?; ((code == 0)); do
    [[ $end != unreachable ]] || end=fail message='the daemon went away: your line is back'
    ! builtin read -t 0 </dev/tty || return # see _cmdai_typed
    case $row in
      T*) text=${row:1} kind=put && _cmdai_draw ;;
      M*) said=${row:1} && _cmdai_draw ;;
      W*) row=${row:1} risk=${row%%$'\x1f'*} ;;
      A0/*) kind=own ;;
      P*) text=${row:1} kind=arm ;;
      E*) end=fail message=${row#*$'\x1f'} && return ;;
      D*) end=$kind message=$said && return ;;
    esac
  done
  ((code <= 128)) || end=fail message='the daemon is silent: your line is back'
}

# Starts the daemon, which goes on in the background without the person's terminal.
_cmdai_start() {
  local problem
  said='starting the daemon …'
  _cmdai_draw
  problem=$("$_cmdai_python" -I -m cmdai_shell.daemon start 2>&1 >/dev/null </dev/null) && said='' && return
  end=fail message=${problem##*$'\n'}
  message=${message:-the daemon does not start: cmdai-shell doctor}
  return 1
}

# Shows the command so far, or the person's line, and the message, as one dim row in place of the
# line (readline has cleared it). Automatic wrapping is off meanwhile, so that wide characters
# cannot spill into a second row.
_cmdai_draw() {
  local row=${text:-$line} width=${COLUMNS:-80} note=${said:-…}
  [[ $width == [1-9]* && $width != *[!0-9]* ]] || width=80
  width=$((width > ${#note} + 4 ? width - ${#note} - 4 : 0))
  row=${row:0:width}
  row=${row//[$'\n\x1f']/ ⏎ }
  row=${row:0:width}
  _cmdai_blank_controls row "${row//[[:cntrl:]]/ }"
  _cmdai_blank_controls note "$note"
  builtin printf '\e[?7l\r\e[K\e[2m%s  %s\e[0m\e[?7h' "$row" "$note" >/dev/tty
}

# _cmdai_blank_controls VARIABLE TEXT: sets it to the text with a blank for what could steer a
# terminal (the C1 controls are two bytes in UTF-8), newlines kept. The person's line may hold anything.
_cmdai_blank_controls() {
  local LC_ALL=C _cmdai_shown=$2
  _cmdai_shown=${_cmdai_shown//[$'\x01'-$'\x09\x0b'-$'\x1f\x7f']/ }
  builtin printf -v "$1" %s "${_cmdai_shown//$'\xc2'[$'\x80'-$'\x9f']/ }"
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
  local key explain keymap
  local -
  builtin set -f +aeEuTx
  _cmdai_sequence key "${CMDAI_KEY:-^G}"
  _cmdai_sequence explain "${CMDAI_EXPLAIN_KEY:-^[g}"
  if [[ -z ${CMDAI_KEY-} ]]; then
    _cmdai_find_holder "$key"
    [[ -z $_cmdai_conflict ]] || key='\C-x\C-g'
  fi
  for keymap in emacs-standard vi-insert vi-command; do
    builtin bind -m "$keymap" -x "\"$key\": _cmdai_key"
    builtin bind -m "$keymap" -x "\"$explain\": _cmdai_explain"
  done
}

# _cmdai_sequence VARIABLE KEY: the key as readline writes it: ^G and ^[g become \C-g and \eg; \C-g
# stays.
_cmdai_sequence() {
  local written=$2 sequence='' character
  while [[ $written == *^?* ]]; do
    sequence+=${written%%^*}
    written=${written#*^}
    case ${written:0:1} in
      '[') sequence+='\e' ;;
      *) character=${written:0:1} sequence+=\\C-${character,} ;;
    esac
    written=${written:1}
  done
  builtin printf -v "$1" %s "$sequence$written"
}

# Sets _cmdai_conflict to what the person or another tool has put on the key, or on keys that begin
# with it. One process, because `bind` only prints; not < <( ), which would set the person's $!.
_cmdai_find_holder() {
  local keymap line bound IFS=$'\n'
  bound=$(
    for keymap in emacs-standard vi-insert vi-command; do
      builtin bind -m "$keymap" -X
      builtin bind -m "$keymap" -s
    done
  )
  _cmdai_conflict=
  for line in $bound; do # globbing is off
    [[ $line != "\"$1"* || $line == *_cmdai_* ]] || { _cmdai_conflict=$line && return; }
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

# shellcheck shell=bash
# What a press of the key does in bash. Read by cmdai.bash at the first one, with aliases off; the rules
# at its head hold here, too.
# shellcheck disable=SC2154  # names that cmdai.bash sets

# _cmdai_press STATUS: a state machine whose state is what stands on the line.
_cmdai_press() {
  local _cmdai_place _cmdai_wanted=0

  _cmdai_find_place
  if [[ -n $_cmdai_armed && $_cmdai_place == "$_cmdai_armed_place" ]]; then
    _cmdai_put "$_cmdai_armed" "$_cmdai_armed_alternative"
    return
  fi
  _cmdai_armed=
  if [[ -n $READLINE_LINE && $_cmdai_place == "$_cmdai_last_place" ]]; then
    _cmdai_wanted=$((_cmdai_alternative + 1))
    _cmdai_request next "$1" "$_cmdai_own" "$_cmdai_wanted"
  else
    _cmdai_own=$READLINE_LINE _cmdai_own_cursor=$READLINE_POINT _cmdai_last_place=
    _cmdai_request suggest "$1" "$_cmdai_own" "$_cmdai_wanted"
  fi

  case $_cmdai_end in
    put) _cmdai_put "$_cmdai_text" "$_cmdai_wanted" ;;
    own) READLINE_LINE=$_cmdai_own READLINE_POINT=$_cmdai_own_cursor _cmdai_fate=0 _cmdai_last_place= ;;
    arm)
      _cmdai_armed=$_cmdai_text _cmdai_armed_place=$_cmdai_place _cmdai_armed_alternative=$_cmdai_wanted
      ;;
  esac
  _cmdai_say "$_cmdai_place"
}

# _cmdai_put TEXT ALTERNATIVE: the text becomes the line.
_cmdai_put() {
  local _cmdai_place
  READLINE_LINE=$1 READLINE_POINT=${#1}
  _cmdai_find_place
  _cmdai_last_place=$_cmdai_place _cmdai_alternative=$2 _cmdai_armed=
  _cmdai_follow "$1"
}

# --- What became of it ---------------------------------------------------------------------------

# _cmdai_follow TEXT: from here on PS0 watches what is run in its place, on this line of input or, of
# a text with newlines, on one of as many that follow.
_cmdai_follow() {
  local _cmdai_newlines=${1//[!$'\n']/}
  _cmdai_fate=0 _cmdai_ran_status=-1
  [[ ${PS0-} != *"$_cmdai_watch"* ]] ||
    _cmdai_fate=1 _cmdai_offered=$1 _cmdai_put_until=$((BASH_LINENO[-1] + ${#_cmdai_newlines}))
}

# _cmdai_find_fate OP STATUS: sets _cmdai_fields to what the record tells of the suggestion before:
# nothing while it still stands on the line, or where the history does not know what was run.
_cmdai_find_fate() {
  local _cmdai_ran=
  _cmdai_fields=()
  if ((_cmdai_fate == 1 && BASH_LINENO[-1] <= _cmdai_put_until)) && [[ $1 != suggest ]]; then
    return
  elif ((_cmdai_fate == 2 || _cmdai_fate == 3)); then
    ((_cmdai_fate == 3)) || _cmdai_ran_status=$2
    # bash 4.4 has no HISTCMD for key functions: there the last one that PS0 saw has to do
    _cmdai_find_command _cmdai_ran $(((HISTCMD > 1 ? HISTCMD : _cmdai_history) - _cmdai_ran_entry))
    # without cmdhist several lines are several entries
    [[ -n $_cmdai_ran && ($_cmdai_offered != *$'\n'* || :$BASHOPTS: == *:cmdhist:*) ]] || _cmdai_fate=0
  fi
  ((!_cmdai_fate || ${#_cmdai_offered} + ${#_cmdai_ran} > 2000)) ||
    _cmdai_fields=("offered=$_cmdai_offered" "ran=$_cmdai_ran" "ran_status=$_cmdai_ran_status")
  _cmdai_fate=0
}

# Sets _cmdai_place. What tells prompts apart: the number of the command, and that of the line we are
# called from, which also moves when a line is dropped or empty. (The number of the history stands
# still for a command that HISTCONTROL hides.)
_cmdai_find_place() {
  local _cmdai_number='\#'
  _cmdai_place=${_cmdai_number@P}:${BASH_LINENO[-1]}:$READLINE_LINE
}

# _cmdai_say PLACE: the daemon's last message stays above the line, which readline redraws below.
# A message that the press at PLACE finds directly above the line is replaced.
_cmdai_say() {
  local _cmdai_style=2 _cmdai_place _cmdai_shown
  [[ -n $_cmdai_message ]] || return
  case $_cmdai_risk in
    caution) _cmdai_style=33 ;;
    dangerous | critical) _cmdai_style=31 ;;
  esac
  _cmdai_blank_controls _cmdai_shown "$_cmdai_message"
  {
    [[ $1 != "$_cmdai_said_place" ]] || builtin printf '\e[A\e[J'
    builtin printf '\e[%smcmdai: %s\e[0m\n' "$_cmdai_style" "$_cmdai_shown"
  } >/dev/tty
  _cmdai_said_place=
  if [[ $_cmdai_message != *$'\n'* ]] && ((${#_cmdai_message} + 8 < ${COLUMNS:-80})); then
    _cmdai_find_place
    _cmdai_said_place=$_cmdai_place
  fi
}

# --- One request ---------------------------------------------------------------------------------

# _cmdai_request OP STATUS LINE ALTERNATIVE: asks, waits, and sets _cmdai_end to what is to be done
# (put, own, arm, keep, fail, cancel), _cmdai_text, _cmdai_message and _cmdai_risk.
_cmdai_request() {
  local IFS=$' \t\n' _cmdai_folder _cmdai_pipe _cmdai_record _cmdai_line=$3
  local _cmdai_trap='' _cmdai_cancelled='' _cmdai_said='' _cmdai_drawn='' _cmdai_fields
  _cmdai_end=unreachable _cmdai_risk='' _cmdai_message='' _cmdai_text=''
  # bash exports these to every child: a daemon would carry the person's line in its environment,
  # and a long line would not even let a child start.
  builtin export -n READLINE_LINE READLINE_POINT READLINE_MARK READLINE_ARGUMENT
  _cmdai_find_fate "$1" "$2"
  _cmdai_find_folder
  _cmdai_pipe=$_cmdai_folder/$_cmdai_pipes
  _cmdai_find_trap
  builtin trap '_cmdai_cancelled=1' INT # without one, Ctrl-C ends this function and takes the line along
  if [[ -L $_cmdai_folder || ( -e $_cmdai_folder && ! -O $_cmdai_folder ) ]]; then
    _cmdai_end=fail
    _cmdai_message="$_cmdai_folder belongs to somebody else or is a link: set CMDAI_RUNTIME_DIR to a folder of yours"
  else
    _cmdai_ask_by_pipes "$@" 2>/dev/null
    [[ $_cmdai_end != unreachable || -n $_cmdai_cancelled ]] || _cmdai_ask_by_socket "$@"
  fi
  builtin trap - INT
  [[ -z $_cmdai_trap ]] || builtin eval "$_cmdai_trap"
  [[ -z $_cmdai_drawn ]] || builtin printf '\r\e[J' >/dev/tty

  if [[ -n $_cmdai_cancelled ]]; then
    _cmdai_end=cancel _cmdai_message=''
  elif ! _cmdai_typed; then
    _cmdai_message=${_cmdai_message//$'\x1f'/$'\n'} _cmdai_text=${_cmdai_text//$'\x1f'/$'\n'}
  fi
}

# Sets _cmdai_trap to the person's own for Ctrl-C. By way of a file beside our pipes, which goes with
# them: that costs a twentieth of a millisecond. What has no dot at its end is not whole.
_cmdai_find_trap() {
  if [[ -O $_cmdai_folder && -p $_cmdai_pipe.ask && ! -L $_cmdai_pipe.trap ]]; then
    { builtin trap -p INT && builtin printf .; } >|"$_cmdai_pipe.trap"
    IFS= builtin read -r -d '' _cmdai_trap <"$_cmdai_pipe.trap"
  fi 2>/dev/null
  [[ $_cmdai_trap == *. ]] || { _cmdai_capture _cmdai_trap builtin trap -p INT && _cmdai_trap+=.; }
  _cmdai_trap=${_cmdai_trap%.}
}

# Takes what was typed during the wait: readline would read it after us, and an Enter in it would run
# a command that nobody has seen. Up to that Enter the text goes to the cursor; the answer is dropped.
_cmdai_typed() {
  local _cmdai_key _cmdai_typed=''
  builtin read -t 0 </dev/tty || return
  _cmdai_end=cancel
  while IFS= builtin read -rs -t 0.001 -N 1 _cmdai_key; do _cmdai_typed+=$_cmdai_key; done 2>/dev/null </dev/tty
  _cmdai_message='stopped: you typed'
  if [[ $_cmdai_typed == $'\e[200~'*$'\e[201~'* ]]; then # pasted: newlines are no Enter
    _cmdai_typed=${_cmdai_typed#$'\e[200~'}
    _cmdai_typed=${_cmdai_typed%%$'\e[201~'*}
    _cmdai_typed=${_cmdai_typed//$'\r'/$'\n'}
    _cmdai_blank_controls _cmdai_typed "$_cmdai_typed"
  else
    [[ $_cmdai_typed != *[$'\r\n']* ]] || _cmdai_message='stopped by Enter: nothing was run'
    _cmdai_typed=${_cmdai_typed%%[$'\r\n']*}
    [[ $_cmdai_typed != *$'\e'* ]] || _cmdai_typed='' # an arrow, say
    _cmdai_typed=${_cmdai_typed//[[:cntrl:]]/}
  fi
  READLINE_LINE=${READLINE_LINE:0:READLINE_POINT}$_cmdai_typed${READLINE_LINE:READLINE_POINT}
  READLINE_POINT=$((READLINE_POINT + ${#_cmdai_typed}))
}

# _cmdai_ask_by_pipes OP STATUS LINE ALTERNATIVE: without a process. _cmdai_end stays `unreachable` if
# there are no pipes, or nobody answers them.
_cmdai_ask_by_pipes() {
  [[ -n $_cmdai_daemon && -p $_cmdai_pipe.ask && -p $_cmdai_pipe.answer ]] || return
  builtin kill -0 "$_cmdai_daemon" || return
  _cmdai_write_record "$@" "turn=$((++_cmdai_turn))"
  _cmdai_is_short "$_cmdai_record" || return
  {
    # They may just have been taken away: then the openings have made ordinary files.
    [[ ! -p /dev/fd/8 || ! -p /dev/fd/9 ]] || {
      builtin printf %s "$_cmdai_record" >&8
      _cmdai_receive 9 "$_cmdai_turn" 2
    }
  } 9<>"$_cmdai_pipe.answer" 8<>"$_cmdai_pipe.ask" # both ways: such an opening waits for nobody
}

# What one write puts into a pipe whole.
_cmdai_is_short() {
  local LC_ALL=C
  ((${#1} <= 4096))
}

# The same by the socket: for the first press, and when the daemon has to be started. In a subshell,
# whose output is: end, risk, message, text and the daemon's process, each ended by 0x1e.
_cmdai_ask_by_socket() {
  local _cmdai_reply IFS=$'\x1e'
  _cmdai_drawn=1
  _cmdai_reply=$(_cmdai_talk "$@" 2>/dev/null)
  # shellcheck disable=SC2086  # split on purpose; globbing is off
  set -- $_cmdai_reply
  _cmdai_end=${1:-fail} _cmdai_risk=${2-} _cmdai_message=$3 _cmdai_text=$4 _cmdai_daemon=${5-}
}

_cmdai_talk() {
  local _cmdai_client='' IFS=$' \t\n'
  builtin trap '' TSTP QUIT # a child stopped by Ctrl-Z would leave the shell waiting for ever
  builtin trap '[[ -z $_cmdai_client ]] || builtin kill "$_cmdai_client" 2>/dev/null' EXIT
  builtin trap 'builtin exit 130' INT
  _cmdai_daemon=
  _cmdai_draw
  _cmdai_write_record "$@" "pipes=$_cmdai_pipes"
  _cmdai_ask 5
  if [[ $_cmdai_end == unreachable ]] && _cmdai_start; then
    _cmdai_ask 15 # it may still be loading
  fi
  if [[ $_cmdai_end == unreachable ]]; then
    _cmdai_end=fail _cmdai_message='the daemon gives no answer: cmdai-shell doctor'
  fi
  builtin printf '%s\x1e' "$_cmdai_end" "$_cmdai_risk" "$_cmdai_message" "$_cmdai_text" "$_cmdai_daemon"
}

# Sets _cmdai_folder to the runtime folder, by the rule of README.md.
_cmdai_find_folder() {
  local LC_ALL=C # the limit is in bytes
  if [[ -n ${CMDAI_RUNTIME_DIR-} ]]; then
    _cmdai_folder=${CMDAI_RUNTIME_DIR%/}
  elif [[ -n ${XDG_RUNTIME_DIR-} ]]; then
    _cmdai_folder=${XDG_RUNTIME_DIR%/}/cmdai-shell
  else
    _cmdai_folder=${TMPDIR:-/tmp}
    _cmdai_folder=${_cmdai_folder%/}/cmdai-shell-$UID
  fi
  ((${#_cmdai_folder} + ${#_cmdai_socket} <= 100)) || _cmdai_folder=/tmp/cmdai-shell-$UID
}
_cmdai_socket=/hook.sock

# _cmdai_write_record OP STATUS LINE ALTERNATIVE FIELD: sets _cmdai_record.
_cmdai_write_record() {
  local _cmdai_field _cmdai_last_command='' _cmdai_private=0 _cmdai_separators=$'[\x1e\x1f]'
  [[ -o history ]] || _cmdai_private=1
  [[ -n $3 ]] || _cmdai_hidden "$2" || _cmdai_find_command _cmdai_last_command 1
  _cmdai_record=v=1
  for _cmdai_field in "op=$1" shell=bash "shell_version=$BASH_VERSION" "cursor=$READLINE_POINT" \
    "cwd=$PWD" "path=$PATH" "width=${COLUMNS:-80}" "last_status=$2" "last_command=$_cmdai_last_command" \
    "alternative=$4" "$5" "${_cmdai_fields[@]}" "private=$_cmdai_private" "environment=${CMDAI_ENVIRONMENT-}" \
    "safety_level=${CMDAI_SAFETY_LEVEL-}" "line=$3"; do
    _cmdai_record+=$'\x1f'${_cmdai_field//$_cmdai_separators/ }
  done
  _cmdai_record+=$'\x1e'
}

# _cmdai_hidden STATUS: the command that ended with STATUS may be one that the history ignores. One
# that did not move the history but ended as its newest entry did counts as that, run again.
_cmdai_hidden() {
  [[ ! -o history || ${HISTCONTROL-} == *ignore[sb]* || -n ${HISTIGNORE-} ]] &&
    [[ ${PS0-} == *"$_cmdai_watch"* ]] && ((!_cmdai_moved && !($1 && _cmdai_entry_status == $1)))
}

# _cmdai_find_command VARIABLE COUNT: sets it to the entry of the history that is the last but COUNT,
# without its number; to nothing where that is not to be had.
_cmdai_find_command() {
  local HISTTIMEFORMAT='' _cmdai_entry _cmdai_next
  builtin printf -v "$1" ''
  (($2 > 0 && $2 < 200)) && [[ $2 == 1 || ${HISTCONTROL-} != *erasedups* ]] || return 0
  _cmdai_capture _cmdai_entry builtin history "$2"
  [[ ${_cmdai_entry%$'\n'} =~ ^\ *([0-9]+)\*?\ \ ?(.*)$ ]] || return 0
  builtin printf -v _cmdai_next '\n%5d' $((BASH_REMATCH[1] + 1))
  builtin printf -v "$1" %s "${BASH_REMATCH[2]%%"$_cmdai_next"[ *]*}"
}

# _cmdai_ask SECONDS: connects, sends the record, reads the reply; gives up after so long a silence
# (a daemon says something every second). _cmdai_end is `unreachable` if not one byte came.
_cmdai_ask() {
  local _cmdai_command _cmdai_reply _cmdai_at=$_cmdai_folder$_cmdai_socket
  [[ -S $_cmdai_at ]] || return
  case $_cmdai_relay_kind in
    nc) _cmdai_command=("$_cmdai_relay" -U "$_cmdai_at") ;;
    socat) _cmdai_command=("$_cmdai_relay" -t 600 - "UNIX-CONNECT:$_cmdai_at") ;;
    curl) _cmdai_command=("$_cmdai_relay" -sN --unix-socket "$_cmdai_at" --data-binary @- http://cmdai/) ;;
    *) _cmdai_command=("$_cmdai_python" -I -S "$_cmdai_relay" "$_cmdai_at") ;;
  esac
  builtin exec {_cmdai_reply}< <(builtin exec "${_cmdai_command[@]}" < <(builtin printf %s "$_cmdai_record"))
  # shellcheck disable=SC2034  # for the EXIT trap of _cmdai_talk
  _cmdai_client=$!
  _cmdai_receive "$_cmdai_reply" '' "$1"
}

# _cmdai_receive FD TURN SECONDS: reads the reply to its end, showing it as it comes. In a pipe it
# begins with @TURN; what is before was left by an earlier press. Every twentieth of a second without
# a word it looks for Ctrl-C and typed keys, and draws what has come.
_cmdai_receive() {
  local _cmdai_row='' _cmdai_part _cmdai_kind=keep _cmdai_code _cmdai_waited=0
  while :; do
    # A read whose time runs out with the newline takes the newline, and says that it timed out: two
    # rows would become one. So the short wait is for a first letter alone.
    IFS= builtin read -r -t 0.05 -N 1 -u "$1" _cmdai_part
    _cmdai_code=$?
    if [[ $_cmdai_part == [!$'\n'] ]]; then
      _cmdai_row+=$_cmdai_part
      IFS= builtin read -r -t 0.5 -u "$1" _cmdai_part
      _cmdai_code=$?
      _cmdai_row+=$_cmdai_part
      ((_cmdai_code <= 128)) || ((_cmdai_waited += 9))
    elif [[ -n $_cmdai_part ]]; then
      _cmdai_code=0
    fi
    if ((_cmdai_code > 128)); then
      [[ -z $_cmdai_cancelled ]] && ! builtin read -t 0 </dev/tty || return # see _cmdai_typed
      ((++_cmdai_waited < $3 * 20)) || break
      [[ -z $2 ]] || builtin kill -0 "$_cmdai_daemon" || break
      [[ $_cmdai_drawn == "$_cmdai_text,$_cmdai_said" ]] || _cmdai_draw
      continue
    fi
    ((_cmdai_code == 0)) || break
    if [[ -z $2 || $_cmdai_end != unreachable ]]; then
      [[ $_cmdai_end != unreachable ]] || _cmdai_end=fail _cmdai_message='the daemon went away, your line is back: press again'
      _cmdai_take "$_cmdai_row" || return
    elif [[ $_cmdai_row == "@$2" ]]; then
      _cmdai_end=fail _cmdai_message='the daemon went away, your line is back: press again'
      set -- "$1" "$2" 5
    elif [[ $_cmdai_row == K0 ]]; then
      return
    fi
    _cmdai_row='' _cmdai_waited=0
    ! builtin read -t 0 </dev/tty || return
  done
  ((_cmdai_code <= 128 || _cmdai_waited < $3 * 20)) || [[ -n $2 && $_cmdai_end == unreachable ]] ||
    _cmdai_end=fail _cmdai_message='the daemon is silent, your line is back: press again'
}

# _cmdai_take ROW: one line of the reply; false when it is the last.
_cmdai_take() {
  local _cmdai_row=${1:1}
  case $1 in
    T*) _cmdai_text=$_cmdai_row _cmdai_kind=put ;;
    M*) _cmdai_said=$_cmdai_row ;;
    W*) _cmdai_risk=${_cmdai_row%%$'\x1f'*} ;;
    A0/*) _cmdai_kind=own ;;
    P*) _cmdai_text=$_cmdai_row _cmdai_kind=arm ;;
    K[1-9]*) _cmdai_daemon=$_cmdai_row ;;
    E*) _cmdai_end=fail _cmdai_message=${_cmdai_row#*$'\x1f'} ;;
    D*) _cmdai_end=$_cmdai_kind _cmdai_message=$_cmdai_said ;;
  esac
  [[ $1 != [ED]* ]]
}

# Starts the daemon, which goes on in the background without the person's terminal.
_cmdai_start() {
  local _cmdai_problem
  _cmdai_said='starting the daemon …'
  _cmdai_draw
  _cmdai_problem=$("$_cmdai_python" -I -m cmdai_shell.daemon start 2>&1 >/dev/null </dev/null) && _cmdai_said='' && return
  _cmdai_end=fail _cmdai_message=${_cmdai_problem##*$'\n'}
  _cmdai_message=${_cmdai_message:-the daemon does not start: cmdai-shell doctor}
  return 1
}

# Shows the command so far, or the person's line, and the message, as one dim row in place of the
# line (readline has cleared it). Automatic wrapping is off meanwhile, so that wide characters
# cannot spill into a second row.
_cmdai_draw() {
  local _cmdai_row=${_cmdai_text:-$_cmdai_line} _cmdai_width=${COLUMNS:-80} _cmdai_note=${_cmdai_said:-…}
  _cmdai_drawn=$_cmdai_text,$_cmdai_said
  [[ $_cmdai_width == [1-9]* && $_cmdai_width != *[!0-9]* ]] || _cmdai_width=80
  _cmdai_width=$((_cmdai_width > ${#_cmdai_note} + 4 ? _cmdai_width - ${#_cmdai_note} - 4 : 0))
  _cmdai_row=${_cmdai_row:0:_cmdai_width}
  _cmdai_row=${_cmdai_row//[$'\n\x1f']/ ⏎ }
  _cmdai_row=${_cmdai_row:0:_cmdai_width}
  _cmdai_blank_controls _cmdai_row "${_cmdai_row//[[:cntrl:]]/ }"
  _cmdai_blank_controls _cmdai_note "$_cmdai_note"
  builtin printf '\e[?7l\r\e[K\e[2m%s  %s\e[0m\e[?7h' "$_cmdai_row" "$_cmdai_note" >/dev/tty
}

# _cmdai_blank_controls VARIABLE TEXT: sets it to the text with a blank for what could steer a
# terminal (the C1 controls are two bytes in UTF-8), newlines kept. The person's line may hold anything.
_cmdai_blank_controls() {
  local LC_ALL=C _cmdai_blanked=$2
  _cmdai_blanked=${_cmdai_blanked//[$'\x01'-$'\x09\x0b'-$'\x1f\x7f']/ }
  builtin printf -v "$1" %s "${_cmdai_blanked//$'\xc2'[$'\x80'-$'\x9f']/ }"
}

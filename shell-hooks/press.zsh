# What a press of the key does in zsh. Read by cmdai.zsh at the first one, under its emulation.
#
# One request at a time. Its reply arrives on _cmdai_fd, between keystrokes: zle calls
# _cmdai_receive when there is something to read, so nobody ever waits for it.

typeset -g _cmdai_prefix='cmdai: '
typeset -gi _cmdai_patience=${_cmdai_patience:-5}  # seconds of silence that mean: it is dead

# The request in flight. _cmdai_fd is empty when there is none.
typeset -g _cmdai_fd=${_cmdai_fd-} _cmdai_op= _cmdai_record= _cmdai_unread= _cmdai_shown=
typeset -g _cmdai_before= _cmdai_message= _cmdai_offer= _cmdai_arm=
typeset -gi _cmdai_cursor=0 _cmdai_wanted=0 _cmdai_answered=0 _cmdai_restarts=0
typeset -gi _cmdai_silence=0 _cmdai_ticking=${_cmdai_ticking:-0}
typeset -g _cmdai_pipes=${_cmdai_pipes:-$$-$RANDOM$RANDOM} # the name of our pair of pipes
typeset -g _cmdai_daemon=${_cmdai_daemon-}         # the process that holds it, if there is one
typeset -gi _cmdai_turn=${_cmdai_turn:-0}
typeset -g _cmdai_awaited=                         # what the reply begins with

# What the next press compares the line with.
typeset -g _cmdai_own= _cmdai_last= _cmdai_armed_line=
typeset -gi _cmdai_own_cursor=0 _cmdai_alternative=0 _cmdai_armed_alternative=0
typeset -g _cmdai_offered=                         # the suggestion whose fate preexec and precmd watch

# The key. Everything but the text compare is the daemon's to decide.
_cmdai_key() {
  local -i last_status=$?
  if [[ -n $_cmdai_fd && $BUFFER == "$_cmdai_shown" ]]; then
    _cmdai_give_up cancelled
    return 0
  fi
  [[ -z $_cmdai_fd ]] || _cmdai_hang_up # the person typed since: a new line, a new request
  if [[ -n $_cmdai_armed && $BUFFER == "$_cmdai_armed_line" ]]; then
    _cmdai_show $_cmdai_armed
    _cmdai_follow
    _cmdai_armed= _cmdai_alternative=$_cmdai_armed_alternative
    _cmdai_say $_cmdai_message
  elif [[ -n $BUFFER && $BUFFER == "$_cmdai_last" ]]; then
    _cmdai_ask next $(( _cmdai_alternative + 1 )) $last_status
  else
    _cmdai_own=$BUFFER _cmdai_own_cursor=$CURSOR
    _cmdai_ask suggest 0 $last_status
  fi
  return 0
}

_cmdai_explain() {
  local -i last_status=$?
  if [[ -n $_cmdai_fd && $BUFFER == "$_cmdai_shown" ]]; then
    _cmdai_give_up cancelled
  else
    _cmdai_hang_up
    _cmdai_ask explain 0 $last_status
  fi
  return 0
}

_cmdai_follow() { # the line is our suggestion
  _cmdai_last=$BUFFER _cmdai_offered=$BUFFER _cmdai_fate=1 _cmdai_ran= _cmdai_ran_status=-1
}

# What the record tells of the suggestion before: nothing while it still stands on the line.
_cmdai_find_fate() { # op -> told
  (( _cmdai_fate != 1 )) || [[ $1 == suggest ]] || return 0
  (( ! _cmdai_fate || $#_cmdai_offered + $#_cmdai_ran > 2000 )) ||
    told=("offered=$_cmdai_offered" "ran=$_cmdai_ran" "ran_status=$_cmdai_ran_status")
  _cmdai_fate=0
}

_cmdai_ask() { # op alternative last_status
  local line=$BUFFER command=
  local -a told
  [[ $1 == next ]] && line=$_cmdai_own
  [[ -z $line ]] && command=$_cmdai_command
  _cmdai_op=$1 _cmdai_wanted=$2 _cmdai_restarts=0
  _cmdai_before=$BUFFER _cmdai_cursor=$CURSOR _cmdai_shown=$BUFFER
  _cmdai_offer= _cmdai_arm= _cmdai_armed= _cmdai_message=
  _cmdai_find_fate $1
  POSTDISPLAY=  # another plugin's guess at the old line would stand behind the new one
  local -a fields=(
    v=1 "op=$1" shell=zsh "shell_version=$ZSH_VERSION"
    "cursor=$CURSOR" "cwd=$PWD" "path=$PATH" "width=$(( COLUMNS - $#_cmdai_prefix ))"
    "last_status=$3" "last_command=$command" "alternative=$2"
    "turn=$(( ++_cmdai_turn ))" "pipes=$_cmdai_pipes" "${(@)told}"
    "environment=${CMDAI_ENVIRONMENT-}" "safety_level=${CMDAI_SAFETY_LEVEL-}" "line=$line"
  )
  _cmdai_record=${(pj:\x1f:)fields//[$'\x1e\x1f']/ }$'\x1e'
  _cmdai_connect || _cmdai_start
}

# Opens _cmdai_fd to the daemon and sends the record; false when nobody listens.
_cmdai_connect() {
  local folder REPLY
  _cmdai_asking=1 # from here on Ctrl-C must find the line to give back
  _cmdai_folder
  if [[ -L $folder || ( -d $folder && ! -O $folder ) ]]; then
    _cmdai_give_up "$folder belongs to somebody else or is a link"
    return 0
  elif _cmdai_open_pipes 2> /dev/null; then
    _cmdai_awaited=@$_cmdai_turn _cmdai_unread= _cmdai_answered=0
    _cmdai_listen _cmdai_receive
    return 0
  elif [[ ! -S $folder/hook.sock ]]; then
    return 1
  elif (( ! $+builtins[zsocket] )); then
    exec {_cmdai_fd}< <(_cmdai_carry $folder/hook.sock 2> /dev/null)
    _cmdai_after_fork
  elif zsocket $folder/hook.sock 2> /dev/null; then
    _cmdai_fd=$REPLY
    _cmdai_send || { _cmdai_give_up 'the daemon is silent, your line is back: press again'; return 0 }
  else
    return 1
  fi
  _cmdai_awaited= _cmdai_unread= _cmdai_answered=0
  _cmdai_listen _cmdai_receive
}

# The same by the pipes that the daemon made for us, which spares it a connection. Opening what is
# asked fails when nobody holds its other end; nothing here waits.
_cmdai_open_pipes() {
  setopt no_multibyte
  local ask pipe=$folder/$_cmdai_pipes
  [[ -n $_cmdai_daemon && -p $pipe.ask && -p $pipe.answer ]] || return 1
  (( $#_cmdai_record <= 4096 )) || return 1 # that much is written whole
  sysopen -w -o nonblock,cloexec -u ask $pipe.ask || return 1
  if sysopen -r -o nonblock,cloexec -u _cmdai_fd $pipe.answer; then
    syswrite -o $ask -- "$_cmdai_record" || { exec {_cmdai_fd}>&-; _cmdai_fd= }
  else
    _cmdai_fd=
  fi
  exec {ask}>&-
  [[ -n $_cmdai_fd ]]
}

# Writes the record, never more at once than fits where there is room (2048 bytes: SO_SNDLOWAT), so
# that a daemon that does not read holds nobody up; false after two seconds without room.
_cmdai_send() {
  setopt no_multibyte
  local rest=$_cmdai_record
  local -a reply
  local -i tries
  while [[ -n $rest ]]; do
    tries=10
    until zselect -t 20 -w $_cmdai_fd; do
      (( --tries )) || return 1
    done
    syswrite -o $_cmdai_fd -- "${rest[1,2048]}" 2> /dev/null || break # the end of the reply tells
    rest=${rest[2049,-1]}
  done
  return 0
}

_cmdai_folder() { # -> folder; the same rule as cmdai_shell/config/paths.py
  setopt no_multibyte # a socket's path is limited in bytes
  if [[ -n ${CMDAI_RUNTIME_DIR-} ]]; then
    folder=${CMDAI_RUNTIME_DIR%/}
  elif [[ -n ${XDG_RUNTIME_DIR-} ]]; then
    folder=$XDG_RUNTIME_DIR/cmdai-shell
  else
    folder=${TMPDIR:-/tmp}/cmdai-shell-$UID
  fi
  local socket=$folder/hook.sock
  (( $#socket <= 100 )) || folder=/tmp/cmdai-shell-$UID
}

_cmdai_carry() { # socket; for a zsh that was built without zsh/net/socket
  builtin print -rn -- $_cmdai_record | case $_cmdai_relay_kind in
    (nc) exec $_cmdai_relay -U $1 ;;
    (socat) exec $_cmdai_relay -t 600 - UNIX-CONNECT:$1 ;;
    (curl) exec $_cmdai_relay -sN --unix-socket $1 --data-binary @- http://cmdai/ ;;
    (python) exec $_cmdai_python -I -S $_cmdai_relay $1 ;;
  esac
}

# No daemon: start one beside the person's typing; _cmdai_started asks it as soon as it listens.
_cmdai_start() {
  if (( _cmdai_restarts++ )); then
    _cmdai_give_up 'no answer from the daemon: cmdai-shell doctor'
    return
  elif [[ ! -x $_cmdai_python ]]; then
    _cmdai_give_up "cmdai-shell is gone from its place: install it, then cmdai-shell install"
    return
  fi
  exec {_cmdai_fd}< <(
    { $_cmdai_python -I -m cmdai_shell.daemon start < /dev/null 2>&1 > /dev/null } 2> /dev/null
    builtin print -r -- $'\n'=$?
  )
  _cmdai_after_fork
  _cmdai_unread=
  _cmdai_listen _cmdai_started
  _cmdai_silence=-10 # importing may take its time
  _cmdai_say starting…
}

_cmdai_after_fork() { # before zsh 5.8 Ctrl-C is lost after a process substitution without this
  [[ $ZSH_VERSION == 5.<3-7>* ]] && command true
}

_cmdai_started() {
  local chunk word
  [[ $1 == "$_cmdai_fd" ]] || return 0
  _cmdai_typed && return 0
  sysread -t 0 -i $1 chunk
  case $? in
    (0) _cmdai_unread+=$chunk ;;
    (4) return 0 ;;
    (*) _cmdai_unread+=$'\n=1\n' ;;
  esac
  [[ $_cmdai_unread == *$'\n='<->$'\n' ]] || return 0
  _cmdai_hang_up
  if [[ $_cmdai_unread == *$'\n=0\n' ]]; then
    _cmdai_say ''
    _cmdai_connect || _cmdai_start
  else
    word=${${_cmdai_unread%$'\n='*}%$'\n'}
    _cmdai_give_up ${${word##*$'\n'}:-'the daemon does not start: cmdai-shell doctor'}
  fi
  zle -R
}

# A part of the reply. A line is whole once its newline is here.
_cmdai_receive() {
  local chunk line text message=$_cmdai_message newline=$'\n'
  local -a lines
  [[ $1 == "$_cmdai_fd" ]] || return 0 # a closed descriptor's handler may be called once more
  _cmdai_typed && return 0
  sysread -t 0 -i $1 chunk
  case $? in
    (0) _cmdai_silence=0 _cmdai_unread+=$chunk ;;
    (4) return 0 ;;
    (*) _cmdai_broke_off; zle -R; return 0 ;;
  esac
  [[ $chunk == *$'\n'* ]] || return 0
  lines=("${(@ps:\n:)_cmdai_unread}")
  _cmdai_unread=$lines[-1]
  for line in "${(@)lines[1,-2]}"; do
    if [[ -n $_cmdai_awaited ]]; then # before it is what an earlier press left unread
      [[ $line != "$_cmdai_awaited" ]] || _cmdai_awaited=
      [[ $line != K0 ]] || { _cmdai_elsewhere; return 0 }
      continue
    fi
    _cmdai_answered=1
    text=${line[2,-1]//$'\x1f'/$newline}
    case $line in # here, not in a function: each call under this emulation takes 20 microseconds
      (T*) [[ $_cmdai_op == explain ]] || _cmdai_offer=$text ;;
      (M*) _cmdai_message=$text ;;
      (A0/*) _cmdai_op=restore ;;
      (P*) _cmdai_arm=$text ;;
      (K*) _cmdai_daemon=$text ;;
      (E*) _cmdai_give_up "${text#*$newline}" ;;
      (D*) _cmdai_done ;;
    esac # W: zle -M knows no colours; the words are in M
  done
  if [[ -n $_cmdai_fd ]]; then
    [[ -z $_cmdai_offer || $_cmdai_offer == "$_cmdai_shown" ]] || _cmdai_show $_cmdai_offer
    [[ $_cmdai_message == "$message" ]] || _cmdai_say $_cmdai_message
  fi
  zle -R
}

_cmdai_done() {
  _cmdai_hang_up
  if [[ $_cmdai_op == restore ]]; then
    BUFFER=$_cmdai_own CURSOR=$_cmdai_own_cursor _cmdai_last= _cmdai_fate=0
  elif [[ -n $_cmdai_arm ]]; then
    _cmdai_put_back
    _cmdai_armed=$_cmdai_arm _cmdai_armed_line=$BUFFER _cmdai_armed_alternative=$_cmdai_wanted
  elif [[ -n $_cmdai_offer ]]; then
    _cmdai_show $_cmdai_offer
    _cmdai_follow
    _cmdai_alternative=$_cmdai_wanted
  else
    _cmdai_put_back
  fi
  _cmdai_say $_cmdai_message
}

# Nobody answers our pipes, or the daemon is about to be replaced: on by the socket.
_cmdai_elsewhere() {
  _cmdai_hang_up
  _cmdai_daemon=
  _cmdai_connect || _cmdai_start
}

_cmdai_broke_off() {
  _cmdai_hang_up
  if (( _cmdai_answered )); then
    _cmdai_give_up 'the answer broke off, your line is back: press again'
  else
    _cmdai_start
  fi
}

_cmdai_give_up() { # why
  _cmdai_hang_up
  _cmdai_put_back
  _cmdai_say $1
}

_cmdai_show() { # text; all updates of one request are one undo step
  local -i rows=$(( $#BUFFER / COLUMNS + ${#${(f)BUFFER}} ))
  BUFFER=$1 CURSOR=$#BUFFER _cmdai_shown=$BUFFER
  # zle -M under a line that fills the screen leaves zle wrong about which row is where
  (( rows < LINES - 2 )) || zle redisplay
  (( ! $+functions[_zsh_highlight] )) || _zsh_highlight
}

_cmdai_say() {
  zle -M -- "${1:+$_cmdai_prefix}$1"
}

_cmdai_put_back() {
  [[ $BUFFER == "$_cmdai_before" ]] || BUFFER=$_cmdai_before CURSOR=$_cmdai_cursor
}

# True, and the request is over, when the line is no longer what we put there.
_cmdai_typed() {
  [[ $BUFFER != "$_cmdai_shown" ]] || return 1
  _cmdai_hang_up
  _cmdai_say 'stopped, the line is yours'
  zle -R
}

_cmdai_listen() { # widget
  zle -F -w $_cmdai_fd $1
  _cmdai_asking=1 _cmdai_silence=0
  (( _cmdai_ticking )) || sched +1 '{ _cmdai_tick $? $-; } 2> /dev/null'
  _cmdai_ticking=1
}

_cmdai_hang_up() { # closing the connection cancels the request
  local fd=$_cmdai_fd
  _cmdai_fd= _cmdai_asking=0
  [[ -n $fd ]] || return 0
  zle -F $fd 2> /dev/null
  exec {fd}>&-
}

# Once a second while a request is open: a daemon that says nothing for too long is dead. It runs
# among the person's options, and sched does not keep $?: it is handed back, but not where it would
# end the shell (err_exit).
_cmdai_tick() { # last_status options
  local -i last_status=$1
  [[ $2 == *e* ]] && last_status=0
  _cmdai_ticking=0
  [[ -n $_cmdai_fd ]] || return last_status
  sched +1 '{ _cmdai_tick $? $-; } 2> /dev/null'
  _cmdai_ticking=1
  zle && zle _cmdai_watch
  return last_status
}

_cmdai_watch() {
  _cmdai_look
  [[ -n $_cmdai_fd ]] || _cmdai_settle
}

_cmdai_look() {
  _cmdai_typed && return 0
  (( ++_cmdai_silence < 2 )) || [[ -z $_cmdai_awaited ]] || { _cmdai_elsewhere; return 0 }
  (( _cmdai_silence > _cmdai_patience )) || return 0
  _cmdai_give_up 'the daemon is silent, your line is back: press again'
  zle -R
}

# zle goes on polling what it watched before the timer ran. What was closed meanwhile is always ready:
# without a handler to call, after which it looks anew at what there is, it would spin until a key.
_cmdai_settle() {
  local fd
  exec {fd}< /dev/null
  zle -F -w $fd _cmdai_settled
}

_cmdai_settled() {
  local fd=$1
  zle -F $fd
  exec {fd}>&-
}

# Ctrl-C while a request is open: zle dropped the line. A descriptor that is always readable makes
# the next zle call us first thing, whatever widgets the person has for its beginning.
_cmdai_revive() {
  _cmdai_hang_up
  _cmdai_shown= # the line is empty until then
  exec {_cmdai_fd}< /dev/null
  _cmdai_listen _cmdai_restore
}

_cmdai_restore() { # what was typed since goes where it would have gone
  local -i typed=$CURSOR
  [[ $1 == "$_cmdai_fd" ]] || return 0
  _cmdai_hang_up
  BUFFER=${_cmdai_before[1,_cmdai_cursor]}$BUFFER${_cmdai_before[_cmdai_cursor+1,-1]}
  CURSOR=$(( _cmdai_cursor + typed ))
  _cmdai_say cancelled
  zle -R
}

zmodload -F zsh/system b:sysread b:syswrite
zmodload -F zsh/sched b:sched
zmodload -F zsh/zselect b:zselect
zmodload -F zsh/net/socket b:zsocket 2> /dev/null
zle -N _cmdai_receive
zle -N _cmdai_started
zle -N _cmdai_restore
zle -N _cmdai_watch
zle -N _cmdai_settled

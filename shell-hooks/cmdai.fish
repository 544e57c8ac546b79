# cmdai-shell for fish 3 and 4: Ctrl-G turns the line into a command, Alt-G explains it.
#
# The protocol, the state machine and the names are in README.md beside this file. The key function
# sends one record to the daemon and shows what comes back; it decides nothing. Rules kept here:
#   * The line is assigned only after a whole answer. Whatever fails before that leaves it alone.
#   * Nothing that came from the daemon is evaluated, run or fed as keys.
#   * Commands are called as `builtin` or `command`: people have functions named printf and read.

status is-interactive; or exit 0

set -g _cmdai_python @PYTHON@
set -g _cmdai_relay_kind @RELAY_KIND@
set -g _cmdai_relay @RELAY@
set -g _cmdai_preview # not empty while a preview is on the screen
set -g _cmdai_version @VERSION@ # for `cmdai-shell doctor`

# What is remembered from press to press, until the next prompt.
set -g _cmdai_own # the person's own text
set -g _cmdai_own_cursor 0 # and its cursor
set -g _cmdai_last # the suggestion made from it
set -g _cmdai_alternative 0 # and which alternative that is
set -g _cmdai_armed # a critical command that waits for a second press
set -g _cmdai_armed_alternative 0
set -g _cmdai_armed_line # on this line
set -g _cmdai_said_line # ":" and the line when our last message stands directly above the prompt
set -g _cmdai_command # what the person ran last, for "fix"
set -g _cmdai_conflict # who else holds our key, for `cmdai-shell doctor`

# --- The keys ------------------------------------------------------------------------------------

# Ctrl-G: a state machine whose state is what stands on the line.
function _cmdai_key
    set -l last_status $status
    # fish's own role of this key: leave the pager or the history search
    if commandline --paging-mode; or commandline --search-mode
        commandline -f cancel
        return
    end
    set -l line (commandline -b | string collect)
    set -l wanted 0

    if test -n "$_cmdai_armed" -a "$line" = "$_cmdai_armed_line"
        _cmdai_put "$_cmdai_armed" $_cmdai_armed_alternative
        return
    end
    set _cmdai_armed
    if test -n "$line" -a "$line" = "$_cmdai_last"
        set wanted (builtin math $_cmdai_alternative + 1)
        _cmdai_request next $last_status "$_cmdai_own" $wanted
    else
        set _cmdai_own "$line"
        set _cmdai_own_cursor (commandline -C)
        set _cmdai_last
        _cmdai_request suggest $last_status "$line" $wanted
    end

    switch $_cmdai_end
        case put
            _cmdai_put "$_cmdai_text" $wanted
        case own
            commandline -r -- "$_cmdai_own"
            commandline -C $_cmdai_own_cursor
            set _cmdai_last
        case arm
            set _cmdai_armed "$_cmdai_text"
            set _cmdai_armed_alternative $wanted
            set _cmdai_armed_line "$line"
    end
    _cmdai_say "$line"
end

# Alt-G: explains the line as it stands, changes nothing.
function _cmdai_explain
    set -l last_status $status
    set -l line (commandline -b | string collect)
    _cmdai_request explain $last_status "$line" 0
    _cmdai_say "$line"
end

# Another line begins: equal words on it are new words.
function _cmdai_forget --on-event fish_prompt --on-event fish_cancel
    set _cmdai_own
    set _cmdai_last
    set _cmdai_armed
    set _cmdai_said_line
end

# A leading blank asks not to be remembered.
function _cmdai_remember --on-event fish_preexec
    set _cmdai_command (string match -rv '^ ' -- "$argv[1]" | string collect)
end

# The text becomes the line, the cursor at its end.
function _cmdai_put -a text alternative
    commandline -r -- "$text"
    set _cmdai_last "$text"
    set _cmdai_alternative $alternative
    set _cmdai_armed
end

# The daemon's last message stays above the prompt: it is written over the prompt, which fish then
# draws again below. fish goes up by as many rows as it believes to be above the cursor, so these are
# given back. A message that the press on `line` found directly above the prompt is replaced.
function _cmdai_say -a line
    if test $_cmdai_end != cancel -a -n "$_cmdai_message"
        set -l style 2
        switch $_cmdai_risk
            case caution
                set style 33
            case dangerous critical
                set style 31
        end
        set -l rows (builtin math (builtin count (fish_prompt)) + $_cmdai_row - 2)
        set -l up $rows
        test ":$line" = "$_cmdai_said_line"; and set up (builtin math $rows + 1)
        set -l shown (string replace -ra '[^\P{Cc}\n]' ' ' -- "$_cmdai_message" | string collect)
        begin
            string repeat -N -n $up \e'[A'
            builtin printf '\r\e[J\e[%smcmdai: %s\e[0m\n' $style "$shown"
            string repeat -N -n $rows \n
        end >/dev/tty
        set _cmdai_said_line
        if test (builtin count $_cmdai_message) = 1 -a (builtin math (string length -- "$_cmdai_message") + 8) -lt "$COLUMNS"
            set -l now (commandline -b | string collect)
            set _cmdai_said_line ":$now"
        end
    end
    commandline -f repaint
end

# --- One request ---------------------------------------------------------------------------------

# Asks, waits, and sets _cmdai_end to what is to be done (put, own, arm, keep, fail, cancel),
# _cmdai_text, _cmdai_message and _cmdai_risk.
function _cmdai_request -a op last_status line alternative
    set -g _cmdai_end unreachable
    set -g _cmdai_text
    set -g _cmdai_message
    set -g _cmdai_risk
    set -g _cmdai_row (commandline --line)
    set -l folder (_cmdai_folder)
    if test -L "$folder"; or test -e "$folder" -a ! -O "$folder"
        set _cmdai_end fail
        set _cmdai_message "$folder belongs to somebody else or is a link: set CMDAI_RUNTIME_DIR to a folder of yours"
        return
    end
    _cmdai_draw '…'
    set -l record (_cmdai_record $op $last_status "$line" $alternative | string collect)
    _cmdai_ask "$folder/hook.sock" 5 "$record"
    if test $_cmdai_end = unreachable; and _cmdai_start
        _cmdai_ask "$folder/hook.sock" 15 "$record" # it may still be loading
    end
    if test $_cmdai_end = unreachable
        set _cmdai_end fail
        set _cmdai_message 'the daemon gives no answer: cmdai-shell doctor'
    end
    _cmdai_erase
    _cmdai_typed
end

# Takes what was typed during the wait: fish would read it after us, and an Enter in it would run a
# command that nobody has seen. Up to that Enter the text goes to the cursor; the answer is dropped.
function _cmdai_typed
    set -l typed (_cmdai_read_waiting </dev/tty | string collect -N)
    test -n "$typed"; or return
    set _cmdai_end keep
    set _cmdai_message 'stopped: you typed'
    string match -q '*'\n'*' -- "$typed"; or string match -q '*'\r'*' -- "$typed"
    and set _cmdai_message 'stopped by Enter: nothing was run'
    set typed (string match -r '^[^\n\r]*' -- "$typed")
    string match -q '*'\e'*' -- "$typed[1]"; and return # an arrow, say
    commandline -i -- (string replace -ra '\p{Cc}' '' -- "$typed[1]")
end

# What the terminal has ready, without waiting for more.
function _cmdai_read_waiting
    if test -d /proc/self # Linux
        command dd bs=4096 count=1 iflag=nonblock 2>/dev/null
    else
        command sh -c 'was=$(stty -g); stty -icanon min 0 time 0; dd bs=4096 count=1; stty "$was"' 2>/dev/null
    end
end

# The runtime folder, by the rule of README.md.
function _cmdai_folder
    set -l folder "$TMPDIR"
    test -n "$folder"; or set folder /tmp
    set folder (string replace -r '/$' '' -- "$folder")/cmdai-shell-$EUID
    test -n "$XDG_RUNTIME_DIR"; and set folder (string replace -r '/$' '' -- "$XDG_RUNTIME_DIR")/cmdai-shell
    test -n "$CMDAI_RUNTIME_DIR"; and set folder (string replace -r '(?<=.)/$' '' -- "$CMDAI_RUNTIME_DIR")
    # The limit is in bytes; as a URL every byte that is not a plain character is one %XX.
    set -l bytes (string escape --style=url -- "$folder" | string replace -ra '%..' x | string length)
    test $bytes -le 90; or set folder /tmp/cmdai-shell-$EUID
    string collect -- "$folder"
end

function _cmdai_record -a op last_status line alternative
    set -l last_command
    test -n "$line"; or set last_command "$_cmdai_command"
    set -l fields v=1 op=$op shell=fish "shell_version=$version" cursor=(commandline -C) "cwd=$PWD" \
        "path=$PATH" "width=$COLUMNS" last_status=$last_status "last_command=$last_command" \
        alternative=$alternative "environment=$CMDAI_ENVIRONMENT" \
        "safety_level=$CMDAI_SAFETY_LEVEL" "line=$line"
    if string match -qr '[\x1e\x1f]' -- $fields # seldom, and every ( ) costs half a millisecond
        set -l clean
        for field in $fields
            set -a clean (string replace -ra '[\x1e\x1f]' ' ' -- "$field" | string collect)
        end
        set fields $clean
    end
    builtin printf %s $fields[1]
    builtin printf '\x1f%s' $fields[2..]
    builtin printf '\x1e'
end

# Connects, sends the record, reads the reply; gives up after so long a silence (a daemon says
# something every second). fish's `read` cannot time out, so the relay does it, and only its exit
# status tells a silent daemon from none at all. _cmdai_end stays `unreachable` if there is none.
function _cmdai_ask -a socket seconds record
    test -S "$socket"; or return
    set -l relay
    switch $_cmdai_relay_kind
        case nc
            set relay $_cmdai_relay -w $seconds -U $socket
        case socat
            set relay $_cmdai_relay -t $seconds - UNIX-CONNECT:$socket
        case curl
            set relay $_cmdai_relay -sN -y $seconds -Y 1 --unix-socket $socket --data-binary @- http://cmdai/
        case '*'
            set relay $_cmdai_python -I -S $_cmdai_relay $socket $seconds
    end
    builtin printf %s "$record" | command $relay 2>/dev/null | _cmdai_receive
    set -l code $pipestatus[2]
    if test $_cmdai_end = unreachable; and contains -- $code 0 28 # 28: curl's own timeout
        set _cmdai_end fail
        set _cmdai_message 'the daemon gives no answer: your line is back'
    end
end

# Reads the reply to its end, showing it as it comes.
function _cmdai_receive
    set -l kind keep
    set -l said
    while read -l row
        if test $_cmdai_end = unreachable
            set _cmdai_end fail
            set _cmdai_message 'the daemon went away: your line is back'
        end
        set -l rest (string sub -s 2 -- "$row")
        switch $row
            case 'T*'
                set _cmdai_text (string replace -a \x1f \n -- "$rest" | string collect)
                set kind put
                _cmdai_draw "$rest"
            case 'M*'
                set said (string split \x1f -- "$rest")
                _cmdai_draw "$rest"
            case 'W*'
                set _cmdai_risk (string split -m 1 \x1f -- "$rest")[1]
            case 'A0/*'
                set kind own
            case 'P*'
                set _cmdai_text (string replace -a \x1f \n -- "$rest" | string collect)
                set kind arm
            case 'E*'
                set _cmdai_message (string split -m 1 \x1f -- "$rest")[2]
                break
            case D
                set _cmdai_end $kind
                set _cmdai_message (string join \n -- $said | string collect)
                break
        end
    end
end

# Starts the daemon, which goes on in the background without the person's terminal.
function _cmdai_start
    _cmdai_draw 'starting the daemon …'
    set -l problem (command $_cmdai_python -I -m cmdai_shell.daemon start 2>&1 >/dev/null </dev/null)
    and return
    test $_cmdai_end = cancel; and return 1
    set _cmdai_end fail
    set _cmdai_message "$problem[-1]"
    test -n "$_cmdai_message"; or set _cmdai_message 'the daemon does not start: cmdai-shell doctor'
    return 1
end

# --- The preview: one dim row below the cursor ---------------------------------------------------

# ESC D goes down and scrolls if it must. Automatic wrapping is off meanwhile, so that wide
# characters cannot spill into a second row.
function _cmdai_draw -a text
    set -l width (string match -r '^[1-9]\d{0,3}$' -- "$COLUMNS"; or builtin printf 80)
    set -l row (string replace -ra '[\x1f\n]' ' ⏎ ' -- "$text" | string replace -ra '\p{Cc}' ' ' | string sub -l $width)
    begin
        set -q _cmdai_preview[1]; or builtin printf '\eD'
        builtin printf '\e[?7l\r\e[K\e[2m%s\e[0m\e[?7h' "$row"
    end >/dev/tty
    set -g _cmdai_preview 1
end

function _cmdai_erase
    set -q _cmdai_preview[1]; or return
    set -g _cmdai_preview
    builtin printf '\r\e[K\e[A' >/dev/tty
end

# Ctrl-C ends the key function where it stands, or only the statement it is at (this depends on the
# nesting and on fish's version): both leave the line as it is. The preview goes.
function _cmdai_cancel --on-signal INT
    set -q _cmdai_preview[1]; or return
    set _cmdai_end cancel
    _cmdai_erase
    commandline -f repaint
end

# --- Binding -------------------------------------------------------------------------------------

# Once, at the first prompt: by then the person's own bindings and every other tool's are in place.
function _cmdai_bind --on-event fish_prompt
    functions -e _cmdai_bind
    set -q CMDAI_NOBIND[1]; and return
    set -l key (_cmdai_sequence "$CMDAI_KEY" '^G')
    set -l explain (_cmdai_sequence "$CMDAI_EXPLAIN_KEY" '^[g')
    if test -z "$CMDAI_KEY"
        set -g _cmdai_conflict (_cmdai_holder)
        test -z "$_cmdai_conflict"; or set key \cx\cg
    end
    for mode in default insert
        builtin bind -M $mode $key _cmdai_key
        builtin bind -M $mode $explain _cmdai_explain
    end
end

# The first of the two that is not empty, as the bytes it sends: ^G, ^[g and \C-g are all understood.
function _cmdai_sequence -a chosen default
    test -n "$chosen"; or set chosen $default
    string replace -a '^[' '\e' -- $chosen | string replace -ra '\^(.)|\\\\C-(.)' '\\\\c$1$2' | string lower | string unescape
end

# What the person or another tool has put on Ctrl-G, or on keys that begin with it; else nothing.
function _cmdai_holder
    builtin bind --user 2>/dev/null | string match -rv _cmdai_ | string match -r '^bind (?:-\S+ \S+ |--user )*(?:\\\\cg|ctrl-g).*'
end

# What a press of the key does in fish. Read by cmdai.fish at the first one.
#
# The key function sends one record to the daemon and shows what comes back; it decides nothing.
#   * The line is assigned only after a whole answer. Whatever fails before that leaves it alone.
#   * Nothing that came from the daemon is evaluated, run or fed as keys.
#   * A press is to take 5 ms: each ( ) costs a quarter of one, a pipe between two functions a whole
#     one (fish starts threads), a process several. So what is seldom needed is asked for by
#     `string match -q`, which costs nothing, and only then done.

# What is remembered from press to press, until the next prompt.
set -g _cmdai_own # the person's own text
set -g _cmdai_own_cursor 0 # and its cursor
set -g _cmdai_last # the suggestion made from it
set -g _cmdai_alternative 0 # and which alternative that is
set -g _cmdai_armed # a critical command that waits for a second press
set -g _cmdai_armed_alternative 0
set -g _cmdai_armed_line # on this line
set -g _cmdai_fate # of our last suggestion: line (it stands there), run, ended, dropped
set -g _cmdai_offered # that suggestion
set -g _cmdai_ran # what the line was when it was run
set -g _cmdai_ran_status -1
set -g _cmdai_said_line # ":" and the line when our last message stands directly above the prompt
set -g _cmdai_said_rows 0 # and how many rows it has
set -g _cmdai_prompt_place # the folder the prompt was made in, ":" before it; empty: to be made

set -g _cmdai_visible # what has `string length` count what is seen; fish before 3.4 cannot
string length -q --visible x 2>/dev/null; and set _cmdai_visible --visible

set -g _cmdai_asking # not empty while a request is under way
set -g _cmdai_preview # not empty while a preview is on the screen

# The pipes, once the daemon has made them (README.md, "Pipes").
set -g _cmdai_name $fish_pid-(builtin random)
set -g _cmdai_turn 1
set -g _cmdai_pipes # their path without its ending
set -g _cmdai_daemon # the process that holds them
set -g _cmdai_alive # what its /proc/PID/stat looks like while it lives
set -g _cmdai_tty (builtin realpath /proc/self/fd/0 2>/dev/null)
string match -q '/dev/*' -- "$_cmdai_tty"; or set _cmdai_tty
set -g _cmdai_folder
set -g _cmdai_folder_from # the three variables that it was found by

function _cmdai_status
    return $argv[1]
end

# --- The keys ------------------------------------------------------------------------------------

# Ctrl-G: a state machine whose state is what stands on the line.
function _cmdai_key
    set -l last_status $status
    # fish's own role of this key: leave the pager or the history search
    if commandline --paging-mode; or commandline --search-mode
        commandline -f cancel
        return
    end
    _cmdai_look
    if test -n "$_cmdai_armed"; and test ":$_cmdai_line" = ":$_cmdai_armed_line"
        _cmdai_put "$_cmdai_armed" $_cmdai_armed_alternative
        return
    end
    set _cmdai_armed
    set -l wanted 0
    if test -n "$_cmdai_line"; and test ":$_cmdai_line" = ":$_cmdai_last"
        set wanted (builtin math $_cmdai_alternative + 1)
        _cmdai_request next $last_status "$_cmdai_own" $wanted
    else
        set _cmdai_own "$_cmdai_line"
        set _cmdai_own_cursor $_cmdai_cursor
        set _cmdai_last
        _cmdai_request suggest $last_status "$_cmdai_line" 0
    end

    switch $_cmdai_end
        case put
            _cmdai_put "$_cmdai_text" $wanted
        case own
            commandline -r -- "$_cmdai_own"
            commandline -C $_cmdai_own_cursor
            set _cmdai_last
            set _cmdai_fate
        case arm
            set _cmdai_armed "$_cmdai_text"
            set _cmdai_armed_alternative $wanted
            set _cmdai_armed_line "$_cmdai_line"
    end
    _cmdai_say
end

# Alt-G: explains the line as it stands, changes nothing.
function _cmdai_explain
    set -l last_status $status
    _cmdai_look
    _cmdai_request explain $last_status "$_cmdai_line" 0
    _cmdai_say
end

# The line and its cursor.
function _cmdai_look
    set -l IFS \n
    set -l all (commandline -C; commandline -b)
    set -g _cmdai_cursor $all[1]
    set -g _cmdai_line "$all[2]"
    if set -q all[3]
        set IFS
        set _cmdai_line (string join \n -- $all[2..-1])
    end
end

# Another line begins: equal words on it are new words.
function _cmdai_forget --on-event fish_prompt --on-event fish_cancel
    set _cmdai_own
    set _cmdai_last
    set _cmdai_armed
    set _cmdai_said_line
    set _cmdai_prompt_place
    test "$_cmdai_fate" = line; and set _cmdai_fate dropped
end

# The text becomes the line, the cursor at its end.
function _cmdai_put -a text alternative
    commandline -r -- "$text"
    set _cmdai_last "$text"
    set _cmdai_alternative $alternative
    set _cmdai_armed
    set _cmdai_fate line
    set _cmdai_offered "$text"
    set _cmdai_ran
    set _cmdai_ran_status -1
end

# --- What became of it ---------------------------------------------------------------------------

function _cmdai_see_run --on-event fish_preexec
    test "$_cmdai_fate" = line; or return
    set _cmdai_fate
    string match -q ' *' -- "$argv[1]"; or set -q fish_private_mode; and return
    set _cmdai_fate run
    set _cmdai_ran "$argv[1]"
end

function _cmdai_see_end --on-event fish_postexec
    set -l last_status $status
    test "$_cmdai_fate" = run; or return
    set _cmdai_fate ended
    set _cmdai_ran_status $last_status
end

# Sets _cmdai_told to what the record says of the suggestion before: nothing while it still stands on
# the line.
function _cmdai_find_fate -a op
    set -g _cmdai_told
    test "$_cmdai_fate" = line -a $op != suggest; and return
    set -q _cmdai_fate[1]; and string match -qr '(?s)^.{0,2000}\z' -- "$_cmdai_offered$_cmdai_ran"
    and set _cmdai_told "offered=$_cmdai_offered" "ran=$_cmdai_ran" "ran_status=$_cmdai_ran_status"
    set _cmdai_fate
end

# The daemon's last message stays above the prompt, which moves down by its rows and up by those of an
# earlier message directly above. fish then draws twice: what has changed, from where it believes the
# cursor to be, and all of it, from as many rows higher as it believes to be above the cursor. So the
# cursor is given back in the row and the column that it had.
function _cmdai_say
    if test $_cmdai_end != cancel -a -n "$_cmdai_message"
        set -l style 2
        switch "$_cmdai_risk"
            case 'caution*'
                set style 33
            case 'dangerous*' 'critical*'
                set style 31
        end
        set -l shown "$_cmdai_message"
        string match -qr '[^\P{Cc}\n]' -- "$shown"
        and set shown (string replace -ra '[^\P{Cc}\n]' ' ' -- "$shown" | string collect)
        _cmdai_measure "cmdai: $shown"
        set -l rows $_cmdai_height
        set -l down $rows
        test ":$_cmdai_line" = "$_cmdai_said_line"; and set down (builtin math $rows - $_cmdai_said_rows)
        _cmdai_count_above
        begin
            _cmdai_erase
            switch $down
                case 0
                case '-*'
                    builtin printf '\e[%sA' (string sub -s 2 -- $down)
                case 1
                    builtin printf '\eD'
                case '*'
                    string repeat -N -n $down \eD
            end
            # up and down again: where the screen was cleared meanwhile there is no room above
            set -l way $rows
            test $_cmdai_above = 0; or set way $rows $_cmdai_above
            builtin printf '\e[%sA' $way
            builtin printf '\e[%sB' $way
            builtin printf '\e7'
            builtin printf '\e[%sA' $way
            # erased after the first word: tmux takes an erased screen for one to be kept
            builtin printf '\r\e[%smcmdai: \e[J%s\e[0m\e8' $style "$shown"
        end >/dev/tty
        set _cmdai_said_rows $rows
        switch $_cmdai_end
            case put
                set _cmdai_said_line ":$_cmdai_text"
            case own
                set _cmdai_said_line ":$_cmdai_own"
            case '*'
                _cmdai_look # somebody may have typed
                set _cmdai_said_line ":$_cmdai_line"
        end
    end
    set _cmdai_asking
    set -q _cmdai_preview[1]; and _cmdai_erase >/dev/tty
    commandline -f repaint
end

# Makes the prompt, which may be slow, once for all presses on it. Keeps how many rows are above its
# last, and as many blanks as that one is wide: fish shortens it to one row of the terminal.
function _cmdai_make_prompt
    set -l IFS \n
    set -l prompt (functions -q fish_mode_prompt; and fish_mode_prompt </dev/null; fish_prompt </dev/null)
    set -g _cmdai_prompt_above 0
    set -q prompt[2]; and set _cmdai_prompt_above (builtin math (builtin count $prompt) - 1)
    set -g _cmdai_blank (string repeat -m $_cmdai_width -n (string length $_cmdai_visible -- "$prompt[-1]") ' ')
    set _cmdai_prompt_place ":$PWD"
end

# Sets _cmdai_above to the number of rows above the cursor, of the prompt and of the line as it was
# before this press. Of how deep fish indents the rows of a block nobody tells.
function _cmdai_count_above
    test "$_cmdai_prompt_place" = ":$PWD"; or _cmdai_make_prompt
    set -l before "$_cmdai_blank$_cmdai_line "
    if not string match -qr "^[ -~]{0,$_cmdai_width}\z" -- "$before"
        set -l IFS
        set before (string replace -r "(?s)(?<=^.{$_cmdai_cursor}).*" x -- "$_cmdai_line")
        set before "$_cmdai_blank"(string replace -a \n \n"$_cmdai_blank" -- "$before")
    end
    _cmdai_measure "$before" # with the row that the cursor is in
    set -g _cmdai_above $_cmdai_prompt_above
    test $_cmdai_height = 1; or set _cmdai_above (builtin math $_cmdai_height - 1 + $_cmdai_prompt_above)
end

# Sets _cmdai_height to how many rows of the terminal a text takes.
function _cmdai_measure -a text
    set -g _cmdai_height 1
    string match -qr "^[ -~]{0,$_cmdai_width}\z" -- "$text"; and return
    set -l IFS \n
    set -l each
    for width in (string length $_cmdai_visible -- (string split \n -- "$text"))
        set -a each "max(1, ceil($width / $_cmdai_width))"
    end
    set _cmdai_height (builtin math (string join + $each))
end

# --- One request ---------------------------------------------------------------------------------

# Asks, waits, and sets _cmdai_end to what is to be done (put, own, arm, keep, fail, cancel),
# _cmdai_text, _cmdai_message and _cmdai_risk.
function _cmdai_request -a op last_status line alternative
    set -g _cmdai_end unreachable
    set -g _cmdai_text
    set -g _cmdai_message
    set -g _cmdai_risk
    set -g _cmdai_waiting # how many bytes wait at the terminal, if the daemon says so
    set -g _cmdai_width 80
    string match -qr '^[1-9]\d{0,3}$' -- "$COLUMNS"; and set _cmdai_width $COLUMNS
    set _cmdai_asking 1
    test "$_cmdai_folder_from" = "$CMDAI_RUNTIME_DIR|$XDG_RUNTIME_DIR|$TMPDIR"; or _cmdai_find_folder
    if test -L "$_cmdai_folder"; or test -e "$_cmdai_folder" -a ! -O "$_cmdai_folder"
        set _cmdai_end fail
        set _cmdai_message "$_cmdai_folder belongs to somebody else or is a link: set CMDAI_RUNTIME_DIR to a folder of yours"
        return
    end

    set -l last_command
    test -n "$line"; or set last_command "$_cmdai_command"
    _cmdai_find_fate $op
    set -l values "$PWD" "$PATH" "$last_command" "$CMDAI_ENVIRONMENT" "$CMDAI_SAFETY_LEVEL" "$line" $_cmdai_told
    if string match -qr '[\x1e\x1f]' -- $values
        set -l IFS
        for number in 1 2 3 4 5 6 7 8
            set -q values[$number]; or break
            set -l clean (string replace -ra '[\x1e\x1f]' ' ' -- "$values[$number]")
            set values[$number] "$clean"
        end
    end
    set -l record "op=$op"\x1fshell=fish\x1f"shell_version=$version"\x1f"cursor=$_cmdai_cursor"
    set record "$record"\x1f"cwd=$values[1]"\x1f"path=$values[2]"\x1f"width=$COLUMNS"
    set record "$record"\x1f"last_status=$last_status"\x1f"last_command=$values[3]"
    set record "$record"\x1f"alternative=$alternative"\x1f"environment=$values[4]"
    set record "$record"\x1f"safety_level=$values[5]"\x1fpatience=5\x1f"tty=$_cmdai_tty"
    set -q values[7]; and set record "$record"\x1f"$values[7]"\x1f"$values[8]"\x1f"$values[9]"
    set -q fish_private_mode; and set record "$record"\x1f"private=1"
    set record "$record"\x1f"line=$values[6]"\x1e

    # before the daemon is asked: what is typed while a slow prompt is made must be counted by it
    test "$_cmdai_prompt_place" = ":$PWD"; or _cmdai_make_prompt
    test "$_cmdai_pipes" = "$_cmdai_folder/$_cmdai_name"
    and _cmdai_ask_pipes v=1\x1f"turn=$_cmdai_turn"\x1f"$record"
    if test $_cmdai_end = unreachable
        set record v=1\x1f"pipes=$_cmdai_name"\x1f"$record"
        _cmdai_draw '…'
        _cmdai_ask 5 "$record"
        if test $_cmdai_end = unreachable; and _cmdai_start
            _cmdai_ask 15 "$record" # it may still be loading
        end
        if test $_cmdai_end = unreachable
            set _cmdai_end fail
            set _cmdai_message 'the daemon gives no answer: cmdai-shell doctor'
        end
    end
    test -n "$_cmdai_waiting"; or _cmdai_typed
end

# The runtime folder, by the rule of README.md.
function _cmdai_find_folder
    set -l folder "$TMPDIR"
    test -n "$folder"; or set folder /tmp
    set folder (string replace -r '/$' '' -- "$folder")/cmdai-shell-$EUID
    test -n "$XDG_RUNTIME_DIR"; and set folder (string replace -r '/$' '' -- "$XDG_RUNTIME_DIR")/cmdai-shell
    test -n "$CMDAI_RUNTIME_DIR"; and set folder (string replace -r '(?<=.)/$' '' -- "$CMDAI_RUNTIME_DIR")
    # The limit is in bytes; as a URL every byte that is not a plain character is one %XX.
    set -l bytes (string escape --style=url -- "$folder" | string replace -ra '%..' x | string length)
    test $bytes -le 90; or set folder /tmp/cmdai-shell-$EUID
    set _cmdai_folder "$folder"
    set _cmdai_folder_from "$CMDAI_RUNTIME_DIR|$XDG_RUNTIME_DIR|$TMPDIR"
end

# By the pipes, with no process. _cmdai_end stays `unreachable` if the daemon does not answer there.
# Opening or reading them would wait for ever for a daemon that is dead or stopped, so its state is
# looked at first; one that hangs is killed by its own timer (`patience`).
function _cmdai_ask_pipes -a record
    test -p $_cmdai_pipes.ask -a -p $_cmdai_pipes.answer -a -r /proc/$_cmdai_daemon/stat; or return
    # at most 4096 bytes: every character may be one, and 300 of them may be four
    string match -qr '(?s)^(?=.{0,3196}\z)(?:[\x00-\x7f]*+[^\x00-\x7f]){0,300}[\x00-\x7f]*\z' -- "$record"; or return
    builtin read -l found </proc/$_cmdai_daemon/stat
    string match -qr $_cmdai_alive -- "$found"; or return
    begin
        builtin printf %s "$record" >>$_cmdai_pipes.ask
        set -l turn @$_cmdai_turn
        set _cmdai_turn (builtin math $_cmdai_turn + 1)
        while builtin read -l row
            set -q _cmdai_asking[1]; or break
            switch "$row"
                case $turn
                    _cmdai_receive
                    break
                case K0
                    break
            end
        end
    end 2>/dev/null <$_cmdai_pipes.answer
    test -p $_cmdai_pipes.ask; or command rm -f $_cmdai_pipes.ask # taken away at that moment: a file
end

# By the socket. Gives up after so long a silence (a daemon says something every second). fish's
# `read` cannot time out, so the relay does it, and only its exit status tells a silent daemon from
# none at all. _cmdai_end stays `unreachable` if there is none.
function _cmdai_ask -a seconds record
    set -l socket $_cmdai_folder/hook.sock
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
        set _cmdai_message 'the daemon gives no answer, your line is back: press again'
    end
end

# Reads the reply to its end, showing it as it comes; the verdict begins what comes all at once. No
# signal ends fish's `read`: Ctrl-C is noticed at the next line, and every line must look for it.
function _cmdai_receive
    set -l kind keep
    set -l said
    set -l whole
    set -l ended
    while builtin read -l -d '' letter rest
        set -q _cmdai_asking[1]; or break
        if test $_cmdai_end = unreachable
            set _cmdai_end fail
            set _cmdai_message 'the daemon went away, your line is back: press again'
        end
        switch "$letter"
            case T P
                _cmdai_several_rows "$rest"
                set _cmdai_text "$_cmdai_rows"
                set kind put
                test $letter = P; and set kind arm
                test -n "$whole" -o $letter = P; or _cmdai_draw "$rest"
            case M
                set said "$rest"
                test -n "$whole"; or _cmdai_draw "$rest"
            case W
                set _cmdai_risk "$rest"
                set whole 1
            case A
                string match -q '0/*' -- "$rest"; and set kind own
            case I
                set _cmdai_waiting "$rest"
                test "$rest" != 0; and _cmdai_typed; and break
            case K
                _cmdai_take_pipes "$rest"
            case E
                _cmdai_several_rows (string replace -r '^[^\x1f]*\x1f' '' -- "$rest")
                set _cmdai_message "$_cmdai_rows"
                set ended 1
                break
            case D
                set ended 1
                _cmdai_several_rows "$said"
                set _cmdai_message "$_cmdai_rows"
                test $_cmdai_end = cancel; or set _cmdai_end $kind
                break
        end
    end
    # That nothing was typed is true only at the end of a reply.
    test -n "$ended" -o "$_cmdai_waiting" = taken; or set _cmdai_waiting
end

# A text as it travels, with its newlines, in _cmdai_rows.
function _cmdai_several_rows -a text
    set -g _cmdai_rows "$text"
    set -l IFS
    string match -q '*'\x1f'*' -- "$text"
    and set _cmdai_rows (string replace -a \x1f \n -- "$text")
end

# The daemon has made them. When it started tells its process from a later one of that number.
function _cmdai_take_pipes -a daemon
    set _cmdai_pipes
    string match -qr '^[1-9]\d*$' -- "$daemon"; and test -r /proc/$daemon/stat; or return
    builtin read -l found </proc/$daemon/stat
    set -l started (string replace -rf '^.*\) \S (?:\S+ ){18}(\d+) .*$' '$1' -- "$found"); or return
    set _cmdai_alive "\\) [RSD] (?:\\S+ ){18}$started "
    set _cmdai_daemon $daemon
    set _cmdai_pipes "$_cmdai_folder/$_cmdai_name"
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

# --- What was typed meanwhile --------------------------------------------------------------------

# Takes what was typed during the wait: fish would read it after us, and an Enter in it would run a
# command that nobody has seen. Up to that Enter the text goes to the cursor; the answer is dropped.
# False if nothing was.
function _cmdai_typed
    set -l typed (_cmdai_read_waiting </dev/tty | string collect -N)
    test -n "$typed"; or return
    set _cmdai_waiting taken
    if string match -qr '\x03|\e\[99;5u' -- "$typed" # Ctrl-C, in two ways a terminal sends it
        set _cmdai_end cancel
        return 0
    end
    set _cmdai_end keep
    set _cmdai_message 'stopped: you typed'
    set -l pasted (string match -r '(?s)^\e\[200~(.*?)\e\[201~' -- "$typed" | string collect)
    if test -n "$pasted" # newlines in it are no Enter
        set pasted (string replace -ra '^\e\[200~|\e\[201~[\s\S]*$' '' -- "$pasted" | string replace -a \r \n | string collect -N)
        commandline -i -- (string replace -ra '[^\P{Cc}\n]' ' ' -- "$pasted" | string collect -N)
        return 0
    end
    string match -q '*'\n'*' -- "$typed"; or string match -q '*'\r'*' -- "$typed"
    and set _cmdai_message 'stopped by Enter: nothing was run'
    set typed (string match -r '^[^\n\r]*' -- "$typed")
    string match -q '*'\e'*' -- "$typed[1]" # an arrow, say
    or commandline -i -- (string replace -ra '\p{Cc}' '' -- "$typed[1]")
    return 0
end

# What the terminal has ready, without waiting for more.
function _cmdai_read_waiting
    if test -d /proc/self # Linux
        command dd bs=4096 count=1 iflag=nonblock 2>/dev/null
    else
        command sh -c 'was=$(stty -g); stty -icanon min 0 time 0; dd bs=4096 count=1; stty "$was"' 2>/dev/null
    end
end

# --- The preview: one dim row below the cursor ---------------------------------------------------

# ESC D goes down and scrolls if it must, in the same column, which is kept for _cmdai_erase. Automatic
# wrapping is off meanwhile, so that wide characters cannot spill into a second row.
function _cmdai_draw -a text
    set -q _cmdai_asking[1]; or return
    if not string match -qr "^\\P{Cc}{0,$_cmdai_width}\\z" -- "$text"
        set text (string replace -ra '[\x1f\n]' ' ⏎ ' -- "$text" | string replace -ra '\p{Cc}' ' ' | string sub -l $_cmdai_width)
    end
    begin
        set -q _cmdai_preview[1]; or builtin printf '\eD\e7'
        builtin printf '\e[?7l\r\e[K\e[2m%s\e[0m\e[?7h' "$text"
    end >/dev/tty
    set _cmdai_preview 1
end

function _cmdai_erase
    set -q _cmdai_preview[1]; or return
    set _cmdai_preview
    builtin printf '\e8\e[2K\e[A'
end

# Ctrl-C ends the key function where it stands, or only the statement it is at (this depends on the
# nesting and on fish's version): both leave the line as it is. The preview goes.
function _cmdai_cancel --on-signal INT
    set -q _cmdai_asking[1]; or return
    set _cmdai_asking
    set _cmdai_end cancel
    _cmdai_erase >/dev/tty
    commandline -f repaint
end

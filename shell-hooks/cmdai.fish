# cmdai-shell for fish 3 and 4: Ctrl-G turns the line into a command, Alt-G explains it. The
# protocol, the states and the names: README.md beside press.fish.
#
# A new shell reads no more than this, and each ( ) would cost it a quarter of a millisecond; what a
# press needs is in press.fish, read at the first one. Commands are called as `builtin` or
# `command`: people have functions named printf and read.

status is-interactive; or exit 0

set -g _cmdai_python @PYTHON@
set -g _cmdai_relay_kind @RELAY_KIND@
set -g _cmdai_relay @RELAY@
set -g _cmdai_press @PRESS@
set -g _cmdai_version @VERSION@ # for `cmdai-shell doctor`

set -g _cmdai_held '^bind (?!.*_cmdai_)(?:-\S+ \S+ |--user )*(?:\\\\cg|ctrl-g).*'

# Once, at the first prompt: by then the person's own bindings and every other tool's are in place.
function _cmdai_bind --on-event fish_prompt
    functions -e _cmdai_bind
    set -g _cmdai_conflict # who else holds our key, for `cmdai-shell doctor`
    set -q CMDAI_NOBIND[1]; and return
    set -l key \cg
    set -l explain \eg
    if test -n "$CMDAI_KEY"
        set key (_cmdai_sequence $CMDAI_KEY)
    else
        set -l theirs (builtin bind --user 2>/dev/null)
        if set -q theirs[1]; and string match -qr $_cmdai_held -- $theirs
            set _cmdai_conflict (_cmdai_holder)
            set key \cx\cg
        end
    end
    test -z "$CMDAI_EXPLAIN_KEY"; or set explain (_cmdai_sequence $CMDAI_EXPLAIN_KEY)
    builtin bind -M default $key _cmdai_key
    builtin bind -M insert $key _cmdai_key
    builtin bind -M default $explain _cmdai_explain
    builtin bind -M insert $explain _cmdai_explain
end

# A key as a person writes it, as the bytes it sends: ^G, ^[g and \C-g are all understood.
function _cmdai_sequence -a key
    string replace -a '^[' '\e' -- $key | string replace -ra '(?:\^|\\\\C-)(.)' '\\\\c$1' | string lower | string unescape
end

# What the person or another tool has put on Ctrl-G, or on keys that begin with it; else nothing.
function _cmdai_holder
    builtin bind --user 2>/dev/null | string match -r $_cmdai_held
end

# What the person ran last, for "fix"; a leading blank asks not to be remembered.
function _cmdai_remember --on-event fish_preexec
    set -g _cmdai_command "$argv[1]"
    string match -q ' *' -- "$argv[1]"; and set _cmdai_command
end

# press.fish has the real ones.
function _cmdai_key
    _cmdai_first_press $status _cmdai_key
end

function _cmdai_explain
    _cmdai_first_press $status _cmdai_explain
end

function _cmdai_first_press -a last_status pressed
    if test -r "$_cmdai_press"
        builtin source "$_cmdai_press"
        _cmdai_status $last_status
        $pressed
    else
        builtin printf '\r\e[Jcmdai: %s\n' 'cmdai-shell is gone from its place: install it, then cmdai-shell install' >/dev/tty
        set -l rows (fish_prompt) # fish goes up by all of them but the last
        set -q rows[2]; and string repeat -N -n (builtin math (builtin count $rows) - 1) \n >/dev/tty
        commandline -f repaint
    end
end

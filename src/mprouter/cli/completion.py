r"""``mpr completion``: the script that has a shell ask ``mpr`` for what could follow.

For zsh and fish it is click's. Bash gets one of its own: there a word ends at a colon, an equals sign or an @, and what
is inserted is not quoted, so that neither ``sftp://ana@server/dir`` nor ``\\server\share`` could be completed.
"""

from __future__ import annotations

import click

from mprouter.cli.command import Command
from mprouter.cli.output import say

__all__ = ["command"]

_VARIABLE = "_MPR_COMPLETE"

_BASH = r"""
_mpr_completion() {
    local IFS=$'\n' rest=$COMP_LINE word= piece= done= type value i
    local -a words=()
    COMPREPLY=()

    # Put the pieces together again that no space separates. "done" is what of the last word stands before its last
    # piece, which alone will be replaced.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        piece=${COMP_WORDS[i]}
        word=${rest#"${rest%%[![:space:]]*}"}
        if [[ $i == 0 || $word != "$rest" || -z $rest ]]; then
            words+=("")
        fi
        done=${words[-1]}
        words[-1]+=$piece
        rest=${word#"$piece"}
    done
    if [[ $piece && $piece != *[!$COMP_WORDBREAKS]* ]]; then
        done=${words[-1]}
    fi
    done=${done%@}  # an @ ends a word and yet begins the next one

    while read -r value; do
        type=${value%%,*}
        value=${value#*,}
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain)
                case $piece in
                    [\"\']*) ;;
                    *) printf -v value %q "$value" ;;
                esac
                COMPREPLY+=("${value#"$done"}") ;;
        esac
    done < <(COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]} - 1)) _MPR_COMPLETE=bash_complete "$1" 2>/dev/null)
}

complete -o nosort -F _mpr_completion mpr
"""


@click.command(
    cls=Command,
    arguments={"SHELL": "bash, zsh or fish."},
    examples=[
        ('eval "$(mpr completion bash)"', "In ~/.bashrc; for zsh the same with zsh, in ~/.zshrc after compinit."),
        ("mpr completion fish > ~/.config/fish/completions/mpr.fish", "For fish, once."),
    ],
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), metavar="SHELL")
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    It offers commands, options, and the names of connections, notifyees and providers.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click has all three
    say(_BASH.strip() if shell == "bash" else kind(ctx.find_root().command, {}, "mpr", _VARIABLE).source().rstrip())

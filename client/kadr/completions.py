"""kadr completions: scripts by which bash, zsh and fish complete verbs, options, filters and their values.

Made from the tables alone, so a script asks no daemon and runs no kadr while somebody types.
"""

from __future__ import annotations

from kadr import output
from kadr.arguments import DEFAULT, Asked
from kadr.manual import of
from kadr.protocol.errors import FOUND, Usage
from kadr.protocol.prefixes import PREFIXES
from kadr.table import OPTIONS, VERBS, Option, Verb

_SHELLS = ("bash", "zsh", "fish")
# Verbs whose operands are folders, and those with a file.
_FOLDERS = tuple(verb.name for verb in VERBS.values() if verb.operands in {"FOLDER...", "[PATH]"})
_FILES = tuple(verb.name for verb in VERBS.values() if verb.operands == "FILE")
_ASKING = tuple(verb.name for verb in VERBS.values() if verb.asks)
_PLACES = {"DIR": "folders", "FILE": "files"}
_KINDS = {"under": "folders", "picture": "files"}


def do_completions(asked: Asked) -> int:
    shell = asked.operands[0]
    if shell not in _SHELLS:
        raise Usage(why=f"There are no completions for {shell!r}", act="Name bash, zsh or fish.")
    output.write({"bash": bash, "zsh": zsh, "fish": fish}[shell]().encode())
    return FOUND


def mirrored(verb: Verb) -> list[Option]:
    """The options of *verb*, and the filters that are options of it as well."""
    own = of(verb)
    known = {option.name for option in own}
    rows = PREFIXES if verb.asks else ()
    return own + [
        Option(row.name, row.help, "filter", value="VALUE", kind=str, query=row.name)
        for row in rows
        if row.name not in known
    ]


def values() -> dict[str, tuple[str, ...]]:
    """The words that an option or a filter has as values, by its name; `files` and `folders` stand for those."""
    found = {option.name: option.choices for option in OPTIONS.values() if option.choices}
    found |= {option.name: (_PLACES[option.value],) for option in OPTIONS.values() if option.value in _PLACES}
    found |= {row.name: tuple(word.name for word in row.values) for row in PREFIXES if row.values}
    return found | {row.name: (_KINDS[row.kind],) for row in PREFIXES if row.kind in _KINDS}


def bash() -> str:
    """For ~/.local/share/bash-completion/completions/kadr. bash splits words at colons: `taken`, `:`, `sum`."""
    options = "\n".join(
        f"        {verb.name}) words='{' '.join(_dashed(option) for option in mirrored(verb))}' ;;"
        for verb in VERBS.values()
    )
    known = "\n".join(f"        {name}) {_bash_values(words)} ;;" for name, words in values().items())
    return _BASH % {
        "verbs": " ".join(VERBS),
        "default": DEFAULT,
        "options": options,
        "values": known,
        "filters": " ".join(f"{row.name}:" for row in PREFIXES),
        "folders": "|".join(_FOLDERS),
        "files": "|".join(_FILES),
        "asking": "|".join(_ASKING),
    }


def _dashed(option: Option) -> str:
    return f"--{option.name}"


def _bash_values(words: tuple[str, ...]) -> str:
    letter = {"folders": "d", "files": "f"}.get(words[0])
    return f'COMPREPLY=($(compgen -{letter} -- "$cur"))' if letter else f"words='{' '.join(words)}'"


_BASH = """\
# bash completion for kadr, made by `kadr completions bash`
_kadr() {
    local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} name= verb=%(default)s words= word
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case " %(verbs)s " in *" $word "*) verb=$word; break ;; esac
        [[ $word == -* ]] || break
    done
    COMPREPLY=()
    if [[ $cur == : ]]; then
        name=${before#-}; cur=
    elif [[ $before == : ]]; then
        name=${COMP_WORDS[COMP_CWORD-2]#-}
    elif [[ $before == --* ]]; then
        name=${before#--}
    fi
    case $name in
%(values)s
        ?*) [[ $before == --* ]] || return ;;
    esac
    if [[ -n $words || ${#COMPREPLY[@]} -gt 0 ]]; then
        [[ -z $words ]] || COMPREPLY=($(compgen -W "$words" -- "$cur"))
        return
    fi
    if [[ $cur == -* ]]; then
        case $verb in
%(options)s
        esac
        COMPREPLY=($(compgen -W "$words" -- "$cur"))
        return
    fi
    [[ $COMP_CWORD -eq 1 ]] && words='%(verbs)s'
    case $verb in
        %(folders)s) COMPREPLY=($(compgen -d -- "$cur")); return ;;
        %(files)s) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        completions) words='bash zsh fish' ;;
        %(asking)s) words+=' %(filters)s' ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
    [[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != *: ]] || compopt -o nospace 2>/dev/null
}
complete -o filenames -F _kadr kadr
"""


def zsh() -> str:
    """For a folder of $fpath, as _kadr."""
    options = "\n".join(
        f"    {verb.name}) options=({' '.join(_zsh(_dashed(option), option.help) for option in mirrored(verb))}) ;;"
        for verb in VERBS.values()
    )
    known = "\n".join(f"    {name}) {_zsh_values(words)} ;;" for name, words in values().items())
    return _ZSH % {
        "verbs": "\n    ".join(_zsh(verb.name, verb.help) for verb in VERBS.values()),
        "filters": "\n    ".join(_zsh(f"{row.name}:", row.help) for row in PREFIXES),
        "names": " ".join(VERBS),
        "default": DEFAULT,
        "options": options,
        "values": known,
        "folders": "|".join(_FOLDERS),
        "files": "|".join(_FILES),
        "asking": "|".join(_ASKING),
    }


def _zsh(word: str, says: str) -> str:
    """`word:says` as _describe reads it, in quotes."""
    both = f"{word.replace(':', chr(92) + ':')}:{says}"
    return "'" + both.replace("'", "'\\''") + "'"


def _zsh_values(words: tuple[str, ...]) -> str:
    place = {"folders": "_path_files -/", "files": "_files"}.get(words[0])
    return f"{place or 'compadd -- ' + ' '.join(words)}; return"


_ZSH = """\
#compdef kadr
# zsh completion for kadr, made by `kadr completions zsh`
_kadr() {
  local verb=%(default)s word name=
  local -a verbs filters options
  verbs=(
    %(verbs)s
  )
  filters=(
    %(filters)s
  )
  for word in ${words[2,CURRENT-1]}; do
    if [[ " %(names)s " == *" $word "* ]]; then verb=$word; break; fi
    [[ $word == -* ]] || break
  done
  if [[ $words[CURRENT-1] == --* ]]; then
    name=${words[CURRENT-1]#--}
  elif compset -P '*:'; then
    name=${${IPREFIX%%:}#-}
  fi
  case $name in
%(values)s
  esac
  [[ -n $IPREFIX ]] && return
  if [[ $words[CURRENT] == -* ]]; then
    case $verb in
%(options)s
    esac
    _describe -o option options
    return
  fi
  (( CURRENT == 2 )) && _describe verb verbs
  case $verb in
    %(folders)s) _path_files -/ ;;
    %(files)s) _files ;;
    completions) compadd bash zsh fish ;;
    %(asking)s) _describe -t filters filter filters -S '' ;;
  esac
}
if [[ $funcstack[1] == _kadr ]]; then _kadr "$@"; else compdef _kadr kadr; fi
"""


def fish() -> str:
    """For ~/.config/fish/completions/kadr.fish."""
    lines = [_FISH % {"verbs": " ".join(VERBS), "default": DEFAULT}]
    lines += [
        f"complete -c kadr -n __kadr_first -a {verb.name} -d {_quoted(verb.help)}" for verb in VERBS.values()
    ]
    takers: dict[str, tuple[Option, list[str]]] = {}
    for verb in VERBS.values():
        for option in mirrored(verb):
            # --near is two options, by verb.
            takers.setdefault(f"{option.name}/{option.query}", (option, []))[1].append(verb.name)
    lines += [_fish_option(option, verbs) for option, verbs in takers.values()]
    asking = f"'__kadr_is {' '.join(_ASKING)}'"
    for row in PREFIXES:
        lines.append(f"complete -c kadr -n {asking} -a {row.name}: -d {_quoted(row.help)}")
        words = [f"{row.name}:{word.name}" for word in row.values]
        if words:
            lines.append(f"complete -c kadr -n {asking} -a '{' '.join(words)}'")
    lines.append(f"complete -c kadr -n '__kadr_is {' '.join(_FOLDERS)}' -a '(__fish_complete_directories)'")
    lines.append(f"complete -c kadr -n '__kadr_is {' '.join(_FILES)}' -F")
    lines.append("complete -c kadr -n '__kadr_is completions' -a 'bash zsh fish'")
    return "\n".join(lines) + "\n"


def _fish_option(option: Option, verbs: list[str]) -> str:
    known = values().get(option.name, ())
    parts = [f"complete -c kadr -n '__kadr_is {' '.join(verbs)}' -l {option.name}"]
    parts += [f"-s {letter}" for letter in option.shorts]
    if option.value:
        place = {"folders": "-xa '(__fish_complete_directories)'", "files": "-rF", "": "-x"}
        parts.append(place.get((*known, "")[0]) or f"-xa '{' '.join(known)}'")
    return " ".join([*parts, f"-d {_quoted(option.help)}"])


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_FISH = """\
# fish completion for kadr, made by `kadr completions fish`
function __kadr_verb
    for word in (commandline -opc)[2..]
        contains -- $word %(verbs)s; and echo $word; and return
        string match -q -- '-*' $word; or break
    end
    echo %(default)s
end
function __kadr_is
    contains -- (__kadr_verb) $argv
end
function __kadr_first
    test (count (commandline -opc)) -eq 1
end
complete -c kadr -f"""

# SPDX-License-Identifier: MIT
# Completion of sfshm, sfshm-exporter, sfshm-stat and sfshmd for bash. Commands, options and
# what they take come from the help of the program, so that each release completes its own.

# _sfshm_help PROGRAM [COMMAND]
_sfshm_help() {
        if [[ -n ${2-} ]]; then
                "$1" help "$2"
        else
                "$1" --help
        fi 2>/dev/null
}

# The first of the words before the cursor that is a command: _sfshm_command COMMANDS
_sfshm_command() {
        local word

        for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
                if [[ " $1 " == *" $word "* ]]; then
                        printf '%s' "$word"
                        return
                fi
        done
}

# _sfshm PROGRAM CURRENT PREVIOUS, as bash calls it
_sfshm() {
        local program=$1 current=$2 previous=$3 commands='' command='' help takes='' words=''

        COMPREPLY=()
        help=$(_sfshm_help "$program")
        commands=$(sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p' <<<"$help" | tr '\n' ' ')
        command=$(_sfshm_command "$commands")
        if [[ $command == run && " ${COMP_WORDS[*]:1:COMP_CWORD-1} " == *' -- '* ]]; then
                mapfile -t COMPREPLY < <(compgen -A command -A file -- "$current")
                return
        fi
        if [[ $command == help ]]; then
                words=$commands
        elif [[ -n $command ]]; then
                help=$(_sfshm_help "$program" "$command")
        else
                words=$commands
        fi
        if [[ $previous =~ ^-[A-Za-z]$|^--[a-z-]+$ ]]; then
                takes=$(sed -n "s/^  .*$previous,\{0,1\} \(--[a-z-]* \)\{0,1\}\([A-Z][^ ]*\) .*/\2/p" \
                        <<<"$help")
        fi
        case $takes in
        *FILE* | *PATH* | *DIR*)
                mapfile -t COMPREPLY < <(compgen -f -- "$current")
                return
                ;;
        ?*)
                return
                ;;
        esac
        if [[ $current == -* ]]; then
                words=$(sed -n 's/^  \(-., \|    \)\(--[a-z-]*\).*/\2/p' <<<"$help")
        elif [[ $command == clock ]]; then
                words=accept
        fi
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -o filenames -F _sfshm sfshm sfshm-exporter sfshm-stat sfshmd sfshm-recorder

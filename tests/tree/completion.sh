#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bash completes the commands and options that the programs have: those of their help are
# those of their manual pages.
set -euo pipefail
# shellcheck source=../../libclient/tools/completion.bash
source "$SFSHM_SOURCE/libclient/tools/completion.bash"
man=$SFSHM_SOURCE/libclient/man
failed=0

# What bash offers for the last of the words: complete_words PROGRAM WORD…
complete_words() {
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        _sfshm "$1" "${!#}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
}

# expect TEXT ACTUAL EXPECTED, both one word a line, in any order
expect() {
        if [[ $(sort -u <<<"$2") != $(sort -u <<<"$3") ]]; then
                printf '%s: offered:\n%s\nexpected:\n%s\n' "$1" "$2" "$3"
                failed=1
        fi
}

# The long options that a manual page explains.
explained() {
        sed -n '/^\.It Fl/s/Fl -/\n--/gp' "$1" | sed -n 's/^\(--[a-z-]*\).*/\1/p' | tr -d '\\'
}

stat_options=$(complete_words "$SFSHM_STAT_TOOL" --)
expect sfshm-stat "$stat_options" "$(explained "$man/sfshm-stat.1")"
expect sfshmd "$(complete_words "$SFSHMD" --)" "$(explained "$SFSHM_SOURCE/daemon/man/sfshmd.8")"
if [[ -n ${SFSHM_EXPORTER-} ]]; then
        expect sfshm-exporter "$(complete_words "$SFSHM_EXPORTER" --)" \
                "$(explained "$man/sfshm-exporter.8")"
fi
expect sfshm-recorder "$(complete_words "$SFSHM_RECORDER" --)" \
        "$(explained "$man/sfshm-recorder.8")"
expect sfshm "$(complete_words "$SFSHM_TOOL" --)" "$(explained "$man/sfshm.1")"

commands=$(complete_words "$SFSHM_TOOL" '')
expect 'sfshm without a command' "$commands" \
        "$(sed -n '/^\.Bl -tag -width workers/,/^\.El/s/^\.It Cm \([a-z]*\).*/\1/p' "$man/sfshm.1")"
expect 'sfshm help' "$(complete_words "$SFSHM_TOOL" help '')" "$commands"
expect 'sfshm next' "$(complete_words "$SFSHM_TOOL" next --)" \
        "$(printf '%s\n' --count --parallel --json --socket --help --version)"
expect 'sfshm --socket /x first' "$(complete_words "$SFSHM_TOOL" --socket /x first --lay)" --layout
expect 'sfshm clock' "$(complete_words "$SFSHM_TOOL" clock '')" accept
expect 'a value' "$(complete_words "$SFSHM_TOOL" next -n '')" ''
expect 'a file' "$(complete_words "$SFSHM_TOOL" fence -c "$man/sfshm.1")" "$man/sfshm.1"
expect 'the same' "$(complete_words "$SFSHM_STAT_TOOL" --socket "$man/sfshm.1")" "$man/sfshm.1"
expect 'a command to run' "$(complete_words "$SFSHM_TOOL" run -- mapfil)" mapfile
expect 'an odd word' "$(complete_words "$SFSHM_TOOL" next '-/*[' n)" ''
expect 'no program' "$(complete_words /nonexistent/sfshm '')" ''
exit $failed

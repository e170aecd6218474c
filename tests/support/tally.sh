# Sourced by the scripts that run others and end with "N passed, N failed".
passed=0 failed=0

# tally COMMAND...: runs it and adds the "N passed, N failed" that it ends with. One that prints no such line is itself a
# check, passed when it exits with 0; one that fails without counting a failure is counted as one.
tally() {
    tally_log=$(mktemp)
    { "$@" && echo 0 >"$tally_log.status" || echo 1 >"$tally_log.status"; } 2>&1 | tee "$tally_log"
    read -r tally_status <"$tally_log.status"
    set -- $(sed -n '$s/^\([0-9][0-9]*\) passed, \([0-9][0-9]*\) failed$/\1 \2/p' "$tally_log")
    rm -f "$tally_log" "$tally_log.status"
    if [ $# = 0 ]; then set -- $((1 - tally_status)) "$tally_status"; fi
    if [ "$tally_status" != 0 ] && [ "$2" = 0 ]; then set -- "$1" 1; fi
    passed=$((passed + $1)) failed=$((failed + $2))
}

# Ends the script with the sum.
total() {
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
}

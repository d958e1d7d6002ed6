#!/usr/bin/env bash
# Usage: tests/stages.sh MAKE STAGE:MINUTES ... Runs the stages in turn, and says how long each took,
# also when one of them fails.
set -uo pipefail
make=$1
shift
report=""
for entry in "$@"; do
    stage=${entry%%:*}
    budget=${entry##*:}
    begun=$SECONDS
    "$make" --no-print-directory "$stage"
    code=$?
    took=$((SECONDS - begun))
    note=""
    [ "$took" -gt $((budget * 60)) ] && note="  over its budget"
    [ "$code" -ne 0 ] && note="$note  FAILED"
    report+=$(printf '%-12s %3d min %02d s of %2d min%s' \
        "$stage" $((took / 60)) $((took % 60)) "$budget" "$note")$'\n'
    [ "$code" -ne 0 ] && break
done
printf '\n%s' "$report"
exit "$code"

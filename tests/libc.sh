#!/usr/bin/env bash
# Processes with glibc and processes with musl use up one limit of 1,000, beside each other and while
# one of each is killed: exactly 1,000 are admitted. Usage: tests/libc.sh [ROUNDS]
set -euo pipefail
target=x86_64-unknown-linux-musl
if ! command -v musl-gcc > /dev/null || ! rustup target list --installed | grep -q "^$target$"; then
    echo "skipped: musl-gcc (Debian: musl-tools) or 'rustup target add $target' is missing"
    exit 0
fi
cargo build --quiet --package cotas-tests --bin helper
CC_x86_64_unknown_linux_musl=musl-gcc cargo build --quiet --package cotas-tests --bin helper \
    --target $target --target-dir target/libc
glibc=target/debug/helper
musl=target/libc/$target/debug/helper
export COTAS_NOW=1777906800000 COTAS_MAINTENANCE=thread # noon in São Paulo, 2026-05-04
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
db=$directory/app.db
$glibc "$db" catalog > /dev/null

# Four processes on one tenant; $2: one of each kind is killed.
round() {
    local tenant=$1 kills=$2 gate=$directory/$1.gate pids=() sum=0 left index
    $musl "$db" create "$tenant" > /dev/null
    $glibc "$db" limit "$tenant" 1000 > /dev/null
    for index in 0 1 2 3; do
        local helper=$glibc
        if ((index % 2)); then helper=$musl; fi
        $helper "$db" drain "$tenant" 2 "$gate" > "$directory/$tenant.$index" &
        pids+=($!)
    done
    sleep 0.2
    touch "$gate"
    if ((kills)); then
        sleep 0.0$((RANDOM % 4))
        kill -9 "${pids[0]}" "${pids[1]}" 2> /dev/null || true
    fi
    for pid in "${pids[@]}"; do wait "$pid" 2> /dev/null || ((kills)); done
    for index in 0 1 2 3; do sum=$((sum + $(cat "$directory/$tenant.$index" || true) + 0)); done
    left=$($glibc "$db" consume "$tenant" 1 1)
    if ((left != 0)) || ((sum > 1000)) || { ((!kills)) && ((sum != 1000)); }; then
        echo "$tenant: $sum were admitted, and then $left" >&2
        exit 1
    fi
}

rounds=${1:-5}
for ((index = 0; index < rounds; index++)); do
    round "beside-$index" 0
    round "killed-$index" 1
done
$musl "$db" verify > /dev/null
$glibc "$db" verify > /dev/null
echo "ok: glibc and musl, $rounds rounds beside each other and $rounds with kills: exactly 1,000"

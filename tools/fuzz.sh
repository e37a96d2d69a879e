#!/bin/sh
# Usage: tools/fuzz.sh SECONDS
# Shares SECONDS out among all fuzz targets, at least two for each. A crasher is
# left in the package's testdata/fuzz; commit it with the fix.
set -eu
export CGO_ENABLED=1

targets=$(grep -rn --include='*_test.go' '^func Fuzz' . |
	sed -n 's|^\./\(.*\)/[^/]*\.go:[0-9]*:func \(Fuzz[A-Za-z0-9_]*\)(.*|\1 \2|p' | sort)
count=$(echo "$targets" | wc -l)
each=$(($1 / count))
[ "$each" -ge 2 ] || each=2

echo "$targets" | while read -r dir name; do
	go test -run='^$' -fuzz="^$name\$" -fuzztime="${each}s" -parallel=2 "./$dir" </dev/null
done

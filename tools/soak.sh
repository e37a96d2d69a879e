#!/bin/sh
# Usage: tools/soak.sh
# The full counts: TREFOIL_KILLS kills (50), TREFOIL_LEAK seconds of looking for
# leaks (3600) and TREFOIL_FUZZ seconds of fuzzing (3600). Appends what came of it
# to docs/soak.md, whether good or bad.
set -u
: "${TREFOIL_KILLS:=50}" "${TREFOIL_FUZZ:=3600}" "${TREFOIL_LEAK:=3600}"
: "${TREFOIL_SEED:=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}"
export TREFOIL_KILLS TREFOIL_FUZZ TREFOIL_SEED CGO_ENABLED=1

began=$(date -u +%s)
result=passed
TREFOIL_LEAK=60 go test -count=1 -timeout 4h ./... || result='**tests failed**' # the hour comes next
out=$(mktemp)
TREFOIL_LEAK=$TREFOIL_LEAK go test -count=1 -v -timeout 5h -run 'TestLeak$|TestSqlsmith' ./test/leak >"$out" 2>&1 || result="$result, **something leaks**"
grep -v '^===' "$out"
statements=$(sed -n 's/.*TREFOIL_SEED=.* scripts, \([0-9]*\) statements.*/\1/p' "$out")
rm -f "$out"
tools/fuzz.sh "$TREFOIL_FUZZ" || result="$result, **fuzzing found something**"

commit=$(git rev-parse --short HEAD)
[ -z "$(git status --porcelain)" ] || commit="$commit + changes"
if [ -r /proc/cpuinfo ]; then
	cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
else
	cpu=$(sysctl -n machdep.cpu.brand_string 2>/dev/null)
fi
machine="$(getconf _NPROCESSORS_ONLN) × ${cpu:-unknown}, $(uname -sr)"
report=docs/soak.md
[ -e "$report" ] || cat >"$report" <<'HEAD'
# Soak runs

`make soak` appends a line for each run, good or bad.

| date (UTC) | commit | seed | kills | leaks, s | statements | fuzzing, s | took, min | result | machine |
|---|---|---|---|---|---|---|---|---|---|
HEAD
echo "| $(date -u '+%F %H:%M') | $commit | $TREFOIL_SEED | $TREFOIL_KILLS | $TREFOIL_LEAK | ${statements:--} | $TREFOIL_FUZZ | $((($(date -u +%s) - began) / 60)) | $result | $machine |" >>"$report"
tail -1 "$report"
[ "$result" = passed ]

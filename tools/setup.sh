#!/bin/sh
# Usage: tools/setup.sh [demo] [test] [bench] [soak]
# Sees to the programs that these need. As root on Debian and its kin it installs
# what is missing; elsewhere it says what to install. No service is left running.
set -eu

has() { command -v "$1" >/dev/null 2>&1; }

# PostgreSQL's own programs are rarely on the PATH.
has_postgres() {
	for dir in $(echo "$PATH" | tr : ' ') /usr/lib/postgresql/*/bin /usr/pgsql-*/bin \
		/opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin /opt/local/lib/postgresql*/bin \
		/Applications/Postgres.app/Contents/Versions/*/bin; do
		for program in "$@"; do [ -x "$dir/$program" ] || continue 2; done
		major=$("$dir/postgres" --version | sed 's/.*(PostgreSQL) \([0-9]*\).*/\1/')
		[ "$major" -ge 15 ] && return 0
	done
	return 1
}

# Debian's drivers belong to its own Python, whatever else stands first on the PATH.
has_psycopg() {
	for python in "${PYTHON:-}" /usr/bin/python3 python3; do
		[ -n "$python" ] && "$python" -c 'import psycopg2, psycopg' 2>/dev/null && return 0
	done
	return 1
}

# node-postgres comes from npm, at the versions of the lock file, without scripts.
node_client=$(dirname "$0")/../test/clients/node
node_postgres() {
	[ "$node_client/node_modules/.package-lock.json" -nt "$node_client/package-lock.json" ] && return
	(cd "$node_client" && npm ci --ignore-scripts --no-audit --no-fund)
	touch "$node_client/node_modules/.package-lock.json"
}

missing=
need() { missing="$missing $1"; }

for what in "$@"; do
	has_postgres postgres initdb psql || need postgresql
	case $what in
	demo) has ssh-keygen || need openssh-client ;; # staff sign their requests with it
	test)
		has ssh-keygen || need openssh-client
		has node || need nodejs # checks the vectors of record/ from another language
		has npm || need npm
		has patch || need patch # applies our differences
		has_psycopg || need "python3-psycopg2 python3-psycopg"
		has javac || need default-jdk-headless # 17 and later run a source file
		[ -e "${PGJDBC:-/usr/share/java/postgresql.jar}" ] || need libpostgresql-jdbc-java
		if ! has gcc && ! has cc && ! has clang; then need gcc && need libc6-dev; fi
		;;
	bench)
		has ssh-keygen || need openssh-client
		has_postgres postgres pgbench || need postgresql-contrib
		has pgbouncer || [ -x /usr/sbin/pgbouncer ] || need pgbouncer
		;;
	soak) has sqlsmith || need sqlsmith ;; # writes queries for the leak test
	*) echo "usage: tools/setup.sh [demo] [test] [bench] [soak]" >&2 && exit 2 ;;
	esac
done
missing=$(echo "$missing" | tr ' ' '\n' | sort -u | tr '\n' ' ' | sed 's/^ *//; s/ *$//')

# What remains once the packages are there.
finish() {
	case " $* " in *" test "*) node_postgres ;; esac
	exit 0
}
[ -n "$missing" ] || finish "$@"

if ! [ -e /etc/debian_version ] || ! has apt-get; then
	echo "missing: $missing (names of Debian's packages; PostgreSQL must be 15 or later)." >&2
	echo "Install them with the system's packages, such as: brew install postgresql@17 pgbouncer" >&2
	exit 1
fi
if [ "$(id -u)" != 0 ]; then
	echo "missing: $missing" >&2
	echo "Install them with: sudo make setup   (or: sudo apt-get install $missing)" >&2
	exit 1
fi

echo "installing: $missing"
# Programs only: without this file Debian's PostgreSQL also starts a server, "main".
conf=/etc/postgresql-common/createcluster.conf
if ! [ -e "$conf" ]; then
	mkdir -p "${conf%/*}"
	printf '%s\n' '# Written by trefoil before PostgreSQL was installed: programs only, no server started.' \
		'# Delete this line to get Debian'\''s default "main" cluster with later versions.' \
		'create_main_cluster = false' >"$conf"
	echo "wrote $conf, so that Debian starts no server of its own"
fi
# The documented way to install a daemon without starting it; the machine's own
# policy, where it has one, stays.
policy=/usr/sbin/policy-rc.d
if ! [ -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1
apt-get update
# shellcheck disable=SC2086 # a list of words
apt-get install --yes --no-install-recommends $missing
case " $missing " in *" pgbouncer "*) update-rc.d pgbouncer disable ;; esac

has_postgres postgres initdb psql || {
	echo "this release's PostgreSQL is older than 15; get a later one with:" >&2
	echo "apt-get install postgresql-common && /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y && apt-get install postgresql" >&2
	exit 1
}
finish "$@"

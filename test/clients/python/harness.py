"""What both psycopg clients share: the brief, the capabilities' names and how to report."""

import hashlib
import json
import sys
import traceback

brief = json.loads(sys.stdin.readline())
sql = brief["sql"]


class Cannot(Exception):
    """Raised with the reason why the driver cannot do something."""


def say(**what):
    print(json.dumps(what), flush=True)


def wait(what):
    """Blocks until the test has seen what the client waits for."""
    say(**{"await": what})
    sys.stdin.readline()


def report(capabilities):
    """Runs each function and prints what it gives."""
    for name, f in capabilities.items():
        try:
            say(capability=name, got=f())
        except Cannot as why:
            say(capability=name, cannot=str(why))
        except Exception:
            say(capability=name, error=traceback.format_exc())


def options(login="bulk", **more):
    """The connection parameters of libpq, which both drivers take."""
    user = brief[login]
    return {
        "host": brief["host"], "port": brief["port"], "dbname": brief["database"], "user": user["user"],
        "password": user["password"], "sslmode": "verify-full", "sslrootcert": brief["ca"], **more,
    }


def other_name():
    return options(host=brief["other_name"], hostaddr=brief["address"])


def values(row):
    """A row of sql["values"] as every client writes it down."""
    id, seconds, lat, at, title, north = row
    return [str(id), str(seconds), str(round(lat * 1000)), str(int(at.timestamp())), title, str(north).lower()]


def sha256(data):
    return {"sha256": hashlib.sha256(data).hexdigest()}


def hint(text):
    return "leave the schema out" if "leave the schema out" in (text or "") else text


def texts(rows):
    return [[str(v) for v in row] for row in rows]

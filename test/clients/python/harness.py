"""What both psycopg clients share: the brief, what both drivers do alike, and how to report."""

import hashlib
import json
import sys
import threading
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


class Client:
    """A driver's module and what is asked of it in the words of the DB API. fetch(statement, parameters, on) gives rows;
    a subclass adds connect, fetch and what each driver does in its own way."""

    def __init__(self):
        self.connection = self.driver.connect(**options())
        self.connection.autocommit = True

    def count(self, on=None):
        return str(self.fetch(sql["count"], on=on)[0][0])

    def sqlstate(self, error):
        return error.pgcode if hasattr(error, "pgcode") else error.sqlstate

    def state(self, statement, on=None):
        """The SQLSTATE a statement fails with."""
        try:
            return "no error: %s" % self.fetch(statement, on=on)
        except self.driver.Error as e:
            return self.sqlstate(e) or "no SQLSTATE: %s" % e

    def sleeping(self, mark, on=None):
        """Starts a statement that sleeps and waits until the store shows it; what comes of it is in the list once the thread has ended."""
        failed = []
        thread = threading.Thread(target=lambda: failed.append(self.state("SELECT pg_sleep(60) /* %s */" % mark, on)))
        thread.start()
        wait("sleep " + mark)
        return thread, failed

    def queries(self):
        with self.driver.connect(**options("case")) as with_case:
            return {"bulk": texts(self.fetch(sql["people"])), "case": texts(self.fetch(sql["export"], on=with_case))}

    def parameters(self):
        return {"IE": str(self.fetch(sql["where"], ("IE",))[0][0])}

    def cancel(self):
        thread, failed = self.sleeping("cancel-" + self.name)
        self.connection.cancel()
        thread.join()
        return {"cancelled": failed[0], "after": self.count()}

    def refused(self, **with_options):
        try:
            self.driver.connect(**with_options)
            return "connected"
        except self.driver.OperationalError as e:
            return "refused" if "certificate" in str(e) else str(e)

    def verify_full(self):
        return {"gate": self.count(), "another authority": self.refused(**options(sslrootcert=brief["other_ca"])), "another name": self.refused(**other_name())}

    def binding(self):
        with self.driver.connect(**options(channel_binding="require")) as c:
            return {"required": self.count(c)}

    def errors(self):
        try:
            self.fetch(sql["outside"])
        except self.driver.Error as e:
            said = hint(e.diag.message_hint)
        return {"sqlstates": [self.state(s) for s in sql["errors"]], "hint": said, "after": self.count()}

    def refused_login(self):
        try:
            self.driver.connect(**options(password="wrong"))
        except self.driver.OperationalError as e:
            if self.sqlstate(e) is None and "authentication failed" in str(e):
                raise Cannot("libpq gives the message alone")
            return {"sqlstate": self.sqlstate(e)}

    def ending(self):
        thread, failed = self.sleeping("end-" + self.name, self.driver.connect(**options("ending")))
        wait("revoke " + self.name)
        thread.join()
        if self.ended in failed[0]:  # so it is when PostgreSQL itself ends a session
            raise Cannot(self.ended_how)
        return {"sqlstate": failed[0]}

    def metadata(self):
        return {"views": [r[0] for r in self.fetch(sql["views"])], "columns": [r[0] for r in self.fetch(sql["columns"])]}

    def report(self):
        """Tries every capability and prints what comes of it."""
        for name, f in {
            "queries": self.queries, "parameters": self.parameters, "transactions": self.transactions, "copy out": self.copy,
            "binary copy": lambda: self.copy(" (FORMAT binary)"), "cancel": self.cancel, "pipelining": self.pipelining, "binary results": self.binary,
            "prepared statements": self.prepared, "large result by parts": self.large, "verify-full": self.verify_full, "channel binding": self.binding,
            "errors": self.errors, "SQLSTATE of a refused login": self.refused_login, "end of the grant": self.ending, "metadata": self.metadata,
        }.items():
            try:
                say(capability=name, got=f())
            except Cannot as why:
                say(capability=name, cannot=str(why))
            except Exception:
                say(capability=name, error=traceback.format_exc())

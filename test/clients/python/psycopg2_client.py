"""psycopg2 through the gate."""

import io

import psycopg2

from harness import Cannot, Client, brief, options, sha256, sql


class Psycopg2(Client):
    name, driver = "psycopg2", psycopg2
    ended, ended_how = "closed unexpectedly", "it ends, and libpq 15 loses the reason"

    def fetch(self, statement, parameters=None, on=None):
        with (on or self.connection).cursor() as c:
            c.execute(statement.replace("{}", "%s"), parameters)
            return c.fetchall()

    def transactions(self):
        c = psycopg2.connect(**options())
        got = {"committed": self.count(c)}
        c.commit()
        got["failed"] = self.state("SELECT 1 / (SELECT 0)", c)
        got["aborted"] = self.state(sql["count"], c)
        c.rollback()
        got["rolled back"] = self.count(c)
        self.fetch("SELECT 1; SAVEPOINT s; SELECT 1", on=c)
        self.state("SELECT 1 / (SELECT 0)", c)
        with c.cursor() as cursor:
            cursor.execute("ROLLBACK TO s")
        got["savepoint"] = self.count(c)
        got["refused"] = self.state("EXPLAIN SELECT 1", c)
        got["still aborted"] = self.state(sql["count"], c)
        c.rollback()
        got["after"] = self.count(c)
        return got

    def copy(self, with_options=""):
        out = io.BytesIO()
        with self.connection.cursor() as c:
            c.copy_expert("COPY (%s) TO STDOUT%s" % (sql["export"], with_options), out)
        return sha256(out.getvalue())

    def pipelining(self):
        raise Cannot("the driver has none")

    def binary(self):
        raise Cannot("the driver asks for text alone; `COPY … (FORMAT binary)` works")

    def prepared(self):
        # The driver has no call for it: SQL.
        with self.connection.cursor() as c:
            c.execute("PREPARE country (bigint) AS " + sql["country"].replace("{}", "$1"))
        countries = [self.fetch("EXECUTE country ({})", (int(i),))[0][0] for _ in range(4) for i in brief["ids"]]
        return {"countries": countries, "on the server": self.fetch(sql["prepared"])[0][0]}

    def large(self):
        c = psycopg2.connect(**options())
        rows = total = 0
        with c.cursor("large") as cursor:  # with a name: on the server
            cursor.itersize = 10000
            cursor.execute(sql["large"])
            for i, country in cursor:
                rows, total = rows + 1, total + i
        return {"rows": str(rows), "sum": str(total), "country": country}


Psycopg2().report()

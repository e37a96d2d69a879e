"""psycopg 3 through the gate."""

import psycopg

from harness import Client, brief, sha256, sql, values


class Psycopg3(Client):
    name, driver = "psycopg3", psycopg
    ended, ended_how = "was revoked", "it ends with the reason, and libpq 15 loses its SQLSTATE"

    def fetch(self, statement, parameters=None, on=None, **how):
        return (on or self.connection).execute(statement.replace("{}", "%s"), parameters, **how).fetchall()

    def transactions(self):
        got = {}
        with self.connection.transaction():
            got["committed"] = self.count()
        try:
            with self.connection.transaction():
                got["failed"] = self.state("SELECT 1 / (SELECT 0)")
                got["aborted"] = self.state(sql["count"])
                raise psycopg.Rollback()
        except psycopg.Error as e:
            got["failed"] = str(e)
        got["rolled back"] = self.count()
        with self.connection.transaction() as outer:
            with self.connection.transaction() as inner:  # a savepoint
                self.state("SELECT 1 / (SELECT 0)")
                raise psycopg.Rollback(inner)
            got["savepoint"] = self.count()
            got["refused"] = self.state("EXPLAIN SELECT 1")
            got["still aborted"] = self.state(sql["count"])
            raise psycopg.Rollback(outer)
        got["after"] = self.count()
        return got

    def copy(self, with_options=""):
        with self.connection.cursor() as c, c.copy("COPY (%s) TO STDOUT%s" % (sql["export"], with_options)) as out:
            return sha256(b"".join(bytes(part) for part in out))

    def pipelining(self):
        with self.connection.pipeline():
            cursors = [self.connection.execute(sql["country"].replace("{}", "%s"), (i,)) for i in brief["ids"]]
            countries = [c.fetchone()[0] for c in cursors]
        try:
            with self.connection.pipeline() as p:
                self.connection.execute(sql["count"])
                self.connection.execute("EXPLAIN SELECT 1")
                self.connection.execute(sql["count"])
                p.sync()
            refused = "no error"
        except psycopg.Error as e:
            refused = e.sqlstate
        return {"countries": countries, "refused": refused, "after": self.count()}

    def binary(self):
        with self.connection.cursor(binary=True) as c:
            c.execute(sql["values"])
            formats = {c.pgresult.fformat(i) for i in range(c.pgresult.nfields)}
            return {"format": "binary" if formats == {1} else str(formats), "values": values(c.fetchone())}

    def prepared(self):
        countries = [self.fetch(sql["country"], (int(i),), prepare=True)[0][0] for _ in range(4) for i in brief["ids"]]
        return {"countries": countries, "on the server": self.fetch(sql["prepared"])[0][0]}

    def large(self):
        rows = total = 0
        with self.connection.transaction(), self.connection.cursor("large") as cursor:  # with a name: on the server
            cursor.itersize = 10000
            cursor.execute(sql["large"])
            for i, country in cursor:
                rows, total = rows + 1, total + i
        return {"rows": str(rows), "sum": str(total), "country": country}


Psycopg3().report()

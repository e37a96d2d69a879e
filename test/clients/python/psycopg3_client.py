"""psycopg 3 through the gate."""

import threading

import psycopg

from harness import Cannot, brief, hint, options, other_name, report, sha256, sql, texts, values, wait

connection = psycopg.connect(**options(), autocommit=True)


def fetch(statement, parameters=None, on=None, **how):
    return (on or connection).execute(statement.replace("{}", "%s"), parameters, **how).fetchall()


def count(on=None):
    return str(fetch(sql["count"], on=on)[0][0])


def state(statement, on=None):
    """The SQLSTATE a statement fails with."""
    try:
        return "no error: %s" % fetch(statement, on=on)
    except psycopg.Error as e:
        return e.sqlstate or "no SQLSTATE: %s" % e


def queries():
    with psycopg.connect(**options("case")) as with_case:
        return {"bulk": texts(fetch(sql["people"])), "case": texts(fetch(sql["export"], on=with_case))}


def parameters():
    return {"IE": str(fetch(sql["where"], ("IE",))[0][0])}


def transactions():
    got = {}
    with connection.transaction():
        got["committed"] = count()
    try:
        with connection.transaction():
            got["failed"] = state("SELECT 1 / (SELECT 0)")
            got["aborted"] = state(sql["count"])
            raise psycopg.Rollback()
    except psycopg.Error as e:
        got["failed"] = str(e)
    got["rolled back"] = count()
    with connection.transaction() as outer:
        with connection.transaction() as inner:  # a savepoint
            state("SELECT 1 / (SELECT 0)")
            raise psycopg.Rollback(inner)
        got["savepoint"] = count()
        got["refused"] = state("EXPLAIN SELECT 1")
        got["still aborted"] = state(sql["count"])
        raise psycopg.Rollback(outer)
    got["after"] = count()
    return got


def copy(with_options=""):
    with connection.cursor() as c, c.copy("COPY (%s) TO STDOUT%s" % (sql["export"], with_options)) as out:
        return sha256(b"".join(bytes(part) for part in out))


def cancel():
    failed = []
    thread = threading.Thread(target=lambda: failed.append(state("SELECT pg_sleep(60) /* cancel-psycopg3 */")))
    thread.start()
    wait("sleep cancel-psycopg3")
    connection.cancel()
    thread.join()
    return {"cancelled": failed[0], "after": count()}


def pipelining():
    with connection.pipeline():
        cursors = [connection.execute(sql["country"].replace("{}", "%s"), (i,)) for i in brief["ids"]]
        countries = [c.fetchone()[0] for c in cursors]
    try:
        with connection.pipeline() as p:
            connection.execute(sql["count"])
            connection.execute("EXPLAIN SELECT 1")
            connection.execute(sql["count"])
            p.sync()
        refused = "no error"
    except psycopg.Error as e:
        refused = e.sqlstate
    return {"countries": countries, "refused": refused, "after": count()}


def binary():
    with connection.cursor(binary=True) as c:
        c.execute(sql["values"])
        formats = {c.pgresult.fformat(i) for i in range(c.pgresult.nfields)}
        return {"format": "binary" if formats == {1} else str(formats), "values": values(c.fetchone())}


def prepared():
    countries = [fetch(sql["country"], (int(i),), prepare=True)[0][0] for _ in range(4) for i in brief["ids"]]
    return {"countries": countries, "on the server": fetch(sql["prepared"])[0][0]}


def large():
    rows = total = 0
    with connection.transaction(), connection.cursor("large") as cursor:  # with a name: on the server
        cursor.itersize = 10000
        cursor.execute(sql["large"])
        for i, country in cursor:
            rows, total = rows + 1, total + i
    return {"rows": str(rows), "sum": str(total), "country": country}


def refused(**with_options):
    try:
        psycopg.connect(**with_options)
        return "connected"
    except psycopg.OperationalError as e:
        return "refused" if "certificate" in str(e) else str(e)


def verify_full():
    return {"gate": count(), "another authority": refused(**options(sslrootcert=brief["other_ca"])), "another name": refused(**other_name())}


def binding():
    with psycopg.connect(**options(channel_binding="require")) as c:
        return {"required": count(c)}


def errors():
    try:
        fetch(sql["outside"])
    except psycopg.Error as e:
        said = hint(e.diag.message_hint)
    return {"sqlstates": [state(s) for s in sql["errors"]], "hint": said, "after": count()}


def refused_login():
    try:
        psycopg.connect(**options(password="wrong"))
    except psycopg.OperationalError as e:
        if e.sqlstate is None and "authentication failed" in str(e):
            raise Cannot("libpq gives the message alone")
        return {"sqlstate": e.sqlstate}


def ending():
    c = psycopg.connect(**options("ending"), autocommit=True)
    failed = []
    thread = threading.Thread(target=lambda: failed.append(state("SELECT pg_sleep(60) /* end-psycopg3 */", c)))
    thread.start()
    wait("sleep end-psycopg3")
    wait("revoke psycopg3")
    thread.join()
    if "was revoked" in failed[0]:  # so it is when PostgreSQL itself ends a session
        raise Cannot("it ends with the reason, and libpq 15 loses its SQLSTATE")
    return {"sqlstate": failed[0]}


def metadata():
    return {"views": [r[0] for r in fetch(sql["views"])], "columns": [r[0] for r in fetch(sql["columns"])]}


report({
    "queries": queries, "parameters": parameters, "transactions": transactions, "copy out": copy,
    "binary copy": lambda: copy(" (FORMAT binary)"), "cancel": cancel, "pipelining": pipelining, "binary results": binary,
    "prepared statements": prepared, "large result by parts": large, "verify-full": verify_full, "channel binding": binding,
    "errors": errors, "SQLSTATE of a refused login": refused_login, "end of the grant": ending, "metadata": metadata,
})

"""psycopg2 through the gate."""

import io
import threading

import psycopg2

from harness import Cannot, brief, hint, options, other_name, report, sha256, sql, texts, values, wait

connection = psycopg2.connect(**options())
connection.autocommit = True


def fetch(statement, parameters=None, on=None):
    with (on or connection).cursor() as c:
        c.execute(statement.replace("{}", "%s"), parameters)
        return c.fetchall()


def count(on=None):
    return str(fetch(sql["count"], on=on)[0][0])


def state(statement, on=None):
    """The SQLSTATE a statement fails with."""
    try:
        return "no error: %s" % fetch(statement, on=on)
    except psycopg2.Error as e:
        return e.pgcode or "no SQLSTATE: %s" % e


def queries():
    with_case = psycopg2.connect(**options("case"))
    return {"bulk": texts(fetch(sql["people"])), "case": texts(fetch(sql["export"], on=with_case))}


def parameters():
    return {"IE": str(fetch(sql["where"], ("IE",))[0][0])}


def transactions():
    c = psycopg2.connect(**options())
    got = {"committed": count(c)}
    c.commit()
    got["failed"] = state("SELECT 1 / (SELECT 0)", c)
    got["aborted"] = state(sql["count"], c)
    c.rollback()
    got["rolled back"] = count(c)
    fetch("SELECT 1; SAVEPOINT s; SELECT 1", on=c)
    state("SELECT 1 / (SELECT 0)", c)
    with c.cursor() as cursor:
        cursor.execute("ROLLBACK TO s")
    got["savepoint"] = count(c)
    got["refused"] = state("EXPLAIN SELECT 1", c)
    got["still aborted"] = state(sql["count"], c)
    c.rollback()
    got["after"] = count(c)
    return got


def copy(with_options=""):
    out = io.BytesIO()
    with connection.cursor() as c:
        c.copy_expert("COPY (%s) TO STDOUT%s" % (sql["export"], with_options), out)
    return sha256(out.getvalue())


def cancel():
    failed = []
    thread = threading.Thread(target=lambda: failed.append(state("SELECT pg_sleep(60) /* cancel-psycopg2 */")))
    thread.start()
    wait("sleep cancel-psycopg2")
    connection.cancel()
    thread.join()
    return {"cancelled": failed[0], "after": count()}


def pipelining():
    raise Cannot("the driver has none")


def binary():
    raise Cannot("the driver asks for text alone; `COPY … (FORMAT binary)` works")


def prepared():
    # The driver has no call for it: SQL.
    with connection.cursor() as c:
        c.execute("PREPARE country (bigint) AS " + sql["country"].replace("{}", "$1"))
    countries = [fetch("EXECUTE country ({})", (int(i),))[0][0] for _ in range(4) for i in brief["ids"]]
    return {"countries": countries, "on the server": fetch(sql["prepared"])[0][0]}


def large():
    c = psycopg2.connect(**options())
    rows = total = 0
    with c.cursor("large") as cursor:  # with a name: on the server
        cursor.itersize = 10000
        cursor.execute(sql["large"])
        for i, country in cursor:
            rows, total = rows + 1, total + i
    return {"rows": str(rows), "sum": str(total), "country": country}


def refused(**with_options):
    try:
        psycopg2.connect(**with_options)
        return "connected"
    except psycopg2.OperationalError as e:
        return "refused" if "certificate" in str(e) else str(e)


def verify_full():
    return {"gate": count(), "another authority": refused(**options(sslrootcert=brief["other_ca"])), "another name": refused(**other_name())}


def binding():
    return {"required": count(psycopg2.connect(**options(channel_binding="require")))}


def errors():
    try:
        fetch(sql["outside"])
    except psycopg2.Error as e:
        said = hint(e.diag.message_hint)
    return {"sqlstates": [state(s) for s in sql["errors"]], "hint": said, "after": count()}


def refused_login():
    try:
        psycopg2.connect(**options(password="wrong"))
    except psycopg2.OperationalError as e:
        if e.pgcode is None and "authentication failed" in str(e):
            raise Cannot("libpq gives the message alone")
        return {"sqlstate": e.pgcode}


def ending():
    c = psycopg2.connect(**options("ending"))
    failed = []
    thread = threading.Thread(target=lambda: failed.append(state("SELECT pg_sleep(60) /* end-psycopg2 */", c)))
    thread.start()
    wait("sleep end-psycopg2")
    wait("revoke psycopg2")
    thread.join()
    if "closed unexpectedly" in failed[0]:  # so it is when PostgreSQL itself ends a session
        raise Cannot("it ends, and libpq 15 loses the reason")
    return {"sqlstate": failed[0]}


def metadata():
    return {"views": [r[0] for r in fetch(sql["views"])], "columns": [r[0] for r in fetch(sql["columns"])]}


report({
    "queries": queries, "parameters": parameters, "transactions": transactions, "copy out": copy,
    "binary copy": lambda: copy(" (FORMAT binary)"), "cancel": cancel, "pipelining": pipelining, "binary results": binary,
    "prepared statements": prepared, "large result by parts": large, "verify-full": verify_full, "channel binding": binding,
    "errors": errors, "SQLSTATE of a refused login": refused_login, "end of the grant": ending, "metadata": metadata,
})

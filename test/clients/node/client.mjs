// node-postgres through the gate, with pg-cursor and pg-copy-streams.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { createInterface } from 'node:readline'

import pg from 'pg'
import copyStreams from 'pg-copy-streams'
import Cursor from 'pg-cursor'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const brief = JSON.parse((await lines.next()).value)
const sql = brief.sql

class Cannot extends Error {}

const say = (what) => console.log(JSON.stringify(what))

// wait comes back when the test has seen what the client waits for.
async function wait(what) {
  say({ await: what })
  await lines.next()
}

async function connect(login = 'bulk', more = {}) {
  const { ssl, ...rest } = more
  const client = new pg.Client({
    host: brief.host, port: brief.port, database: brief.database, ...brief[login],
    ssl: { ca: readFileSync(brief.ca), ...ssl }, ...rest,
  })
  client.on('error', () => {}) // the query that waits is told as well
  await client.connect()
  return client
}

const client = await connect()
const fetch = async (text, values, on = client) => (await on.query({ text: text.replace('{}', '$1'), values, rowMode: 'array' })).rows
const count = async (on) => (await fetch(sql.count, [], on))[0][0]

// state is the SQLSTATE a statement fails with.
const state = (text, on) => fetch(text, undefined, on).then(() => 'no error', (e) => e.code)

async function queries() {
  const other = await connect('case')
  const got = { bulk: await fetch(sql.people), case: await fetch(sql.export, [], other) }
  await other.end()
  return got
}

const parameters = async () => ({ IE: (await fetch(sql.where, ['IE']))[0][0] })

async function transactions() {
  const got = {}
  await client.query('BEGIN')
  got.committed = await count()
  await client.query('COMMIT')
  await client.query('BEGIN')
  got.failed = await state('SELECT 1 / (SELECT 0)')
  got.aborted = await state(sql.count)
  await client.query('ROLLBACK')
  got['rolled back'] = await count()
  await client.query('BEGIN; SAVEPOINT s')
  await state('SELECT 1 / (SELECT 0)')
  await client.query('ROLLBACK TO s')
  got.savepoint = await count()
  got.refused = await state('EXPLAIN SELECT 1')
  got['still aborted'] = await state(sql.count)
  await client.query('ROLLBACK')
  got.after = await count()
  return got
}

async function copy(options = '') {
  const hash = createHash('sha256')
  for await (const part of client.query(copyStreams.to(`COPY (${sql.export}) TO STDOUT${options}`))) hash.update(part)
  return { sha256: hash.digest('hex') }
}

async function cancel() {
  const query = new pg.Query('SELECT pg_sleep(60) /* cancel-node */')
  const failed = new Promise((resolve) => query.on('error', (e) => resolve(e.code)).on('end', () => resolve('no error')))
  client.query(query)
  await wait('sleep cancel-node')
  // The driver cancels over a connection of its own, without TLS.
  const second = new pg.Client({ host: brief.host, port: brief.port })
  second.connection.on('error', () => {})
  second.cancel(client, query)
  return { cancelled: await failed, after: await count() }
}

async function pipelining() {
  const c = await connect('bulk', { pipeline: true })
  const countries = (await Promise.all(brief.ids.map((id) => fetch(sql.country, [id], c)))).map((rows) => rows[0][0])
  const [, refused] = await Promise.allSettled([count(c), fetch('EXPLAIN SELECT 1', [], c), count(c)])
  const after = await count(c)
  await c.end()
  return { countries, refused: refused.reason?.code, after }
}

async function binary() {
  const ask = (text) => client.query({ text, queryMode: 'extended', binary: true })
  if ((await ask('SELECT 200 AS n')).rows[0].n !== 200) throw new Cannot('it reads them as UTF-8 and loses what is not')
  const r = await ask(sql.values)
  const [id, seconds, lat, at, title, north] = Object.values(r.rows[0])
  const format = r.fields.every((f) => f.format === 'binary') ? 'binary' : 'text'
  return { format, values: [String(id), String(seconds), String(Math.round(lat * 1000)), String(Math.floor(at / 1000)), title, String(north)] }
}

async function prepared() {
  const countries = []
  for (let i = 0; i < 4; i++) {
    for (const id of brief.ids) {
      const r = await client.query({ name: 'country', text: sql.country.replace('{}', '$1'), values: [id], rowMode: 'array' })
      countries.push(r.rows[0][0])
    }
  }
  return { countries, 'on the server': (await fetch(sql.prepared))[0][0] }
}

async function large() {
  const cursor = client.query(new Cursor(sql.large, [], { rowMode: 'array' }))
  let rows = 0, sum = 0, country
  for (;;) {
    const part = await cursor.read(10000)
    if (part.length === 0) break
    rows += part.length
    for (const [i, c] of part) { sum += i; country = c }
  }
  await cursor.close()
  return { rows: String(rows), sum: String(sum), country }
}

async function refused(more) {
  try {
    await (await connect('bulk', more)).end()
    return 'connected'
  } catch (e) {
    return /CERT|ERR_TLS/.test(e.code) ? 'refused' : String(e)
  }
}

// Elsewhere goes to the gate whatever name it is given.
class Elsewhere extends Socket {
  connect(port) {
    return super.connect(port, brief.address)
  }
}

const verifyFull = async () => ({
  gate: await count(),
  'another authority': await refused({ ssl: { ca: readFileSync(brief.other_ca) } }),
  'another name': await refused({ host: brief.other_name, stream: () => new Elsewhere() }),
})

// The driver has no "require": it binds whenever the server offers to. So the
// mechanism it takes is looked at.
async function binding() {
  let mechanism
  const send = pg.Connection.prototype.sendSASLInitialResponseMessage
  pg.Connection.prototype.sendSASLInitialResponseMessage = function (m, response) {
    mechanism = m
    return send.call(this, m, response)
  }
  const c = await connect('bulk', { enableChannelBinding: true })
  pg.Connection.prototype.sendSASLInitialResponseMessage = send
  if (mechanism !== 'SCRAM-SHA-256-PLUS') throw new Error(mechanism)
  const required = await count(c)
  await c.end()
  return { required }
}

async function errors() {
  const sqlstates = []
  for (const text of sql.errors) sqlstates.push(await state(text))
  const e = await fetch(sql.outside).catch((e) => e)
  const said = 'leave the schema out'
  return { sqlstates, hint: e.hint?.includes(said) ? said : e.hint, after: await count() }
}

const refusedLogin = () => connect('bulk', { password: 'wrong' }).then(() => ({ sqlstate: 'none' }), (e) => ({ sqlstate: e.code }))

async function ending() {
  const c = await connect('ending')
  const failed = state('SELECT pg_sleep(60) /* end-node */', c)
  await wait('sleep end-node')
  await wait('revoke node')
  return { sqlstate: await failed }
}

const metadata = async () => ({ views: (await fetch(sql.views)).flat(), columns: (await fetch(sql.columns)).flat() })

for (const [capability, f] of Object.entries({
  queries, parameters, transactions, 'copy out': () => copy(), 'binary copy': () => copy(' (FORMAT binary)'), cancel, pipelining,
  'binary results': binary, 'prepared statements': prepared, 'large result by parts': large, 'verify-full': verifyFull,
  'channel binding': binding, errors, 'SQLSTATE of a refused login': refusedLogin, 'end of the grant': ending, metadata,
})) {
  try {
    say({ capability, got: await f() })
  } catch (e) {
    say(e instanceof Cannot ? { capability, cannot: e.message } : { capability, error: e.stack })
  }
}
process.exit(0)

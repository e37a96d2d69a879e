package index

// version is raised with every change of the schema or of what rows are made of
// an entry; an index of another version is made anew.
const version = 2

// hot kinds make up nearly all of a busy log: they have one index entry each.
const hot = `('statement','result','statements')`

// An entry belongs to the life of one request: the grant that came of it, the
// sessions under that grant, their statements. 'request' names it everywhere.
const schema = `
CREATE TABLE meta (
	one     INTEGER PRIMARY KEY CHECK (one = 1),
	version INTEGER NOT NULL,
	genesis BLOB NOT NULL,    -- leaf hash of entry 0: whose index this is
	mark    BLOB NOT NULL,    -- of the key that hashes people
	boot    TEXT NOT NULL,    -- in which it is being written; empty once it is closed
	next    INTEGER NOT NULL, -- first entry that is not in here yet
	last    BLOB NOT NULL     -- leaf hash of the entry before
) STRICT;

CREATE TABLE entry (
	seq     INTEGER PRIMARY KEY,
	time    INTEGER NOT NULL, -- µs UTC
	kind    TEXT NOT NULL,
	outcome TEXT NOT NULL,
	request INTEGER,          -- whose life it is part of
	login   TEXT              -- who did it, when that is not who made the request
) STRICT;
CREATE INDEX entry_request ON entry (request, seq) WHERE request IS NOT NULL;
CREATE INDEX entry_rare_request ON entry (request, kind, seq) WHERE request IS NOT NULL AND kind NOT IN ` + hot + `;
CREATE INDEX entry_rare ON entry (kind, seq) WHERE kind NOT IN ` + hot + `;
CREATE INDEX entry_login ON entry (login, seq) WHERE login IS NOT NULL;

CREATE TABLE request (
	seq       INTEGER PRIMARY KEY,
	login     TEXT NOT NULL,
	dataset   TEXT NOT NULL,
	lens      TEXT NOT NULL,
	scope     TEXT NOT NULL,
	purpose   TEXT NOT NULL,
	reference TEXT NOT NULL,    -- the case
	people    INTEGER NOT NULL, -- how many it names
	last      INTEGER NOT NULL, -- newest entry of its life
	service   TEXT              -- the program it is for, if it is for one
) STRICT;
CREATE INDEX request_login ON request (login, last);
CREATE INDEX request_dataset ON request (dataset, last);
CREATE INDEX request_bulk ON request (last) WHERE scope = 'bulk';

CREATE TABLE subject (
	person  BLOB NOT NULL, -- keyed hash
	request INTEGER NOT NULL,
	PRIMARY KEY (person, request)
) STRICT, WITHOUT ROWID;

CREATE TABLE granted (
	seq     INTEGER PRIMARY KEY,
	request INTEGER NOT NULL,
	until   INTEGER NOT NULL, -- µs UTC
	revoked INTEGER           -- entry that ended it early
) STRICT;

CREATE TABLE refusal (
	seq     INTEGER PRIMARY KEY,
	request INTEGER,
	session INTEGER,
	attempt INTEGER,
	why     TEXT NOT NULL -- our own sentence, or the rules that decided
) STRICT;

CREATE TABLE session (
	seq        INTEGER PRIMARY KEY,
	request    INTEGER,
	granted    INTEGER NOT NULL,
	gate       TEXT NOT NULL,
	site       TEXT NOT NULL,
	ended      INTEGER, -- entry that says so
	reason     TEXT,
	statements INTEGER,
	row_count  INTEGER,
	bytes      INTEGER
) STRICT;
CREATE INDEX session_open ON session (gate) WHERE ended IS NULL;

CREATE TABLE statement (
	seq       INTEGER PRIMARY KEY,
	session   INTEGER NOT NULL,
	verb      TEXT NOT NULL,
	outcome   TEXT NOT NULL, -- of its result; pending until that came
	result    INTEGER,       -- entry of the newest result
	row_count INTEGER NOT NULL,
	bytes     INTEGER NOT NULL,
	micros    INTEGER NOT NULL,
	state     TEXT NOT NULL  -- SQLSTATE if it failed
) STRICT;
CREATE INDEX statement_open ON statement (session) WHERE outcome = 'pending';
`

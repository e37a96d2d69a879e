-- A script a line, its steps between two semicolons. What masks, barriers and redaction are there for, asked plainly.
SELECT id FROM users WHERE country::int > 0
SELECT id FROM users WHERE (full_name || country || weight::text)::date > '2000-01-01'
SELECT id FROM users WHERE 1 / (id - 1000) > 5
SELECT id FROM users WHERE 1 / (id - 1003) > 5
SELECT id FROM users WHERE email::inet IS NULL
SELECT id FROM users WHERE handle::public.mood IS NULL
SELECT id, prefs ->> 'b' FROM users WHERE (prefs ->> 'b')::bool
SELECT handle FROM users WHERE handle ~ bio
SELECT * FROM users WHERE email LIKE full_name ESCAPE handle
SELECT x::text FROM users x
SELECT hashtext(x::text) FROM users x ORDER BY 1
SELECT count(*), max(id), min(id), sum(id) FROM users
SELECT max(born), min(born), max(email), min(last_ip) FROM users, devices
SELECT (SELECT id FROM users)
SELECT id FROM messages WHERE sender_id NOT IN (SELECT id FROM users)
SELECT m.id, u.country FROM messages m LEFT JOIN users u ON u.id = m.recipient_id ORDER BY 1
SELECT a.id FROM addresses a WHERE NOT EXISTS (SELECT FROM users u WHERE u.address_id = a.id)
SELECT row_number() OVER (), id FROM signins
SELECT id, lag(id) OVER (ORDER BY id), ntile(4) OVER (ORDER BY at) FROM signins
SELECT * FROM users LIMIT 1 OFFSET 3
SELECT query_to_xml('SELECT * FROM public.users', true, false, '')
SELECT table_to_xml('users', true, false, '')
SELECT * FROM ts_stat('SELECT to_tsvector(''simple'', x::text) FROM users x')
SELECT schema_to_xml(current_schema(), true, false, '')
SELECT generate_series(1, count(*)) FROM users
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY id) FROM users
BEGIN ;; DECLARE k SCROLL CURSOR FOR SELECT id, email FROM users ;; FETCH LAST FROM k ;; FETCH ABSOLUTE -2 FROM k ;; MOVE BACKWARD ALL FROM k ;; FETCH ALL FROM k ;; COMMIT
BEGIN ;; DECLARE k CURSOR WITH HOLD FOR SELECT id, 1 / (id - 1000) FROM users ;; COMMIT ;; FETCH ALL FROM k
PREPARE p(bigint) AS SELECT id, handle FROM users WHERE id = $1 ;; EXECUTE p(1000) ;; EXECUTE p(1003) ;; EXECUTE p(1075) ;; EXECUTE p('x') ;; DEALLOCATE p
PREPARE p AS SELECT count(*) FROM messages WHERE body = $1 ;; EXECUTE p('a') ;; EXECUTE p('a') ;; EXECUTE p('a') ;; EXECUTE p('a') ;; EXECUTE p('a') ;; EXECUTE p('a') ;; EXECUTE p('a')
BEGIN ISOLATION LEVEL SERIALIZABLE ;; SELECT count(*) FROM orders ;; SAVEPOINT a ;; SELECT 1 / (cents - cents) FROM orders ;; ROLLBACK TO a ;; SELECT sum(cents) FROM orders ;; COMMIT
COPY (SELECT * FROM users) TO STDOUT (FORMAT binary)
COPY (SELECT 100 / (amount % 7) FROM payments) TO STDOUT (FORMAT csv, HEADER)
COPY users TO STDOUT
SELECT * FROM public.users
SELECT last_value FROM public.orders_id_seq ;; SELECT last_value FROM pg_sequences
SELECT most_common_vals::text, histogram_bounds::text FROM pg_stats WHERE schemaname <> 'pg_catalog'
SELECT pg_relation_size('public.users')
EXPLAIN ANALYZE SELECT id FROM users WHERE country = 'DE'
INSERT INTO users SELECT * FROM users
SELECT count(*) FROM users GROUP BY GROUPING SETS ((country), (mood), ()) ORDER BY 1
SELECT country, count(*) FROM users GROUP BY ROLLUP (country) HAVING 1 / (count(*) - 3) >= 0
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < (SELECT count(*) FROM devices)) SELECT count(*) FROM r
SELECT DISTINCT ON (user_id) user_id, ip FROM signins ORDER BY user_id, at DESC
SELECT jsonb_object_agg(handle, id) FROM users
SELECT network(ip), host(ip), ip + 1, masklen(ip) FROM signins
SELECT 9223372036854775807 + id FROM users
SELECT repeat(bio, 1000000000) FROM users

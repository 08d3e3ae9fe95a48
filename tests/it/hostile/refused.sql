# One statement a line; each is refused with 400. Lines that begin with # are headings.

# What changes data
INSERT INTO sales.orders VALUES ('2026-01-01', 'x', 1, '')
INSERT INTO sales.orders SELECT * FROM sales.orders
INSERT OVERWRITE sales.orders SELECT * FROM sales.orders
REPLACE INTO sales.orders VALUES ('2026-01-01', 'x', 1, '')
UPDATE sales.orders SET amount = 0
DELETE FROM sales.orders
DELETE FROM sales.orders WHERE 1 = 1 RETURNING *
MERGE INTO sales.orders USING sales.orders AS s ON s.day = orders.day WHEN MATCHED THEN DELETE
TRUNCATE TABLE sales.orders
WITH gone AS (DELETE FROM sales.orders RETURNING *) SELECT * FROM gone
WITH new AS (INSERT INTO sales.orders VALUES ('2026-01-01', 'x', 1, '') RETURNING *) SELECT * FROM new
WITH new AS (UPDATE sales.orders SET amount = 0 RETURNING *) SELECT * FROM new
SELECT * INTO stolen FROM sales.orders
SELECT * INTO OUTFILE '/tmp/out.csv' FROM sales.orders
SELECT * FROM sales.orders FOR UPDATE
SELECT * FROM sales.orders FOR SHARE
SELECT * FROM (SELECT * FROM sales.orders FOR UPDATE) AS locked

# What changes tables and catalogs
CREATE TABLE t AS SELECT 1
CREATE TABLE t (a INT)
CREATE TEMPORARY TABLE t AS SELECT 1
CREATE OR REPLACE TABLE sales.orders AS SELECT 1
CREATE VIEW v AS SELECT * FROM sales.orders
CREATE MATERIALIZED VIEW v AS SELECT * FROM sales.orders
CREATE SCHEMA s
CREATE DATABASE d
CREATE CATALOG c
CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'
CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION 'https://example.com/x.parquet'
CREATE UNBOUNDED EXTERNAL TABLE t (a INT) STORED AS CSV LOCATION '/dev/zero'
CREATE EXTERNAL CATALOG c USING hive
CREATE FUNCTION f(INT) RETURNS INT LANGUAGE SQL AS 'SELECT 1'
CREATE FUNCTION f(DOUBLE) RETURNS DOUBLE RETURN $1 + 1
CREATE PROCEDURE p AS BEGIN SELECT 1; END
CREATE TRIGGER t BEFORE INSERT ON sales.orders EXECUTE FUNCTION f()
CREATE INDEX i ON sales.orders (day)
CREATE SEQUENCE s
CREATE TYPE t AS ENUM ('a')
CREATE ROLE r
CREATE SECRET s (TYPE s3)
CREATE EXTENSION hstore
CREATE MACRO m(x) AS x + 1
ALTER TABLE sales.orders ADD COLUMN x INT
ALTER TABLE sales.orders RENAME TO others
ALTER ROLE r WITH SUPERUSER
DROP TABLE sales.orders
DROP TABLE IF EXISTS sales.orders CASCADE
DROP VIEW v
DROP SCHEMA sales CASCADE
DROP DATABASE claribi
DROP FUNCTION abs
COMMENT ON TABLE sales.orders IS 'mine'
ANALYZE TABLE sales.orders COMPUTE STATISTICS
VACUUM
OPTIMIZE TABLE sales.orders

# What changes or shows the engine
SET datafusion.execution.batch_size = 1
SET datafusion.catalog.information_schema = true
SET TIME ZONE 'Europe/Berlin'
SET ROLE administrator
RESET ALL
SHOW ALL
SHOW TABLES
SHOW DATABASES
SHOW CREATE TABLE sales.orders
SHOW COLUMNS FROM sales.orders
SHOW FUNCTIONS
SHOW datafusion.execution.batch_size
DESCRIBE sales.orders
EXPLAIN SELECT 1
EXPLAIN ANALYZE SELECT * FROM sales.orders
EXPLAIN VERBOSE SELECT 1
EXPLAIN FORMAT TREE SELECT 1
USE sales
PRAGMA table_info('orders')
KILL 1
PREPARE p AS SELECT 1
EXECUTE p
DEALLOCATE p
DECLARE c CURSOR FOR SELECT 1
FETCH NEXT FROM c
CLOSE c
BEGIN
START TRANSACTION
COMMIT
ROLLBACK
SAVEPOINT s
RELEASE SAVEPOINT s
LOCK TABLE sales.orders
GRANT SELECT ON sales.orders TO PUBLIC
REVOKE SELECT ON sales.orders FROM PUBLIC
DISCARD ALL
CACHE TABLE sales.orders
UNCACHE TABLE sales.orders
MSCK REPAIR TABLE sales.orders
LISTEN channel
NOTIFY channel
CALL anything()
DO $$ BEGIN NULL; END $$
ATTACH DATABASE 'claribi.db' AS stolen
ATTACH 'claribi.db' AS stolen
DETACH DATABASE stolen
INSTALL httpfs
LOAD httpfs
LOAD DATA INPATH '/etc/passwd' INTO TABLE sales.orders
UNLOAD ('SELECT 1') TO 's3://bucket/x'
RAISE 'x'
PRINT 'x'

# What reads or writes files
COPY sales.orders TO '/tmp/out.csv'
COPY (SELECT 1) TO '/tmp/out.parquet' STORED AS PARQUET
COPY sales.orders FROM '/etc/passwd'
COPY sales.orders TO PROGRAM 'id'
EXPORT DATA OPTIONS (uri = 'x') AS SELECT 1
SELECT * FROM '/etc/passwd'
SELECT * FROM "/etc/passwd"
SELECT * FROM 'file:///etc/passwd'
SELECT * FROM 'https://example.com/data.csv'
SELECT * FROM 's3://bucket/data.parquet'
SELECT * FROM '../claribi.db'
SELECT * FROM 'data.csv'
SELECT * FROM `/etc/passwd`
SELECT * FROM sales."../other".orders
SELECT * FROM read_csv('/etc/passwd')
SELECT * FROM read_csv_auto('/etc/passwd')
SELECT * FROM read_parquet('/etc/passwd')
SELECT * FROM read_json('/etc/passwd')
SELECT * FROM read_text('/etc/passwd')
SELECT * FROM read_blob('/etc/passwd')
SELECT * FROM glob('/*')
SELECT * FROM parquet_metadata('/etc/passwd')
SELECT * FROM metadata_cache()
SELECT * FROM statistics_cache()
SELECT * FROM csv_scan('/etc/passwd')
SELECT * FROM TABLE(generate_series(1, 1000000000))
SELECT * FROM generate_series(1, 1000000000)
SELECT * FROM range(1, 1000000000)
SELECT * FROM LATERAL generate_series(1, 10) AS t
SELECT * FROM sales.orders, LATERAL read_csv('/etc/passwd')
SELECT pg_read_file('/etc/passwd')
SELECT load_file('/etc/passwd')
SELECT readfile('/etc/passwd')
SELECT writefile('/tmp/x', 'x')
SELECT load_extension('x')
SELECT input_file_name()
SELECT input_file_name() FROM sales.orders

# What tells about the machine or other people
SELECT version()
SELECT current_user
SELECT session_user
SELECT current_user()
SELECT current_database()
SELECT current_schema()
SELECT current_setting('data_directory')
SELECT inet_server_addr()
SELECT getenv('HOME')
SELECT pg_sleep(10)
SELECT sleep(10)
SELECT benchmark(1000000000, 1)
SELECT dblink('host=127.0.0.1', 'SELECT 1')
SELECT http_get('http://127.0.0.1')
SELECT query_to_xml('SELECT 1', true, true, '')
SELECT lo_import('/etc/passwd')
SELECT xp_cmdshell('id')
SELECT system('id')
SELECT shell('id')
SELECT arrow_metadata(day) FROM sales.orders
SELECT @@version
SELECT @@datadir
SELECT * FROM information_schema.tables
SELECT * FROM information_schema.df_settings
SELECT * FROM pg_catalog.pg_user
SELECT * FROM sqlite_master
SELECT * FROM mysql.user
SELECT * FROM duckdb_settings()
SELECT * FROM pragma_database_list
SELECT * FROM claribi.users
SELECT * FROM public.api_keys
SELECT * FROM datafusion.public.orders
SELECT * FROM sales.information_schema.tables
SELECT * FROM other.orders
SELECT * FROM org_2.sales.orders

# More than one statement, or none
SELECT 1; SELECT 2
SELECT 1; DROP TABLE sales.orders
SELECT 1;; SELECT 2
; DROP TABLE sales.orders
SELECT 1 GO SELECT 2
SELECT 1 \g DROP TABLE sales.orders
SELECT '1'; DELETE FROM sales.orders WHERE ''=''
/* nothing */
-- nothing
;
;;;
\0
SELECT
SELECT FROM WHERE
SELECT 'unfinished
SELECT "unfinished
SELECT /* unfinished
SELECT $$unfinished
SELECT * FROM sales.orders WHERE
SELECT * FROM (SELECT 1
SELECT )
SELECT 1 UNION
SELECT 1 2 3 FROM
)(

# What fails on types, names and numbers
SELECT sum('x') + FROM sales.orders
SELECT CAST('x' AS NOTHING)
SELECT CAST('x' AS INT)
SELECT 1 / 0
SELECT 1 % 0
SELECT factorial(1000)
SELECT chr(-1)
SELECT repeat('x', -1) || $1
SELECT $1
SELECT $0
SELECT $99999999999999999999
SELECT ?
SELECT :name
SELECT @name
SELECT $name
SELECT to_timestamp('not a time')
SELECT date_trunc('nothing', TIMESTAMP '2026-01-01 00:00:00')
SELECT date_bin(INTERVAL '0 seconds', TIMESTAMP '2026-01-01 00:00:00')
SELECT INTERVAL '99999999999999999999 years'
SELECT DATE '2026-13-45'
SELECT TIMESTAMP '0000-00-00 00:00:00'
SELECT regexp_like('x', '(')
SELECT regexp_like(region, '(') FROM sales.orders
SELECT regexp_count('x', '*')
SELECT regexp_match('x', '(?P<a>x)(?P<a>x)')
SELECT regexp_replace('x', '[', 'y')
SELECT array_element(1, 2)
SELECT sum(sum(amount)) FROM sales.orders
SELECT region FROM sales.orders GROUP BY day
SELECT * FROM sales.orders ORDER BY 99
SELECT * FROM sales.orders LIMIT -1
SELECT * FROM sales.orders LIMIT 'x'
SELECT * FROM sales.orders OFFSET -1
SELECT * FROM sales.orders o JOIN sales.orders o ON true
SELECT (SELECT day, region FROM sales.orders)
SELECT (SELECT day FROM sales.orders)
SELECT * FROM sales.orders WHERE (SELECT 1, 2) = 1
SELECT 1 UNION SELECT 1, 2
SELECT nothing FROM sales.orders
SELECT nothing(1)
SELECT * FROM nothing
SELECT * FROM sales.nothing
SELECT o.nothing FROM sales.orders o
SELECT day AS a, region AS a FROM (SELECT day, region, day FROM sales.orders) AS t(a, a, a)
SELEKT 1

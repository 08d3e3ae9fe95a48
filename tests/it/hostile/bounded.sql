# One statement a line. These never end or never fit, on whatever machine: each is stopped at a limit.
WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n
WITH RECURSIVE n AS (SELECT 'x' AS s UNION ALL SELECT s || s FROM n) SELECT max(length(s)) FROM n
SELECT count(DISTINCT a.n * 100000 + b.n) FROM sales.numbers a, sales.numbers b
SELECT a.n, b.n FROM sales.numbers a, sales.numbers b, sales.numbers c ORDER BY a.n * b.n * c.n DESC
SELECT array_agg(a.n) FROM sales.numbers a, sales.numbers b
SELECT string_agg(repeat('x', 1000), '') FROM sales.numbers a, sales.numbers b
SELECT repeat('x', 1000000000)
SELECT repeat(repeat(repeat('x', 10000), 10000), 10000)
SELECT lpad('x', 2147483647)
SELECT rpad('x', 2147483647, 'yz')
SELECT concat(repeat('x', 100000000), repeat('y', 100000000))
SELECT replace(repeat('x', 1000000), 'x', repeat('y', 1000))
SELECT regexp_replace(repeat('a', 100000), 'a', repeat('b', 10000), 'g')
SELECT levenshtein(repeat('a', 200000), repeat('b', 200000))
# And these may be answered, refused, or stopped at a limit; each ends.
WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT a.i + b.i FROM n a, n b) SELECT count(*) FROM n
WITH RECURSIVE n AS (SELECT 1 AS i UNION SELECT i % 3 FROM n) SELECT * FROM n
SELECT count(*) FROM sales.numbers a, sales.numbers b, sales.numbers c, sales.numbers d
SELECT * FROM sales.numbers a CROSS JOIN sales.numbers b CROSS JOIN sales.numbers c
SELECT sum(a.n * b.n) FROM sales.numbers a JOIN sales.numbers b ON a.n <> b.n JOIN sales.numbers c ON c.n > a.n - b.n
SELECT repeat('x', 100000) FROM sales.numbers
SELECT unnest(range(1, 1000000000))
SELECT array_length(range(1, 10000000000))
SELECT unnest(array_repeat(array_repeat(1, 100000), 100000))
SELECT array_repeat(1, 9223372036854775807)
SELECT regexp_like(repeat('a', 100000), '(a+)+$')
SELECT regexp_like(repeat('a', 50000), '(.*)(.*)(.*)(.*)(.*)[^a]')
SELECT regexp_like('x', '((((((((((x{100}){100}){100}){100}){100}){100}){100}){100}){100}){100})')
SELECT sum(n) OVER (ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM (SELECT a.n FROM sales.numbers a, sales.numbers b)
SELECT n FROM sales.numbers a WHERE EXISTS (SELECT 1 FROM sales.numbers b, sales.numbers c WHERE b.n * c.n = a.n + 0.5)
SELECT * FROM sales.numbers a FULL OUTER JOIN sales.numbers b ON a.n * b.n % 7 = 3
SELECT a.n FROM sales.numbers a, sales.numbers b UNION SELECT b.n FROM sales.numbers a, sales.numbers b EXCEPT SELECT 1
SELECT median(a.n * b.n) FROM sales.numbers a, sales.numbers b
SELECT * FROM (VALUES (1), (2)) AS t(n) GROUP BY CUBE (n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7, n + 8, n + 9, n + 10, n + 11)
SELECT power(10, 308) * 10, exp(1000), ln(0), sqrt(-1)
SELECT CAST(repeat('9', 1000000) AS DOUBLE)
SELECT CAST(repeat('9', 100000) AS DECIMAL(38, 0))
SELECT TIMESTAMP '9999-12-31 23:59:59' + INTERVAL '1 year'
SELECT date_trunc('year', to_timestamp(9223372036854775807))
SELECT make_date(2147483647, 12, 31)
SELECT round(1.5, 2147483647)
SELECT 'x' LIKE repeat('%x', 100000)
SELECT chr(1114111), chr(55296)
SELECT 9223372036854775807 + 1, -9223372036854775808 - 1
SELECT 99999999999999999999999999999999999999999999999999999999999999999999999999999999999

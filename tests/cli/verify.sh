# SESSION.VERIFY: holds the index from users to sessions against a scan of all keys. For operators: it blocks the server
# for the time of the scan.

# An empty server.
redis-cli SESSION.VERIFY
#>  1) "sessions"
#>  2) (integer) 0
#>  3) "indexed"
#>  4) (integer) 0
#>  5) "missing"
#>  6) (integer) 0
#>  7) "stale"
#>  8) (integer) 0
#>  9) "fixed"
#> 10) (integer) 0
redis-cli -3 SESSION.VERIFY
#> 1# "sessions" => (integer) 0
#> 2# "indexed" => (integer) 0
#> 3# "missing" => (integer) 0
#> 4# "stale" => (integer) 0
#> 5# "fixed" => (integer) 0

# Sessions with a user are indexed, anonymous ones are not; keys of other types do not matter.
redis-cli SESSION.SET sess:laptop USER alice FIELDS 1 lang en
#> (integer) 1
redis-cli SESSION.SET sess:phone USER alice
#> (integer) 1
redis-cli SESSION.SET sess:other USER bob
#> (integer) 1
redis-cli SESSION.SET sess:anon
#> (integer) 1
redis-cli SET plain text
#> OK
redis-cli -3 SESSION.VERIFY
#> 1# "sessions" => (integer) 4
#> 2# "indexed" => (integer) 3
#> 3# "missing" => (integer) 0
#> 4# "stale" => (integer) 0
#> 5# "fixed" => (integer) 0

# All databases count.
redis-cli -n 3 SESSION.SET sess:third USER alice
#> (integer) 1
redis-cli -3 SESSION.VERIFY
#> 1# "sessions" => (integer) 5
#> 2# "indexed" => (integer) 4
#> 3# "missing" => (integer) 0
#> 4# "stale" => (integer) 0
#> 5# "fixed" => (integer) 0

# Nothing to fix.
redis-cli SESSION.VERIFY FIX
#>  1) "sessions"
#>  2) (integer) 5
#>  3) "indexed"
#>  4) (integer) 4
#>  5) "missing"
#>  6) (integer) 0
#>  7) "stale"
#>  8) (integer) 0
#>  9) "fixed"
#> 10) (integer) 0

# Whatever happens to keys, the index follows. (The snapshot that a rotation leaves for its grace is indexed as well:
# SESSION.REVOKE must find it.)
redis-cli RENAME sess:phone sess:mobile
#> OK
redis-cli COPY sess:mobile sess:twin
#> (integer) 1
redis-cli MOVE sess:twin 3
#> (integer) 1
redis-cli SWAPDB 0 3
#> OK
redis-cli SET sess:third "not a session any more"
#> OK
redis-cli SESSION.ROTATE sess:twin sess:new GRACE 30
#> (integer) 2
redis-cli DEBUG RELOAD
#> OK
redis-cli -3 SESSION.VERIFY
#> 1# "sessions" => (integer) 6
#> 2# "indexed" => (integer) 5
#> 3# "missing" => (integer) 0
#> 4# "stale" => (integer) 0
#> 5# "fixed" => (integer) 0

# A session past its deadline whose key is still there (here because of PERSIST by hand) is neither missing nor stale.
# (Both in one script, so that there is time for it.)
redis-cli EVAL "redis.call('SESSION.SET', KEYS[1], 'USER', 'alice', 'PX', 20); return redis.call('PERSIST', KEYS[1])" 1 sess:past
#> (integer) 1
for i in {1..500}; do test "$(redis-cli SESSION.GET sess:past)" = "(nil)" && echo "past" && break; sleep 0.01; done
#> past
redis-cli -3 SESSION.VERIFY
#> 1# "sessions" => (integer) 7
#> 2# "indexed" => (integer) 6
#> 3# "missing" => (integer) 0
#> 4# "stale" => (integer) 0
#> 5# "fixed" => (integer) 0

redis-cli FLUSHALL
#> OK
redis-cli -3 SESSION.VERIFY
#> 1# "sessions" => (integer) 0
#> 2# "indexed" => (integer) 0
#> 3# "missing" => (integer) 0
#> 4# "stale" => (integer) 0
#> 5# "fixed" => (integer) 0

# Errors.
redis-cli SESSION.VERIFY ALL
#> (error) ERR syntax error at 'ALL' (argument 1)
redis-cli SESSION.VERIFY FIX FIX
#> (error) ERR syntax error at 'FIX' (argument 2)

# Only who may change the configuration may use it.
redis-cli ACL SETUSER web on '>secret' '~*' +@all '-config'
#> OK
redis-cli --user web --pass secret --no-auth-warning SESSION.VERIFY
#> (error) NOPERM session.verify is for users who may run 'config|set'

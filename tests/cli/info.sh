# SESSION.INFO: what a session is, without its data.

redis-cli SESSION.SET sess:4f1c USER alice EX 600 LIFETIME 86400 FIELDS 2 lang en theme dark
#> (integer) 1
redis-cli SESSION.INFO sess:4f1c
#>  1) "user"
#>  2) "alice"
#>  3) "created"
#>  4) (integer) ...
#>  5) "accessed"
#>  6) (integer) ...
#>  7) "idle"
#>  8) (integer) 600000
#>  9) "lifetime"
#> 10) (integer) 86400000
#> 11) "end"
#> 12) (integer) ...
#> 13) "deadline"
#> 14) (integer) ...
#> 15) "version"
#> 16) (integer) 1
#> 17) "fields"
#> 18) (integer) 2
#> 19) "bytes"
#> 20) (integer) 15
#> 21) "grace"
#> 22) (nil)

# RESP3: a map.
redis-cli -3 SESSION.INFO sess:4f1c
#>  1# "user" => "alice"
#>  2# "created" => (integer) ...
#>  3# "accessed" => (integer) ...
#>  4# "idle" => (integer) 600000
#>  5# "lifetime" => (integer) 86400000
#>  6# "end" => (integer) ...
#>  7# "deadline" => (integer) ...
#>  8# "version" => (integer) 1
#>  9# "fields" => (integer) 2
#> 10# "bytes" => (integer) 15
#> 11# "grace" => (nil)

# What is absent is nil: an anonymous session that nothing ends by itself.
redis-cli SESSION.SET sess:anon PERSIST
#> (integer) 1
redis-cli -3 SESSION.INFO sess:anon
#>  1# "user" => (nil)
#>  2# "created" => (integer) ...
#>  3# "accessed" => (integer) ...
#>  4# "idle" => (nil)
#>  5# "lifetime" => (nil)
#>  6# "end" => (nil)
#>  7# "deadline" => (nil)
#>  8# "version" => (integer) 1
#>  9# "fields" => (integer) 0
#> 10# "bytes" => (integer) 0
#> 11# "grace" => (nil)

# A fixed end is no lifetime.
redis-cli SESSION.SET sess:anon EXAT 4102444800
#> (integer) 1
redis-cli -3 SESSION.INFO sess:anon
#> ...
#>  4# "idle" => (nil)
#>  5# "lifetime" => (nil)
#>  6# "end" => (integer) 4102444800000
#>  7# "deadline" => (integer) 4102444800000
#> ...

# One of them, for what follows: `meta sess:4f1c idle`.
meta() { redis-cli --raw SESSION.INFO "$1" | grep -x -A1 "$2" | tail -n 1 | sed 's/^$/none/'; }

# All times are Unix ms. The deadline is the earlier of the two: accessed + idle, and the end (created + lifetime).
echo $(( $(meta sess:4f1c end) - $(meta sess:4f1c created) ))
#> 86400000
echo $(( $(meta sess:4f1c deadline) - $(meta sess:4f1c accessed) ))
#> 600000
redis-cli SESSION.ADJUST sess:4f1c LIFETIME 60
#> (integer) 1
test $(meta sess:4f1c deadline) -eq $(meta sess:4f1c end) && echo "the end comes first"
#> the end comes first

# The version counts changes of data; `accessed` moves with writes and touches, `created` with a change of user.
accessed=$(meta sess:4f1c accessed); created=$(meta sess:4f1c created); sleep 0.01
redis-cli SESSION.SET sess:4f1c FIELDS 1 cart 17
#> (integer) 2
test $(meta sess:4f1c accessed) -gt $accessed && test $(meta sess:4f1c created) -eq $created && echo "accessed"
#> accessed
redis-cli SESSION.SET sess:4f1c USER bob
#> (integer) 3
test $(meta sess:4f1c created) -gt $created && echo "began anew for bob"
#> began anew for bob
meta sess:4f1c version
#> 3

# INFO itself is no access.
before=$(redis-cli SESSION.INFO sess:4f1c); sleep 0.01
test "$(redis-cli SESSION.INFO sess:4f1c)" = "$before" && echo "as before"
#> as before

# Bytes are those of names and values together, whatever they are.
redis-cli --quoted-input SESSION.SET '"\x00\xff"' USER '"al\x00"' FIELDS 2 '"\x00"' '"\xff\xff"' '""' '""'
#> (integer) 1
redis-cli --quoted-input SESSION.INFO '"\x00\xff"'
#>  1) "user"
#>  2) "al\x00"
#> ...
#> 17) "fields"
#> 18) (integer) 2
#> 19) "bytes"
#> 20) (integer) 3
#> ...

# What of it is needed with the data comes with SESSION.GET: META names it, one of them or several.
redis-cli SESSION.GET sess:4f1c META 2 version user FIELDS 1 cart
#> 1) "version"
#> 2) (integer) 3
#> 3) "user"
#> 4) "bob"
#> 5) "data"
#> 6) 1) "17"

# The server's INFO counts all sessions, those without a user as well.
redis-cli INFO session | tr -d '\r' | grep -E '^session_(sessions|indexed_sessions|indexed_users)'
#> session_sessions:3
#> session_indexed_sessions:2
#> session_indexed_users:2

# The server's own words on a session key.
redis-cli TYPE sess:4f1c
#> sess-hash
redis-cli SCAN 0 COUNT 100 TYPE sess-hash
#> 1) "0"
#> 2) 1) ...
#>    2) ...
#>    3) ...
redis-cli GET sess:4f1c
#> (error) WRONGTYPE Operation against a key holding the wrong kind of value

# No session.
redis-cli SESSION.INFO sess:none
#> (nil)
redis-cli -3 SESSION.INFO sess:none
#> (nil)

# Errors.
redis-cli SESSION.INFO
#> (error) ERR wrong number of arguments for 'session.info' command
redis-cli SESSION.INFO sess:4f1c sess:anon
#> (error) ERR wrong number of arguments for 'session.info' command
redis-cli SET plain text
#> OK
redis-cli SESSION.INFO plain
#> (error) WRONGTYPE Operation against a key holding the wrong kind of value

# SESSION.UNSET: removes fields.

# One field of a session's metadata, for what follows: `meta sess:4f1c idle`.
meta() { redis-cli --raw SESSION.INFO "$1" | grep -x -A1 "$2" | tail -n 1 | sed 's/^$/none/'; }

redis-cli SESSION.SET sess:4f1c USER alice EX 600 FIELDS 4 lang en theme dark cart 17 coupon SPRING
#> (integer) 1

# The reply is how many there were. Each removal is a change: the version counts it.
redis-cli SESSION.UNSET sess:4f1c FIELDS 2 coupon nosuch
#> (integer) 1
meta sess:4f1c version
#> 2
redis-cli SESSION.GET sess:4f1c
#> 1) "lang"
#> 2) "en"
#> 3) "theme"
#> 4) "dark"
#> 5) "cart"
#> 6) "17"

# A field named twice is removed once.
redis-cli SESSION.UNSET sess:4f1c FIELDS 2 theme theme
#> (integer) 1

# Nothing found, nothing changed: no new version.
redis-cli SESSION.UNSET sess:4f1c FIELDS 1 nosuch
#> (integer) 0
meta sess:4f1c version
#> 3

# It is access like any write (found or not), except with KEEPTTL.
accessed=$(meta sess:4f1c accessed); sleep 0.01
redis-cli SESSION.UNSET sess:4f1c FIELDS 1 nosuch
#> (integer) 0
test $(meta sess:4f1c accessed) -gt $accessed && echo "slid"
#> slid
before=$(meta sess:4f1c accessed),$(meta sess:4f1c deadline); sleep 0.01
redis-cli SESSION.UNSET sess:4f1c KEEPTTL FIELDS 1 cart
#> (integer) 1
redis-cli SESSION.UNSET sess:4f1c FIELDS 1 nosuch KEEPTTL
#> (integer) 0
test "$(meta sess:4f1c accessed),$(meta sess:4f1c deadline)" = "$before" && echo "did not slide"
#> did not slide

# IFVERSION: only if nobody has written since; otherwise nil.
redis-cli SESSION.UNSET sess:4f1c IFVERSION 3 FIELDS 1 lang
#> (nil)
redis-cli SESSION.UNSET sess:4f1c IFVERSION 4 FIELDS 1 lang
#> (integer) 1

# The last field gone, the session is still there.
redis-cli SESSION.GET sess:4f1c
#> (empty array)
redis-cli SESSION.COUNT alice
#> (integer) 1

# No session: nothing was removed, and no version is met.
redis-cli SESSION.UNSET sess:none FIELDS 1 lang
#> (integer) 0
redis-cli SESSION.UNSET sess:none IFVERSION 1 FIELDS 1 lang
#> (nil)
redis-cli EXISTS sess:none
#> (integer) 0

# Any bytes, and RESP3.
redis-cli --quoted-input SESSION.SET '"\x00\xff"' FIELDS 3 '"\x00"' 1 '""' 2 '"\xff"' 3
#> (integer) 1
redis-cli -3 --quoted-input SESSION.UNSET '"\x00\xff"' FIELDS 3 '""' '"\x00"' '"\x00\x00"'
#> (integer) 2
redis-cli --quoted-input SESSION.GET '"\x00\xff"'
#> 1) "\xff"
#> 2) "3"

# --- Errors: nothing changes ---

redis-cli SESSION.SET sess:e FIELDS 1 a 1
#> (integer) 1
redis-cli SET plain text
#> OK
sleep 0.01; before=$(redis-cli DEBUG DIGEST)
redis-cli SESSION.UNSET
#> (error) ERR wrong number of arguments for 'session.unset' command
redis-cli SESSION.UNSET sess:e
#> (error) ERR wrong number of arguments for 'session.unset' command
redis-cli SESSION.UNSET sess:e a
#> (error) ERR wrong number of arguments for 'session.unset' command
redis-cli SESSION.UNSET sess:e FIELDS 1
#> (error) ERR wrong number of arguments for 'session.unset' command
redis-cli SESSION.UNSET sess:e FIELDS 0 a
#> (error) ERR Parameter `numfields` should be greater than 0
redis-cli SESSION.UNSET sess:e FIELDS -1 a
#> (error) ERR Parameter `numfields` should be greater than 0
redis-cli SESSION.UNSET sess:e FIELDS 2 a
#> (error) ERR The `numfields` parameter must match the number of arguments
redis-cli SESSION.UNSET sess:e FIELDS 1 a b
#> (error) ERR syntax error at 'b' (argument 5)
redis-cli SESSION.UNSET sess:e FIELDS a b
#> (error) ERR value is not an integer or out of range: FIELDS
redis-cli SESSION.UNSET sess:e FIELDS 1 a FIELDS 1 a
#> (error) ERR syntax error at 'FIELDS' (argument 5)
redis-cli SESSION.UNSET sess:e KEEPTTL KEEPTTL FIELDS 1 a
#> (error) ERR syntax error at 'KEEPTTL' (argument 3)
redis-cli SESSION.UNSET sess:e IFVERSION 1 IFVERSION 1 FIELDS 1 a
#> (error) ERR syntax error at 'IFVERSION' (argument 4)
redis-cli SESSION.UNSET sess:e IFVERSION one FIELDS 1 a
#> (error) ERR value is not an integer or out of range: IFVERSION
redis-cli SESSION.UNSET sess:e EX 10 FIELDS 1 a
#> (error) ERR syntax error at 'EX' (argument 2)
redis-cli SESSION.UNSET sess:e IFVERSION 1 KEEPTTL
#> (error) ERR syntax error...
redis-cli SESSION.UNSET plain FIELDS 1 a
#> (error) WRONGTYPE Operation against a key holding the wrong kind of value
test "$(redis-cli DEBUG DIGEST)" = "$before" && echo "nothing has changed"
#> nothing has changed

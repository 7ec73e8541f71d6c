# SESSION.POP: reads fields and removes them, in one step: what is to be seen or used once.

# One field of a session's metadata, for what follows: `meta sess:4f1c idle`.
meta() { redis-cli --raw SESSION.INFO "$1" | grep -x -A1 "$2" | tail -n 1 | sed 's/^$/none/'; }

redis-cli SESSION.SET sess:4f1c EX 600 FIELDS 3 lang en flash "Your order is on its way." csrf 8a61f0
#> (integer) 1

# The values, in the order asked for; nil for a field that is not there. The second time there is nothing left.
redis-cli SESSION.POP sess:4f1c FIELDS 3 csrf nosuch flash
#> 1) "8a61f0"
#> 2) (nil)
#> 3) "Your order is on its way."
redis-cli SESSION.POP sess:4f1c FIELDS 3 csrf nosuch flash
#> 1) (nil)
#> 2) (nil)
#> 3) (nil)
redis-cli SESSION.GET sess:4f1c
#> 1) "lang"
#> 2) "en"

# One that found something counts as a change, one that did not does not.
meta sess:4f1c version
#> 2

# It is access like any write (found or not), except with KEEPTTL.
accessed=$(meta sess:4f1c accessed); sleep 0.01
redis-cli SESSION.POP sess:4f1c FIELDS 1 flash
#> 1) (nil)
test $(meta sess:4f1c accessed) -gt $accessed && echo "slid"
#> slid
before=$(meta sess:4f1c accessed),$(meta sess:4f1c deadline); sleep 0.01
redis-cli SESSION.POP sess:4f1c KEEPTTL FIELDS 1 lang
#> 1) "en"
redis-cli SESSION.POP sess:4f1c KEEPTTL FIELDS 1 lang
#> 1) (nil)
test "$(meta sess:4f1c accessed),$(meta sess:4f1c deadline)" = "$before" && echo "did not slide"
#> did not slide

# IFVERSION: only if nobody has written since; otherwise nil, and nothing is removed.
redis-cli SESSION.SET sess:4f1c FIELDS 1 otp 493817
#> (integer) 4
redis-cli SESSION.POP sess:4f1c IFVERSION 3 FIELDS 1 otp
#> (nil)
redis-cli SESSION.POP sess:4f1c IFVERSION 4 FIELDS 1 otp
#> 1) "493817"

# A field named twice is read twice and removed once.
redis-cli SESSION.SET sess:4f1c FIELDS 1 once a
#> (integer) 6
redis-cli SESSION.POP sess:4f1c FIELDS 2 once once
#> 1) "a"
#> 2) "a"

# No session: nil.
redis-cli SESSION.POP sess:none FIELDS 1 flash
#> (nil)
redis-cli SESSION.POP sess:none IFVERSION 1 FIELDS 1 flash
#> (nil)
redis-cli -3 SESSION.POP sess:none FIELDS 1 flash
#> (nil)
redis-cli EXISTS sess:none
#> (integer) 0

# A JSON value comes as its text.
redis-cli SESSION.SET sess:4f1c JSON '{"flash":["saved","mailed"]}'
#> (integer) 8
redis-cli -3 SESSION.POP sess:4f1c FIELDS 2 flash nosuch
#> 1) "[\"saved\",\"mailed\"]"
#> 2) (nil)

# Any bytes.
redis-cli --quoted-input SESSION.SET '"\x00\xff"' FIELDS 2 '"\x00"' '"\xff\x00"' '""' '""'
#> (integer) 1
redis-cli --quoted-input SESSION.POP '"\x00\xff"' FIELDS 3 '""' '"\x00"' '"\x00\x00"'
#> 1) ""
#> 2) "\xff\x00"
#> 3) (nil)
redis-cli --quoted-input SESSION.GET '"\x00\xff"'
#> (empty array)

# --- Errors: nothing changes ---

redis-cli SESSION.SET sess:e FIELDS 1 a 1
#> (integer) 1
redis-cli SET plain text
#> OK
sleep 0.01; before=$(redis-cli DEBUG DIGEST)
redis-cli SESSION.POP
#> (error) ERR wrong number of arguments for 'session.pop' command
redis-cli SESSION.POP sess:e FIELDS 1
#> (error) ERR wrong number of arguments for 'session.pop' command
redis-cli SESSION.POP sess:e a b c
#> (error) ERR syntax error at 'a' (argument 2)
redis-cli SESSION.POP sess:e FIELDS 0 a
#> (error) ERR Parameter `numfields` should be greater than 0
redis-cli SESSION.POP sess:e FIELDS 2 a
#> (error) ERR The `numfields` parameter must match the number of arguments
redis-cli SESSION.POP sess:e FIELDS 1 a b
#> (error) ERR syntax error at 'b' (argument 5)
redis-cli SESSION.POP sess:e FIELDS a 1
#> (error) ERR value is not an integer or out of range: FIELDS
redis-cli SESSION.POP sess:e FIELDS 1 a FIELDS 1 a
#> (error) ERR syntax error at 'FIELDS' (argument 5)
redis-cli SESSION.POP sess:e KEEPTTL KEEPTTL FIELDS 1 a
#> (error) ERR syntax error at 'KEEPTTL' (argument 3)
redis-cli SESSION.POP sess:e IFVERSION 1 IFVERSION 1 FIELDS 1 a
#> (error) ERR syntax error at 'IFVERSION' (argument 4)
redis-cli SESSION.POP sess:e IFVERSION one FIELDS 1 a
#> (error) ERR value is not an integer or out of range: IFVERSION
redis-cli SESSION.POP sess:e WITHMETA FIELDS 1 a
#> (error) ERR syntax error at 'WITHMETA' (argument 2)
redis-cli SESSION.POP sess:e IFVERSION 1 KEEPTTL
#> (error) ERR syntax error...
redis-cli SESSION.POP plain FIELDS 1 a
#> (error) WRONGTYPE Operation against a key holding the wrong kind of value
test "$(redis-cli DEBUG DIGEST)" = "$before" && echo "nothing has changed"
#> nothing has changed

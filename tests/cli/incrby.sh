# SESSION.INCRBY: adds to a counter in a session. Requests that count at the same time do not lose each other's counts.

# One field of a session's metadata, for what follows: `meta sess:4f1c idle`.
meta() { redis-cli --raw SESSION.INFO "$1" | grep -x -A1 "$2" | tail -n 1 | sed 's/^$/none/'; }

redis-cli SESSION.SET sess:4f1c EX 600 FIELDS 2 pages 41 lang en
#> (integer) 1

# The reply is the new value. A counter that is not there yet starts at 0; a negative number subtracts.
redis-cli SESSION.INCRBY sess:4f1c pages 1
#> (integer) 42
redis-cli SESSION.INCRBY sess:4f1c clicks 5
#> (integer) 5
redis-cli SESSION.INCRBY sess:4f1c clicks -7
#> (integer) -2
redis-cli -3 SESSION.INCRBY sess:4f1c clicks 0
#> (integer) -2
redis-cli SESSION.GET sess:4f1c
#> 1) "pages"
#> 2) "42"
#> 3) "lang"
#> 4) "en"
#> 5) "clicks"
#> 6) "-2"

# Each is a change.
meta sess:4f1c version
#> 5

# In JSON a counter that INCRBY began is a number; one that began as a string stays one.
redis-cli SESSION.GET sess:4f1c JSON
#> "{\"pages\":\"42\",\"lang\":\"en\",\"clicks\":-2}"
redis-cli SESSION.SET sess:4f1c JSON '{"points":10}'
#> (integer) 6
redis-cli SESSION.INCRBY sess:4f1c points 5
#> (integer) 15
redis-cli SESSION.GET sess:4f1c JSON
#> "{\"pages\":\"42\",\"lang\":\"en\",\"clicks\":-2,\"points\":15}"

# It is access like any write, except with KEEPTTL.
accessed=$(meta sess:4f1c accessed); sleep 0.01
redis-cli SESSION.INCRBY sess:4f1c pages 1
#> (integer) 43
test $(meta sess:4f1c accessed) -gt $accessed && echo "slid"
#> slid
before=$(meta sess:4f1c accessed),$(meta sess:4f1c deadline); sleep 0.01
redis-cli SESSION.INCRBY sess:4f1c pages 1 KEEPTTL
#> (integer) 44
test "$(meta sess:4f1c accessed),$(meta sess:4f1c deadline)" = "$before" && echo "did not slide"
#> did not slide

# IFVERSION: only if nobody has written since; otherwise nil.
redis-cli SESSION.INCRBY sess:4f1c pages 1 IFVERSION 8
#> (nil)
redis-cli SESSION.INCRBY sess:4f1c pages 1 IFVERSION 9
#> (integer) 45

# No session: nil, and none begins.
redis-cli SESSION.INCRBY sess:none pages 1
#> (nil)
redis-cli SESSION.INCRBY sess:none pages 1 IFVERSION 1
#> (nil)
redis-cli EXISTS sess:none
#> (integer) 0

# As far as 64 bits go.
redis-cli SESSION.SET sess:far FIELDS 2 high 9223372036854775806 low -9223372036854775807
#> (integer) 1
redis-cli SESSION.INCRBY sess:far high 1
#> (integer) 9223372036854775807
redis-cli SESSION.INCRBY sess:far low -1
#> (integer) -9223372036854775808

# Any bytes in a name.
redis-cli --quoted-input SESSION.INCRBY sess:far '"\x00\xff"' 1
#> (integer) 1
redis-cli --quoted-input SESSION.INCRBY sess:far '""' 1
#> (integer) 1

# Many at once lose nothing.
redis-cli SESSION.SET sess:busy
#> (integer) 1
for i in {1..20}; do redis-cli SESSION.INCRBY sess:busy n 1 >/dev/null & done; wait
redis-cli SESSION.GET sess:busy
#> 1) "n"
#> 2) "20"

# --- Errors: nothing changes ---

redis-cli --quoted-input SESSION.SET sess:e FIELDS 8 text abc empty '""' float 1.5 blank '" 1"' zeros 007 plus +1 bin '"1\x00"' n 1
#> (integer) 1
redis-cli SESSION.SET sess:e JSON '{"true":true,"big":9223372036854775808}'
#> (integer) 2
redis-cli SET plain 1
#> OK
sleep 0.01; before=$(redis-cli DEBUG DIGEST)
redis-cli SESSION.INCRBY sess:e n
#> (error) ERR wrong number of arguments for 'session.incrby' command
redis-cli SESSION.INCRBY sess:e n 1 1
#> (error) ERR syntax error at '1' (argument 4)
redis-cli SESSION.INCRBY sess:e n one
#> (error) ERR value is not an integer or out of range: one
redis-cli SESSION.INCRBY sess:e n 1.5
#> (error) ERR value is not an integer or out of range: 1.5
redis-cli SESSION.INCRBY sess:e n 9223372036854775808
#> (error) ERR value is not an integer or out of range: 9223372036854775808
redis-cli SESSION.INCRBY sess:e n 1 EX 10
#> (error) ERR syntax error at 'EX' (argument 4)
redis-cli SESSION.INCRBY sess:e n 1 KEEPTTL KEEPTTL
#> (error) ERR syntax error at 'KEEPTTL' (argument 5)
redis-cli SESSION.INCRBY sess:e n 1 IFVERSION 1 IFVERSION 2
#> (error) ERR syntax error at 'IFVERSION' (argument 6)
redis-cli SESSION.INCRBY sess:e n 1 IFVERSION
#> (error) ERR syntax error at 'IFVERSION' (argument 4)

# What is not an integer in its plain form cannot be counted, and a sum past 64 bits is refused.
for field in text empty float blank zeros plus bin true big; do redis-cli SESSION.INCRBY sess:e $field 1; done | cut -d : -f 1 | sort | uniq -c | tr -s ' '
#>  9 (error) ERR value is not an integer or out of range
redis-cli SESSION.INCRBY sess:far high 1
#> (error) ERR increment or decrement would overflow
redis-cli SESSION.INCRBY sess:far low -1
#> (error) ERR increment or decrement would overflow

# Limits of a session's size hold here too.
redis-cli CONFIG SET session.max-fields $(meta sess:e fields) session.max-bytes $(meta sess:e bytes)
#> OK
redis-cli SESSION.INCRBY sess:e another 1
#> (error) ERR session would have more than 10 fields (session.max-fields)
redis-cli SESSION.INCRBY sess:e n 9
#> (error) ERR session would have more than ... bytes (session.max-bytes)
redis-cli CONFIG SET session.max-fields 1024 session.max-bytes 1048576
#> OK
redis-cli SESSION.INCRBY plain n 1
#> (error) WRONGTYPE Operation against a key holding the wrong kind of value
test "$(redis-cli DEBUG DIGEST)" = "$before" && echo "nothing has changed"
#> nothing has changed

# SESSION.GETEX: reads a session and keeps it alive, in one step: what a web framework does at the start of a request.

# One field of a session's metadata, for what follows: `meta sess:4f1c idle`.
meta() { redis-cli --raw SESSION.INFO "$1" | grep -x -A1 "$2" | tail -n 1 | sed 's/^$/none/'; }

redis-cli SESSION.SET sess:4f1c USER alice EX 600 LIFETIME 86400 FIELDS 2 lang en cart 17
#> (integer) 1

# It replies as GET does.
redis-cli SESSION.GETEX sess:4f1c
#> 1) "lang"
#> 2) "en"
#> 3) "cart"
#> 4) "17"
redis-cli -3 SESSION.GETEX sess:4f1c
#> 1# "lang" => "en"
#> 2# "cart" => "17"
redis-cli SESSION.GETEX sess:4f1c FIELDS 2 cart nosuch
#> 1) "17"
#> 2) (nil)
redis-cli SESSION.GETEX sess:4f1c JSON
#> "{\"lang\":\"en\",\"cart\":\"17\"}"
redis-cli SESSION.GETEX sess:4f1c JSON FIELDS 2 cart nosuch
#> "{\"cart\":\"17\"}"
redis-cli SESSION.GETEX sess:4f1c META 1 version JSON FIELDS 1 lang
#> 1) "version"
#> 2) (integer) 1
#> 3) "data"
#> 4) "{\"lang\":\"en\"}"
redis-cli SESSION.GETEX sess:none
#> (nil)
redis-cli -3 SESSION.GETEX sess:none EX 60 WITHMETA FIELDS 1 lang
#> (nil)
redis-cli EXISTS sess:none
#> (integer) 0

# And it is access: the deadline is again one idle timeout away. The absolute end and the version stay.
sleep 0.01; deadline=$(meta sess:4f1c deadline); end=$(meta sess:4f1c end)
redis-cli SESSION.GETEX sess:4f1c FIELDS 1 lang
#> 1) "en"
test $(meta sess:4f1c deadline) -gt $deadline && echo "slid"
#> slid
echo $(( $(meta sess:4f1c deadline) - $(meta sess:4f1c accessed) ))
#> 600000
test $(redis-cli --raw PEXPIRETIME sess:4f1c) -eq $(meta sess:4f1c deadline) && echo "and so did the key's TTL"
#> and so did the key's TTL
test $(meta sess:4f1c end) -eq $end && echo "the end did not move"
#> the end did not move
meta sess:4f1c version
#> 1

# WITHMETA shows the times after sliding.
accessed=$(meta sess:4f1c accessed); sleep 0.01
replied=$(redis-cli --raw SESSION.GETEX sess:4f1c WITHMETA | grep -x -A1 accessed | tail -n 1)
test $replied -gt $accessed && echo "later"
#> later
replied=$(redis-cli --raw SESSION.GETEX sess:4f1c META 1 accessed FIELDS 1 lang | sed -n 2p)
test $replied -eq $(meta sess:4f1c accessed) && echo "the same"
#> the same
redis-cli -3 SESSION.GETEX sess:4f1c WITHMETA FIELDS 1 cart
#>  1# "user" => "alice"
#>  2# "created" => (integer) ...
#>  3# "accessed" => (integer) ...
#>  4# "idle" => (integer) 600000
#>  5# "lifetime" => (integer) 86400000
#>  6# "end" => (integer) ...
#>  7# "deadline" => (integer) ...
#>  8# "version" => (integer) 1
#>  9# "grace" => (nil)
#> 10# "data" => 1) "17"

# EX, PX and PERSIST change the session's idle timeout, from now on.
redis-cli SESSION.GETEX sess:4f1c EX 900 FIELDS 1 lang
#> 1) "en"
meta sess:4f1c idle
#> 900000
redis-cli SESSION.GETEX sess:4f1c FIELDS 1 lang PX 1200500
#> 1) "en"
meta sess:4f1c idle
#> 1200500
redis-cli SESSION.GETEX sess:4f1c PERSIST FIELDS 1 lang
#> 1) "en"
meta sess:4f1c idle
#> none
test $(meta sess:4f1c deadline) -eq $(meta sess:4f1c end) && echo "only the end is left"
#> only the end is left

# Busy sessions: a touch within this interval of the last is left out, nothing is written. The reply is the same.
redis-cli CONFIG SET session.touch-interval-ms 60000
#> OK
redis-cli SESSION.SET sess:busy EX 3600 FIELDS 1 lang en
#> (integer) 1
accessed=$(meta sess:busy accessed); sleep 0.01
redis-cli SESSION.GETEX sess:busy
#> 1) "lang"
#> 2) "en"
test $(meta sess:busy accessed) -eq $accessed && echo "left as it was"
#> left as it was

# So an application may name its timeout on every request: where the session has it already, this is a touch like any
# other, and left out like any other.
redis-cli SESSION.GETEX sess:busy EX 3600 FIELDS 1 lang
#> 1) "en"
redis-cli SESSION.GETEX sess:busy PX 3600000 FIELDS 1 lang
#> 1) "en"
test $(meta sess:busy accessed) -eq $accessed && echo "left as it was"
#> left as it was

# Another idle timeout is always written.
redis-cli SESSION.GETEX sess:busy EX 7200 FIELDS 1 lang
#> 1) "en"
meta sess:busy idle
#> 7200000
test $(meta sess:busy accessed) -gt $accessed && echo "slid"
#> slid
redis-cli CONFIG SET session.touch-interval-ms 0
#> OK

# Any bytes.
redis-cli --quoted-input SESSION.SET '"\x00\xff"' FIELDS 1 '"\x00"' '"\xff"'
#> (integer) 1
redis-cli --quoted-input SESSION.GETEX '"\x00\xff"' EX 60 FIELDS 1 '"\x00"'
#> 1) "\xff"

# --- Errors: nothing changes, nothing slides ---

redis-cli SET plain text
#> OK
redis-cli --quoted-input SESSION.SET sess:bin FIELDS 1 photo '"\xff\xd8"'
#> (integer) 1
sleep 0.01; before=$(redis-cli DEBUG DIGEST)
redis-cli SESSION.GETEX
#> (error) ERR wrong number of arguments for 'session.getex' command
redis-cli SESSION.GETEX sess:4f1c lang
#> (error) ERR syntax error at 'lang' (argument 2)
redis-cli SESSION.GETEX sess:4f1c EX
#> (error) ERR syntax error at 'EX' (argument 2)
redis-cli SESSION.GETEX sess:4f1c EX 10 PX 10000
#> (error) ERR syntax error at 'PX' (argument 4)
redis-cli SESSION.GETEX sess:4f1c EX 10 PERSIST
#> (error) ERR syntax error at 'PERSIST' (argument 4)
redis-cli SESSION.GETEX sess:4f1c EX 10 EX 10
#> (error) ERR syntax error at 'EX' (argument 4)
redis-cli SESSION.GETEX sess:4f1c WITHMETA WITHMETA
#> (error) ERR syntax error at 'WITHMETA' (argument 3)
redis-cli SESSION.GETEX sess:4f1c JSON JSON
#> (error) ERR syntax error at 'JSON' (argument 3)
redis-cli SESSION.GETEX sess:4f1c META 1 user WITHMETA
#> (error) ERR syntax error at 'WITHMETA' (argument 5)
redis-cli SESSION.GETEX sess:4f1c META 1 age
#> (error) ERR META knows no 'age'

# The absolute end is for ADJUST and SET.
redis-cli SESSION.GETEX sess:4f1c LIFETIME 10
#> (error) ERR syntax error at 'LIFETIME' (argument 2)
redis-cli SESSION.GETEX sess:4f1c EXAT 4102444800
#> (error) ERR syntax error at 'EXAT' (argument 2)
redis-cli SESSION.GETEX sess:4f1c EX 0
#> (error) ERR invalid expire time in 'session.getex' command
redis-cli SESSION.GETEX sess:4f1c PX -1
#> (error) ERR invalid expire time in 'session.getex' command
redis-cli SESSION.GETEX sess:4f1c EX 9223372036854775807
#> (error) ERR invalid expire time in 'session.getex' command
redis-cli SESSION.GETEX sess:4f1c EX soon
#> (error) ERR value is not an integer or out of range: EX
redis-cli SESSION.GETEX sess:4f1c FIELDS 2 lang
#> (error) ERR The `numfields` parameter must match the number of arguments
redis-cli SESSION.GETEX sess:4f1c FIELDS 0
#> (error) ERR Parameter `numfields` should be greater than 0
redis-cli SESSION.GETEX sess:bin JSON
#> (error) ERR field 'photo' is not UTF-8 text, JSON cannot hold it
redis-cli SESSION.GETEX plain EX 10
#> (error) WRONGTYPE Operation against a key holding the wrong kind of value
test "$(redis-cli DEBUG DIGEST)" = "$before" && echo "nothing has changed"
#> nothing has changed

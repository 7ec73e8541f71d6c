# SESSION.GET: reads a session, and changes nothing.

redis-cli SESSION.SET sess:4f1c USER alice FIELDS 3 lang en theme dark cart 17
#> (integer) 1

# All fields, in the order in which they came.
redis-cli SESSION.GET sess:4f1c
#> 1) "lang"
#> 2) "en"
#> 3) "theme"
#> 4) "dark"
#> 5) "cart"
#> 6) "17"

# With RESP3 the reply is a map.
redis-cli -3 SESSION.GET sess:4f1c
#> 1# "lang" => "en"
#> 2# "theme" => "dark"
#> 3# "cart" => "17"

# Some fields: their values, in the order asked for, nil for one that is not there.
redis-cli SESSION.GET sess:4f1c FIELDS 3 cart nosuch lang
#> 1) "17"
#> 2) (nil)
#> 3) "en"
redis-cli -3 SESSION.GET sess:4f1c FIELDS 2 cart nosuch
#> 1) "17"
#> 2) (nil)
redis-cli SESSION.GET sess:4f1c FIELDS 2 lang lang
#> 1) "en"
#> 2) "en"

# One JSON object.
redis-cli SESSION.GET sess:4f1c JSON
#> "{\"lang\":\"en\",\"theme\":\"dark\",\"cart\":\"17\"}"

# Or an object of some fields: each that is there, once, in the order asked for. (See json.sh for what the values alone do not tell.)
redis-cli SESSION.GET sess:4f1c JSON FIELDS 3 lang nosuch cart
#> "{\"lang\":\"en\",\"cart\":\"17\"}"
redis-cli SESSION.GET sess:4f1c FIELDS 3 cart lang cart JSON
#> "{\"cart\":\"17\",\"lang\":\"en\"}"
redis-cli SESSION.GET sess:4f1c JSON FIELDS 1 nosuch
#> "{}"

# No session: nil, whatever was asked for. A session without fields is another thing.
redis-cli SESSION.GET sess:none
#> (nil)
redis-cli SESSION.GET sess:none FIELDS 2 lang theme
#> (nil)
redis-cli SESSION.GET sess:none JSON
#> (nil)
redis-cli SESSION.GET sess:none WITHMETA
#> (nil)
redis-cli SESSION.GET sess:none META 1 version JSON FIELDS 1 lang
#> (nil)
redis-cli -3 SESSION.GET sess:none
#> (nil)
redis-cli SESSION.SET sess:bare
#> (integer) 1
redis-cli SESSION.GET sess:bare
#> (empty array)
redis-cli -3 SESSION.GET sess:bare
#> (empty hash)
redis-cli SESSION.GET sess:bare FIELDS 1 lang
#> 1) (nil)
redis-cli SESSION.GET sess:bare JSON
#> "{}"

# WITHMETA: whose it is, its times in Unix ms, and its version, with the data under `data`.
redis-cli SESSION.GET sess:4f1c WITHMETA
#>  1) "user"
#>  2) "alice"
#>  3) "created"
#>  4) (integer) ...
#>  5) "accessed"
#>  6) (integer) ...
#>  7) "idle"
#>  8) (integer) 1800000
#>  9) "lifetime"
#> 10) (nil)
#> 11) "end"
#> 12) (nil)
#> 13) "deadline"
#> 14) (integer) ...
#> 15) "version"
#> 16) (integer) 1
#> 17) "grace"
#> 18) (nil)
#> 19) "data"
#> 20) 1) "lang"
#>     2) "en"
#>     3) "theme"
#>     4) "dark"
#>     5) "cart"
#>     6) "17"
redis-cli -3 SESSION.GET sess:4f1c WITHMETA FIELDS 1 lang
#>  1# "user" => "alice"
#>  2# "created" => (integer) ...
#>  3# "accessed" => (integer) ...
#>  4# "idle" => (integer) 1800000
#>  5# "lifetime" => (nil)
#>  6# "end" => (nil)
#>  7# "deadline" => (integer) ...
#>  8# "version" => (integer) 1
#>  9# "grace" => (nil)
#> 10# "data" => 1) "en"
redis-cli SESSION.GET sess:4f1c JSON WITHMETA
#> ...
#> 15) "version"
#> 16) (integer) 1
#> 17) "grace"
#> 18) (nil)
#> 19) "data"
#> 20) "{\"lang\":\"en\",\"theme\":\"dark\",\"cart\":\"17\"}"

# META: of these only what is named, in that order, and then the data (all, or what FIELDS and JSON ask for). What most
# requests need is the version, for IFVERSION, and the user.
redis-cli SESSION.GET sess:4f1c META 2 version user FIELDS 1 lang
#> 1) "version"
#> 2) (integer) 1
#> 3) "user"
#> 4) "alice"
#> 5) "data"
#> 6) 1) "en"
redis-cli -3 SESSION.GET sess:4f1c JSON META 1 IDLE
#> 1# "idle" => (integer) 1800000
#> 2# "data" => "{\"lang\":\"en\",\"theme\":\"dark\",\"cart\":\"17\"}"
redis-cli -3 SESSION.GET sess:4f1c META 9 grace version deadline end lifetime idle accessed created user JSON FIELDS 1 cart
#>  1# "grace" => (nil)
#>  2# "version" => (integer) 1
#>  3# "deadline" => (integer) ...
#>  4# "end" => (nil)
#>  5# "lifetime" => (nil)
#>  6# "idle" => (integer) 1800000
#>  7# "accessed" => (integer) ...
#>  8# "created" => (integer) ...
#>  9# "user" => "alice"
#> 10# "data" => "{\"cart\":\"17\"}"
redis-cli -3 SESSION.GET sess:bare META 1 user
#> 1# "user" => (nil)
#> 2# "data" => (empty hash)

# A read is not access: nothing moves, neither the session's times nor the key's TTL.
before=$(redis-cli DUMP sess:4f1c)$(redis-cli PEXPIRETIME sess:4f1c); sleep 0.01
redis-cli SESSION.GET sess:4f1c FIELDS 1 lang
#> 1) "en"
test "$(redis-cli DUMP sess:4f1c)$(redis-cli PEXPIRETIME sess:4f1c)" = "$before" && echo "as before"
#> as before

# So a session that is only read ends.
redis-cli SESSION.SET sess:short PX 30
#> (integer) 1
for i in {1..500}; do test "$(redis-cli SESSION.GET sess:short)" = "(nil)" && echo "gone" && break; done
#> gone

# The deadline within the session rules. PERSIST by hand takes the key's TTL away, and does not bring the session back.
# (Both in one script, so that there is time for it.)
redis-cli EVAL "redis.call('SESSION.SET', KEYS[1], 'USER', 'alice', 'PX', 20); return redis.call('PERSIST', KEYS[1])" 1 sess:past
#> (integer) 1
for i in {1..500}; do test "$(redis-cli SESSION.GET sess:past)" = "(nil)" && echo "gone" && break; sleep 0.01; done
#> gone
redis-cli EXISTS sess:past
#> (integer) 1
redis-cli SESSION.BYUSER alice
#> 1) "sess:4f1c"

# EXPIRE by hand shortens a session, until the next write or touch.
redis-cli EXPIRE sess:4f1c 59
#> (integer) 1
redis-cli SESSION.GET sess:4f1c FIELDS 1 lang
#> 1) "en"
redis-cli TTL sess:4f1c
#> (integer) 5...
redis-cli SESSION.TOUCH sess:4f1c
#> (integer) 1
redis-cli TTL sess:4f1c
#> (integer) 1...

# Any bytes come back as they are.
redis-cli --quoted-input SESSION.SET '"\x00\xff"' FIELDS 3 '"\x00"' '"\xff"' '""' empty-name empty '""'
#> (integer) 1
redis-cli --quoted-input SESSION.GET '"\x00\xff"'
#> 1) "\x00"
#> 2) "\xff"
#> 3) ""
#> 4) "empty-name"
#> 5) "empty"
#> 6) ""
redis-cli --quoted-input SESSION.GET '"\x00\xff"' FIELDS 4 '""' '"\x00"' empty '"\x00\x00"'
#> 1) "empty-name"
#> 2) "\xff"
#> 3) ""
#> 4) (nil)

# --- Errors ---

redis-cli SESSION.GET
#> (error) ERR wrong number of arguments for 'session.get' command
redis-cli SESSION.GET sess:4f1c lang
#> (error) ERR syntax error at 'lang' (argument 2)
redis-cli SESSION.GET sess:4f1c WITHMETA WITHMETA
#> (error) ERR syntax error at 'WITHMETA' (argument 3)
redis-cli SESSION.GET sess:4f1c JSON JSON
#> (error) ERR syntax error at 'JSON' (argument 3)
redis-cli SESSION.GET sess:4f1c WITHMETA META 1 user
#> (error) ERR syntax error at 'META' (argument 3)
redis-cli SESSION.GET sess:4f1c META
#> (error) ERR syntax error at 'META' (argument 2)
redis-cli SESSION.GET sess:4f1c META 1 age
#> (error) ERR META knows no 'age'
redis-cli SESSION.GET sess:4f1c META 1 data
#> (error) ERR META knows no 'data'
redis-cli SESSION.GET sess:4f1c META 2 user USER
#> (error) ERR META names 'USER' twice
redis-cli SESSION.GET sess:4f1c META 2 user
#> (error) ERR The `numnames` parameter must match the number of arguments
redis-cli SESSION.GET sess:4f1c META 0
#> (error) ERR Parameter `numnames` should be greater than 0
redis-cli SESSION.GET sess:4f1c META user
#> (error) ERR value is not an integer or out of range: META
redis-cli SESSION.GET sess:4f1c FIELDS 1 lang FIELDS 1 lang
#> (error) ERR syntax error at 'FIELDS' (argument 5)
redis-cli SESSION.GET sess:4f1c FIELDS
#> (error) ERR syntax error at 'FIELDS' (argument 2)
redis-cli SESSION.GET sess:4f1c FIELDS 2 lang
#> (error) ERR The `numfields` parameter must match the number of arguments
redis-cli SESSION.GET sess:4f1c FIELDS 1 lang theme
#> (error) ERR syntax error at 'theme' (argument 5)
redis-cli SESSION.GET sess:4f1c FIELDS 0
#> (error) ERR Parameter `numfields` should be greater than 0
redis-cli SESSION.GET sess:4f1c FIELDS -1 lang
#> (error) ERR Parameter `numfields` should be greater than 0
redis-cli SESSION.GET sess:4f1c FIELDS all
#> (error) ERR value is not an integer or out of range: FIELDS

# JSON has no text for bytes that are not UTF-8; the error names the field.
redis-cli --quoted-input SESSION.SET sess:bin FIELDS 2 name Ann photo '"\xff\xd8"'
#> (integer) 1
redis-cli SESSION.GET sess:bin JSON
#> (error) ERR field 'photo' is not UTF-8 text, JSON cannot hold it

redis-cli SESSION.GET sess:bin JSON FIELDS 2 name photo
#> (error) ERR field 'photo' is not UTF-8 text, JSON cannot hold it
redis-cli SESSION.GET sess:bin JSON FIELDS 1 name
#> "{\"name\":\"Ann\"}"

# A key of another type.
redis-cli SET plain text
#> OK
redis-cli SESSION.GET plain
#> (error) WRONGTYPE Operation against a key holding the wrong kind of value
redis-cli SESSION.GET plain JSON
#> (error) WRONGTYPE Operation against a key holding the wrong kind of value

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

# No session: nil, whatever was asked for. A session without fields is another thing.
redis-cli SESSION.GET sess:none
#> (nil)
redis-cli SESSION.GET sess:none FIELDS 2 lang theme
#> (nil)
redis-cli SESSION.GET sess:none JSON
#> (nil)
redis-cli SESSION.GET sess:none WITHMETA
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
#> (error) ERR syntax error
redis-cli SESSION.GET sess:4f1c WITHMETA WITHMETA
#> (error) ERR syntax error
redis-cli SESSION.GET sess:4f1c JSON FIELDS 1 lang
#> (error) ERR syntax error
redis-cli SESSION.GET sess:4f1c FIELDS 1 lang FIELDS 1 lang
#> (error) ERR syntax error
redis-cli SESSION.GET sess:4f1c FIELDS
#> (error) ERR syntax error
redis-cli SESSION.GET sess:4f1c FIELDS 2 lang
#> (error) ERR The `numfields` parameter must match the number of arguments
redis-cli SESSION.GET sess:4f1c FIELDS 1 lang theme
#> (error) ERR syntax error
redis-cli SESSION.GET sess:4f1c FIELDS 0
#> (error) ERR Parameter `numfields` should be greater than 0
redis-cli SESSION.GET sess:4f1c FIELDS -1 lang
#> (error) ERR Parameter `numfields` should be greater than 0
redis-cli SESSION.GET sess:4f1c FIELDS all
#> (error) ERR value is not an integer or out of range

# JSON has no text for bytes that are not UTF-8; the error names the field.
redis-cli --quoted-input SESSION.SET sess:bin FIELDS 2 name Ann photo '"\xff\xd8"'
#> (integer) 1
redis-cli SESSION.GET sess:bin JSON
#> (error) ERR field 'photo' is not UTF-8 text, JSON cannot hold it

# A key of another type.
redis-cli SET plain text
#> OK
redis-cli SESSION.GET plain
#> (error) WRONGTYPE Operation against a key holding the wrong kind of value
redis-cli SESSION.GET plain JSON
#> (error) WRONGTYPE Operation against a key holding the wrong kind of value

# SESSION.BYUSER: the live sessions of a user.

redis-cli SESSION.BYUSER alice
#> (empty array)

# The session that was used last comes first. (The pauses are there so that no two begin in the same millisecond.)
redis-cli SESSION.SET sess:laptop USER alice FIELDS 2 ip 203.0.113.7 agent Firefox; sleep 0.01
#> (integer) 1
redis-cli SESSION.SET sess:phone USER alice LIFETIME 86400 FIELDS 2 ip 198.51.100.9 agent Safari; sleep 0.01
#> (integer) 1
redis-cli SESSION.SET sess:tablet USER alice FIELDS 1 ip 192.0.2.44; sleep 0.01
#> (integer) 1
redis-cli SESSION.SET sess:other USER bob FIELDS 1 ip 192.0.2.99; sleep 0.01
#> (integer) 1
redis-cli SESSION.SET sess:nobody FIELDS 1 ip 192.0.2.100; sleep 0.01
#> (integer) 1
redis-cli SESSION.BYUSER alice
#> 1) "sess:tablet"
#> 2) "sess:phone"
#> 3) "sess:laptop"
redis-cli SESSION.TOUCH sess:laptop
#> (integer) 1
redis-cli SESSION.BYUSER alice
#> 1) "sess:laptop"
#> 2) "sess:tablet"
#> 3) "sess:phone"

# Reading is not use, and a write with KEEPTTL is not either.
redis-cli SESSION.GET sess:phone FIELDS 1 ip
#> 1) "198.51.100.9"
redis-cli SESSION.SET sess:phone KEEPTTL FIELDS 1 mails 2
#> (integer) 2
redis-cli SESSION.BYUSER alice
#> 1) "sess:laptop"
#> 2) "sess:tablet"
#> 3) "sess:phone"

# FIELDS: with fields of each session, those that it has. The tablet has no `agent`.
redis-cli SESSION.BYUSER alice FIELDS 2 agent ip
#> 1) 1) "key"
#>    2) "sess:laptop"
#>    3) "data"
#>    4) 1) "agent"
#>       2) "Firefox"
#>       3) "ip"
#>       4) "203.0.113.7"
#> 2) 1) "key"
#>    2) "sess:tablet"
#>    3) "data"
#>    4) 1) "ip"
#>       2) "192.0.2.44"
#> 3) 1) "key"
#>    2) "sess:phone"
#>    3) "data"
#>    4) 1) "agent"
#>       2) "Safari"
#>       3) "ip"
#>       4) "198.51.100.9"
redis-cli -3 SESSION.BYUSER alice FIELDS 1 agent
#> 1) 1# "key" => "sess:laptop"
#>    2# "data" => 1# "agent" => "Firefox"
#> 2) 1# "key" => "sess:tablet"
#>    2# "data" => (empty hash)
#> 3) 1# "key" => "sess:phone"
#>    2# "data" => 1# "agent" => "Safari"

# WITHMETA: with the metadata of each, and with data only if fields are named.
redis-cli SESSION.BYUSER alice WITHMETA LIMIT 2 1
#> 1)  1) "key"
#>     2) "sess:phone"
#>     3) "user"
#>     4) "alice"
#>     5) "created"
#>     6) (integer) ...
#>     7) "accessed"
#>     8) (integer) ...
#>     9) "idle"
#>    10) (integer) 1800000
#>    11) "lifetime"
#>    12) (integer) 86400000
#>    13) "end"
#>    14) (integer) ...
#>    15) "deadline"
#>    16) (integer) ...
#>    17) "version"
#>    18) (integer) 2
#>    19) "grace"
#>    20) (nil)
redis-cli -3 SESSION.BYUSER alice WITHMETA FIELDS 1 agent LIMIT 0 1
#> 1)  1# "key" => "sess:laptop"
#>     2# "user" => "alice"
#>     3# "created" => (integer) ...
#>     4# "accessed" => (integer) ...
#>     5# "idle" => (integer) 1800000
#>     6# "lifetime" => (nil)
#>     7# "end" => (nil)
#>     8# "deadline" => (integer) ...
#>     9# "version" => (integer) 1
#>    10# "grace" => (nil)
#>    11# "data" => 1# "agent" => "Firefox"

# META: of the metadata only what is named, in that order. That is quicker to send and to read.
redis-cli SESSION.BYUSER alice META 2 accessed idle LIMIT 0 1
#> 1) 1) "key"
#>    2) "sess:laptop"
#>    3) "accessed"
#>    4) (integer) ...
#>    5) "idle"
#>    6) (integer) 1800000
redis-cli -3 SESSION.BYUSER alice META 1 version FIELDS 1 agent LIMIT 0 1
#> 1) 1# "key" => "sess:laptop"
#>    2# "version" => (integer) 1
#>    3# "data" => 1# "agent" => "Firefox"

# JSON: the data of each session as one object; with FIELDS, of those fields that it has.
redis-cli SESSION.BYUSER alice JSON
#> 1) 1) "key"
#>    2) "sess:laptop"
#>    3) "data"
#>    4) "{\"ip\":\"203.0.113.7\",\"agent\":\"Firefox\"}"
#> 2) 1) "key"
#>    2) "sess:tablet"
#>    3) "data"
#>    4) "{\"ip\":\"192.0.2.44\"}"
#> 3) 1) "key"
#>    2) "sess:phone"
#>    3) "data"
#>    4) "{\"ip\":\"198.51.100.9\",\"agent\":\"Safari\",\"mails\":\"2\"}"
redis-cli -3 SESSION.BYUSER alice META 1 idle JSON FIELDS 1 agent
#> 1) 1# "key" => "sess:laptop"
#>    2# "idle" => (integer) 1800000
#>    3# "data" => "{\"agent\":\"Firefox\"}"
#> 2) 1# "key" => "sess:tablet"
#>    2# "idle" => (integer) 1800000
#>    3# "data" => "{}"
#> 3) 1# "key" => "sess:phone"
#>    2# "idle" => (integer) 1800000
#>    3# "data" => "{\"agent\":\"Safari\"}"

# JSON has no text for bytes that are not UTF-8. One such session does not spoil the list: its data is nil. Where only
# FIELDS are asked for, only those must be text.
redis-cli --quoted-input SESSION.SET sess:e1 USER erin FIELDS 2 agent Edge photo '"\xff\xd8"'; sleep 0.01
#> (integer) 1
redis-cli SESSION.SET sess:e2 USER erin JSON '{"agent":"curl","tries":3}'
#> (integer) 1
redis-cli SESSION.BYUSER erin JSON
#> 1) 1) "key"
#>    2) "sess:e2"
#>    3) "data"
#>    4) "{\"agent\":\"curl\",\"tries\":3}"
#> 2) 1) "key"
#>    2) "sess:e1"
#>    3) "data"
#>    4) (nil)
redis-cli SESSION.BYUSER erin JSON FIELDS 2 agent tries
#> 1) 1) "key"
#>    2) "sess:e2"
#>    3) "data"
#>    4) "{\"agent\":\"curl\",\"tries\":3}"
#> 2) 1) "key"
#>    2) "sess:e1"
#>    3) "data"
#>    4) "{\"agent\":\"Edge\"}"

# LIMIT offset count: page by page. A negative count is all that are left, as with ZRANGEBYSCORE.
redis-cli SESSION.BYUSER alice LIMIT 0 2
#> 1) "sess:laptop"
#> 2) "sess:tablet"
redis-cli SESSION.BYUSER alice LIMIT 2 2
#> 1) "sess:phone"
redis-cli SESSION.BYUSER alice LIMIT 1 -1
#> 1) "sess:tablet"
#> 2) "sess:phone"
redis-cli SESSION.BYUSER alice LIMIT 3 10
#> (empty array)
redis-cli SESSION.BYUSER alice LIMIT 0 0
#> (empty array)
redis-cli SESSION.BYUSER alice LIMIT 9223372036854775807 9223372036854775807
#> (empty array)

# Sessions used in the same millisecond come in the order of their keys: here all three are touched by one command.
redis-cli SESSION.TOUCH sess:phone sess:tablet sess:laptop
#> (integer) 3
redis-cli SESSION.BYUSER alice
#> 1) "sess:laptop"
#> 2) "sess:phone"
#> 3) "sess:tablet"

# --- A user with very many sessions ---

# LIMIT opens only the sessions that it lists, so the page of "the ten used last" costs the same for a hundred thousand.
# What was used last is exact at any time: here 40 sessions, the third and the seventh of which are touched.
for i in {1..40}; do redis-cli SESSION.SET bot:$i USER robot >/dev/null; done; sleep 0.01
redis-cli SESSION.TOUCH bot:3; sleep 0.01
#> (integer) 1
redis-cli SESSION.TOUCH bot:7; sleep 0.01
#> (integer) 1
redis-cli SESSION.BYUSER robot LIMIT 0 2
#> 1) "bot:7"
#> 2) "bot:3"
redis-cli --raw SESSION.BYUSER robot LIMIT 2 -1 | wc -l | tr -d ' '
#> 38
redis-cli SESSION.REVOKE robot
#> (integer) 40

# --- It follows whatever happens to sessions ---

# Ended by the module or by the server's own commands; renamed, copied, moved to another user or database.
redis-cli SESSION.DEL sess:tablet
#> (integer) 1
redis-cli UNLINK sess:phone
#> (integer) 1
redis-cli SESSION.BYUSER alice
#> 1) "sess:laptop"
redis-cli RENAME sess:laptop sess:desktop
#> OK
redis-cli SESSION.BYUSER alice
#> 1) "sess:desktop"
redis-cli COPY sess:desktop sess:twin
#> (integer) 1
redis-cli SESSION.BYUSER alice
#> 1) "sess:desktop"
#> 2) "sess:twin"
redis-cli SESSION.SET sess:twin USER bob
#> (integer) 2
redis-cli SESSION.BYUSER alice
#> 1) "sess:desktop"
redis-cli SET sess:twin "no session any more"
#> OK
redis-cli SESSION.BYUSER bob
#> 1) "sess:other"
redis-cli MOVE sess:desktop 1
#> (integer) 1
redis-cli SESSION.BYUSER alice
#> (empty array)
redis-cli -n 1 SESSION.BYUSER alice
#> 1) "sess:desktop"
redis-cli SWAPDB 0 1
#> OK
redis-cli SESSION.BYUSER alice
#> 1) "sess:desktop"
redis-cli SESSION.BYUSER bob
#> (empty array)
redis-cli -n 1 FLUSHDB
#> OK
redis-cli -n 1 SESSION.BYUSER bob
#> (empty array)
redis-cli DEBUG RELOAD
#> OK
redis-cli SESSION.BYUSER alice
#> 1) "sess:desktop"

# And it ends with a session that nobody has used for too long.
redis-cli SESSION.SET sess:desktop PX 20
#> (integer) 1
for i in {1..500}; do test "$(redis-cli SESSION.BYUSER alice)" = "(empty array)" && echo "gone" && break; sleep 0.01; done
#> gone

# --- Any bytes ---

redis-cli --quoted-input SESSION.SET '"\x00\xff"' USER '"al\x00ice"' FIELDS 1 '""' '"\xff\x00"'
#> (integer) 1
redis-cli SESSION.SET sess:al USER al
#> (integer) 1
redis-cli --quoted-input SESSION.BYUSER '"al\x00ice"' FIELDS 1 '""'
#> 1) 1) "key"
#>    2) "\x00\xff"
#>    3) "data"
#>    4) 1) ""
#>       2) "\xff\x00"
redis-cli SESSION.BYUSER al
#> 1) "sess:al"

# Upper and lower case are different users.
redis-cli SESSION.BYUSER AL
#> (empty array)

# --- A caller limited to some keys ---

# It sees those sessions only that it may read.
redis-cli SESSION.SET shop:1 USER carol
#> (integer) 1
redis-cli SESSION.SET forum:1 USER carol
#> (integer) 1
redis-cli ACL SETUSER shop on '>secret' '~shop:*' +@all
#> OK
redis-cli --user shop --pass secret --no-auth-warning SESSION.BYUSER carol
#> 1) "shop:1"
redis-cli ACL SETUSER reader on '>secret' '%R~shop:*' '%W~forum:*' +@all
#> OK
redis-cli --user reader --pass secret --no-auth-warning SESSION.BYUSER carol
#> 1) "shop:1"

# --- Errors ---

redis-cli SESSION.BYUSER
#> (error) ERR wrong number of arguments for 'session.byuser' command
redis-cli SESSION.BYUSER alice bob
#> (error) ERR syntax error at 'bob' (argument 2)
redis-cli SESSION.BYUSER alice WITHMETA WITHMETA
#> (error) ERR syntax error at 'WITHMETA' (argument 3)
redis-cli SESSION.BYUSER alice FIELDS 1 ip FIELDS 1 ip
#> (error) ERR syntax error at 'FIELDS' (argument 5)
redis-cli SESSION.BYUSER alice FIELDS 2 ip
#> (error) ERR The `numfields` parameter must match the number of arguments
redis-cli SESSION.BYUSER alice FIELDS 0
#> (error) ERR Parameter `numfields` should be greater than 0
redis-cli SESSION.BYUSER alice FIELDS ip
#> (error) ERR value is not an integer or out of range: FIELDS
redis-cli SESSION.BYUSER alice JSON JSON
#> (error) ERR syntax error at 'JSON' (argument 3)
redis-cli SESSION.BYUSER alice WITHMETA META 1 user
#> (error) ERR syntax error at 'META' (argument 3)
redis-cli SESSION.BYUSER alice META 1 age
#> (error) ERR META knows no 'age'
redis-cli SESSION.BYUSER alice META 0
#> (error) ERR Parameter `numnames` should be greater than 0
redis-cli SESSION.BYUSER alice LIMIT 1
#> (error) ERR syntax error at 'LIMIT' (argument 2)
redis-cli SESSION.BYUSER alice LIMIT 0 1 LIMIT 0 1
#> (error) ERR syntax error at 'LIMIT' (argument 5)
redis-cli SESSION.BYUSER alice LIMIT -1 1
#> (error) ERR value is not an integer or out of range: LIMIT
redis-cli SESSION.BYUSER alice LIMIT 0 all
#> (error) ERR value is not an integer or out of range: LIMIT
redis-cli SESSION.BYUSER ""
#> (error) ERR user name is empty
redis-cli SESSION.BYUSER $(printf 'u%.0s' {1..1025})
#> (error) ERR user name is longer than 1024 bytes

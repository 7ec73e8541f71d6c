# SESSION.TOUCH: keeps sessions alive (a heartbeat), without reading them.

# One field of a session's metadata, for what follows: `meta sess:4f1c idle`.
meta() { redis-cli --raw SESSION.INFO "$1" | grep -x -A1 "$2" | tail -n 1 | sed 's/^$/none/'; }

redis-cli SESSION.SET sess:a USER alice EX 600 LIFETIME 86400 FIELDS 1 lang en
#> (integer) 1
redis-cli SESSION.SET sess:b PERSIST
#> (integer) 1

# The reply is how many of the sessions are live.
redis-cli SESSION.TOUCH sess:a
#> (integer) 1
redis-cli SESSION.TOUCH sess:a sess:none sess:b
#> (integer) 2
redis-cli SESSION.TOUCH sess:none
#> (integer) 0
redis-cli EXISTS sess:none
#> (integer) 0

# The deadline is again one idle timeout away, and with it the key's TTL.
sleep 0.01; deadline=$(meta sess:a deadline); end=$(meta sess:a end); created=$(meta sess:a created)
redis-cli SESSION.TOUCH sess:a
#> (integer) 1
test $(meta sess:a deadline) -gt $deadline && echo "slid"
#> slid
echo $(( $(meta sess:a deadline) - $(meta sess:a accessed) ))
#> 600000
test $(redis-cli --raw PEXPIRETIME sess:a) -eq $(meta sess:a deadline) && echo "and so did the key's TTL"
#> and so did the key's TTL

# What stays: the absolute end, created, and the version, for nothing of the data has changed.
test $(meta sess:a end) -eq $end && test $(meta sess:a created) -eq $created && echo "as before"
#> as before
meta sess:a version
#> 1

# A session without idle timeout has nothing to slide, but was accessed.
accessed=$(meta sess:b accessed); sleep 0.01
redis-cli SESSION.TOUCH sess:b
#> (integer) 1
test $(meta sess:b accessed) -gt $accessed && echo "accessed"
#> accessed
redis-cli TTL sess:b
#> (integer) -1

# With a heartbeat a session lives on, as long as there is one. Two sessions that end after a second without use: one is
# touched until the other one has ended.
redis-cli SESSION.SET sess:c PX 1000
#> (integer) 1
redis-cli SESSION.SET sess:quiet PX 1000
#> (integer) 1
for i in {1..1000}; do redis-cli SESSION.TOUCH sess:c >/dev/null; test "$(redis-cli SESSION.GET sess:quiet)" = "(nil)" && break; done
redis-cli SESSION.TOUCH sess:c sess:quiet
#> (integer) 1

# Without it, it ends as well.
for i in {1..500}; do test "$(redis-cli SESSION.GET sess:c)" = "(nil)" && echo "gone" && break; sleep 0.01; done
#> gone
redis-cli SESSION.TOUCH sess:c
#> (integer) 0

# A key named twice is counted twice, as with EXISTS.
redis-cli SESSION.TOUCH sess:a sess:a
#> (integer) 2

# Busy sessions: with an interval set, a session touched less than that long ago is left as it is. Nothing is written,
# nothing goes to replicas. It still counts.
redis-cli CONFIG SET session.touch-interval-ms 60000
#> OK
redis-cli SESSION.SET sess:d EX 3600
#> (integer) 1
accessed=$(meta sess:d accessed); sleep 0.01
redis-cli SESSION.TOUCH sess:d
#> (integer) 1
test $(meta sess:d accessed) -eq $accessed && echo "left as it was"
#> left as it was

# A session of a short idle timeout is not put at risk by that: a tenth of its own timeout is the most.
redis-cli SESSION.SET sess:e PX 2000
#> (integer) 1
accessed=$(meta sess:e accessed); sleep 0.21
redis-cli SESSION.TOUCH sess:e
#> (integer) 1
test $(meta sess:e accessed) -gt $accessed && echo "slid"
#> slid
redis-cli CONFIG SET session.touch-interval-ms 0
#> OK

# Watching clients are not disturbed: a transaction that watches a session goes through although the session was touched
# in between, and fails only if it was written. (`watching sess:a COMMAND`: watches, has another client run the command,
# then goes on.)
watching() { (echo "WATCH $1"; for i in {1..500}; do redis-cli CLIENT LIST | grep -q cmd=watch && break; sleep 0.01; done; \
    redis-cli "${@:2}" >/dev/null; echo MULTI; echo PING; echo EXEC) | redis-cli; }
watching sess:a SESSION.TOUCH sess:a
#> OK
#> OK
#> QUEUED
#> 1) PONG
watching sess:a SESSION.SET sess:a FIELDS 1 lang fr
#> OK
#> OK
#> QUEUED
#> (nil)

# Any bytes.
redis-cli --quoted-input SESSION.SET '"\x00\xff"'
#> (integer) 1
redis-cli --quoted-input SESSION.TOUCH '"\x00\xff"' '"\x00"' '""'
#> (integer) 1

# --- Errors: nothing changes ---

redis-cli SESSION.TOUCH
#> (error) ERR wrong number of arguments for 'session.touch' command

# A key of another type anywhere in the list: no session is touched.
redis-cli SET plain text
#> OK
before=$(meta sess:a accessed); sleep 0.01
redis-cli SESSION.TOUCH plain
#> (error) WRONGTYPE Operation against a key holding the wrong kind of value
redis-cli SESSION.TOUCH sess:a plain
#> (error) WRONGTYPE Operation against a key holding the wrong kind of value
test $(meta sess:a accessed) -eq $before && redis-cli GET plain
#> "text"

# SESSION.ADJUST: changes a session's own timeouts, for the rest of its life.

# One field of a session's metadata, for what follows: `meta sess:4f1c idle`.
meta() { redis-cli --raw SESSION.INFO "$1" | grep -x -A1 "$2" | tail -n 1 | sed 's/^$/none/'; }

redis-cli SESSION.SET sess:4f1c USER alice FIELDS 1 lang en
#> (integer) 1

# A number is seconds of idle timeout. The reply is 1, or 0 if there is no such session.
redis-cli SESSION.ADJUST sess:4f1c 600
#> (integer) 1
meta sess:4f1c idle
#> 600000
redis-cli SESSION.ADJUST sess:none 600
#> (integer) 0
redis-cli EXISTS sess:none
#> (integer) 0

# It lasts: writes and touches slide by the new timeout.
redis-cli SESSION.SET sess:4f1c FIELDS 1 lang fr
#> (integer) 2
redis-cli SESSION.TOUCH sess:4f1c
#> (integer) 1
meta sess:4f1c idle
#> 600000
echo $(( $(meta sess:4f1c deadline) - $(meta sess:4f1c accessed) ))
#> 600000

# The same with words: EX in seconds, PX in milliseconds, PERSIST for no idle timeout.
redis-cli SESSION.ADJUST sess:4f1c EX 900
#> (integer) 1
meta sess:4f1c idle
#> 900000
redis-cli SESSION.ADJUST sess:4f1c PX 60500
#> (integer) 1
meta sess:4f1c idle
#> 60500
redis-cli SESSION.ADJUST sess:4f1c PERSIST
#> (integer) 1
meta sess:4f1c idle
#> none
redis-cli TTL sess:4f1c
#> (integer) -1

# The absolute limit: a lifetime from creation on, or a fixed time. What is not named stays.
redis-cli SESSION.ADJUST sess:4f1c LIFETIME 43200
#> (integer) 1
echo $(( $(meta sess:4f1c end) - $(meta sess:4f1c created) ))
#> 43200000
redis-cli SESSION.ADJUST sess:4f1c PLIFETIME 3600500
#> (integer) 1
meta sess:4f1c lifetime
#> 3600500
redis-cli SESSION.ADJUST sess:4f1c EXAT 4102444800
#> (integer) 1
meta sess:4f1c end
#> 4102444800000
redis-cli SESSION.ADJUST sess:4f1c PXAT 4102444800123
#> (integer) 1
meta sess:4f1c end
#> 4102444800123
meta sess:4f1c idle
#> none
redis-cli SESSION.ADJUST sess:4f1c 1200
#> (integer) 1
meta sess:4f1c end
#> 4102444800123
redis-cli SESSION.ADJUST sess:4f1c NOLIFETIME
#> (integer) 1
meta sess:4f1c end
#> none
meta sess:4f1c idle
#> 1200000

# Both at once, in any order and any case.
redis-cli SESSION.ADJUST sess:4f1c lifetime 86400 ex 1800
#> (integer) 1
meta sess:4f1c idle
#> 1800000
meta sess:4f1c lifetime
#> 86400000

# It restarts the idle clock, even where the timeout is what it was. Data, user, created and version stay.
accessed=$(meta sess:4f1c accessed); created=$(meta sess:4f1c created); sleep 0.01
redis-cli SESSION.ADJUST sess:4f1c 1800
#> (integer) 1
test $(meta sess:4f1c accessed) -gt $accessed && test $(meta sess:4f1c created) -eq $created && echo "restarted"
#> restarted
meta sess:4f1c version
#> 2
redis-cli SESSION.GET sess:4f1c
#> 1) "lang"
#> 2) "fr"
test $(redis-cli --raw PEXPIRETIME sess:4f1c) -eq $(meta sess:4f1c deadline) && echo "and the key's TTL is the deadline"
#> and the key's TTL is the deadline

# --- Times that the session already has ---

# Then it is a touch: an application may send its timeouts with every request. Those who watch the session are not
# disturbed. (`watching sess:a COMMAND`: watches, has another client run the command, then goes on.)
watching() { (echo "WATCH $1"; for i in {1..500}; do redis-cli CLIENT LIST | grep -q cmd=watch && break; sleep 0.01; done; \
    redis-cli "${@:2}" >/dev/null; echo MULTI; echo PING; echo EXEC) | redis-cli; }
redis-cli SESSION.SET sess:same USER alice EX 600 LIFETIME 86400
#> (integer) 1
watching sess:same SESSION.ADJUST sess:same 600
#> OK
#> OK
#> QUEUED
#> 1) PONG
watching sess:same SESSION.ADJUST sess:same PX 600000 PLIFETIME 86400000
#> OK
#> OK
#> QUEUED
#> 1) PONG
watching sess:same SESSION.ADJUST sess:same EX 600 LIFETIME 86401
#> OK
#> OK
#> QUEUED
#> (nil)

# A fixed end is another kind of end than a lifetime, even where it is at the same moment.
watching sess:same SESSION.ADJUST sess:same PXAT $(meta sess:same end)
#> OK
#> OK
#> QUEUED
#> (nil)
meta sess:same lifetime
#> none

# Like any touch it is left out within the interval of the settings. A change is not.
redis-cli CONFIG SET session.touch-interval-ms 60000
#> OK
redis-cli SESSION.SET sess:same EX 3600 NOLIFETIME
#> (integer) 1
accessed=$(meta sess:same accessed); sleep 0.01
redis-cli SESSION.ADJUST sess:same EX 3600 NOLIFETIME
#> (integer) 1
test $(meta sess:same accessed) -eq $accessed && echo "left as it was"
#> left as it was
redis-cli SESSION.ADJUST sess:same EX 3601
#> (integer) 1
test $(meta sess:same accessed) -gt $accessed && echo "restarted"
#> restarted
redis-cli CONFIG SET session.touch-interval-ms 0
#> OK
redis-cli SESSION.DEL sess:same
#> (integer) 1

# --- Ends in the past ---

# A shorter lifetime than the session's age, or an end in the past, ends it. The reply is 1: there was a session.
redis-cli SESSION.SET sess:old USER alice
#> (integer) 1
sleep 0.01
redis-cli SESSION.ADJUST sess:old PLIFETIME 1
#> (integer) 1
redis-cli EXISTS sess:old
#> (integer) 0
redis-cli SESSION.SET sess:old USER alice
#> (integer) 1
redis-cli SESSION.ADJUST sess:old EXAT 1000000000
#> (integer) 1
redis-cli SESSION.ADJUST sess:old EXAT 1000000000
#> (integer) 0
redis-cli SESSION.BYUSER alice
#> 1) "sess:4f1c"

# The shortest and the longest timeout.
redis-cli SESSION.ADJUST sess:4f1c 315360000
#> (integer) 1
redis-cli SESSION.SET sess:brief
#> (integer) 1
redis-cli SESSION.ADJUST sess:brief PX 1
#> (integer) 1
for i in {1..500}; do test "$(redis-cli EXISTS sess:brief)" = "(integer) 0" && echo "gone" && break; sleep 0.01; done
#> gone

# Any bytes.
redis-cli --quoted-input SESSION.SET '"\x00\xff"'
#> (integer) 1
redis-cli --quoted-input SESSION.ADJUST '"\x00\xff"' 60
#> (integer) 1
redis-cli --quoted-input SESSION.ADJUST '"\x00"' 60
#> (integer) 0

# --- Errors: nothing changes ---

redis-cli SET plain text
#> OK
sleep 0.01; before=$(redis-cli DEBUG DIGEST)
redis-cli SESSION.ADJUST
#> (error) ERR wrong number of arguments for 'session.adjust' command
redis-cli SESSION.ADJUST sess:4f1c
#> (error) ERR wrong number of arguments for 'session.adjust' command
redis-cli SESSION.ADJUST sess:4f1c 60 60
#> (error) ERR syntax error at '60' (argument 2)
redis-cli SESSION.ADJUST sess:4f1c 60 LIFETIME 60
#> (error) ERR syntax error at '60' (argument 2)
redis-cli SESSION.ADJUST sess:4f1c EX 60 PX 60000
#> (error) ERR syntax error at 'PX' (argument 4)
redis-cli SESSION.ADJUST sess:4f1c EX 60 PERSIST
#> (error) ERR syntax error at 'PERSIST' (argument 4)
redis-cli SESSION.ADJUST sess:4f1c EX 60 EX 60
#> (error) ERR syntax error at 'EX' (argument 4)
redis-cli SESSION.ADJUST sess:4f1c LIFETIME 60 EXAT 4102444800
#> (error) ERR syntax error at 'EXAT' (argument 4)
redis-cli SESSION.ADJUST sess:4f1c LIFETIME 60 NOLIFETIME
#> (error) ERR syntax error at 'NOLIFETIME' (argument 4)
redis-cli SESSION.ADJUST sess:4f1c PERSIST EX
#> (error) ERR syntax error at 'EX' (argument 3)
redis-cli SESSION.ADJUST sess:4f1c EX 60 KEEPTTL
#> (error) ERR syntax error at 'KEEPTTL' (argument 4)
redis-cli SESSION.ADJUST sess:4f1c soon
#> (error) ERR syntax error at 'soon' (argument 2)
redis-cli SESSION.ADJUST sess:4f1c EX
#> (error) ERR syntax error at 'EX' (argument 2)
redis-cli SESSION.ADJUST sess:4f1c 1.5
#> (error) ERR value is not an integer or out of range: 1.5
redis-cli SESSION.ADJUST sess:4f1c EX 1.5
#> (error) ERR value is not an integer or out of range: EX
redis-cli SESSION.ADJUST sess:4f1c 0
#> (error) ERR invalid expire time in 'session.adjust' command
redis-cli SESSION.ADJUST sess:4f1c -1
#> (error) ERR invalid expire time in 'session.adjust' command
redis-cli SESSION.ADJUST sess:4f1c 315360001
#> (error) ERR invalid expire time in 'session.adjust' command
redis-cli SESSION.ADJUST sess:4f1c 9223372036854775807
#> (error) ERR invalid expire time in 'session.adjust' command
redis-cli SESSION.ADJUST sess:4f1c 9223372036854775808
#> (error) ERR value is not an integer or out of range: 9223372036854775808
redis-cli SESSION.ADJUST sess:4f1c LIFETIME 0
#> (error) ERR invalid expire time in 'session.adjust' command
redis-cli SESSION.ADJUST sess:4f1c PXAT -1
#> (error) ERR invalid expire time in 'session.adjust' command
redis-cli SESSION.ADJUST sess:4f1c EX 60 LIFETIME -1
#> (error) ERR invalid expire time in 'session.adjust' command
redis-cli SESSION.ADJUST plain 60
#> (error) WRONGTYPE Operation against a key holding the wrong kind of value
test "$(redis-cli DEBUG DIGEST)" = "$before" && echo "nothing has changed"
#> nothing has changed

# MAXSESSIONS: a limit of concurrent sessions of a user, kept by SESSION.SET, SESSION.NEW and SESSION.ROTATE.
# (The pauses are there so that no two sessions begin in the same millisecond.)

# --- REJECT: who comes too late is refused ---

redis-cli SESSION.SET sess:a USER alice MAXSESSIONS 2 REJECT; sleep 0.01
#> (integer) 1
redis-cli SESSION.SET sess:b USER alice MAXSESSIONS 2 REJECT; sleep 0.01
#> (integer) 1
redis-cli SESSION.SET sess:c USER alice MAXSESSIONS 2 REJECT
#> (error) SESSIONLIMIT the user has the maximum of 2 concurrent sessions
redis-cli EXISTS sess:c
#> (integer) 0

# An anonymous session that would become the user's is refused as well, and stays as it was.
redis-cli SESSION.SET sess:anon FIELDS 1 cart 17
#> (integer) 1
redis-cli SESSION.SET sess:anon USER alice FIELDS 1 cart 18 MAXSESSIONS 2 REJECT
#> (error) SESSIONLIMIT the user has the maximum of 2 concurrent sessions
redis-cli SESSION.GET sess:anon
#> 1) "cart"
#> 2) "17"
redis-cli SESSION.SET sess:other USER bob
#> (integer) 1
redis-cli SESSION.SET sess:other USER alice MAXSESSIONS 2 REJECT
#> (error) SESSIONLIMIT the user has the maximum of 2 concurrent sessions
redis-cli SESSION.COUNT bob
#> (integer) 1

# A session that is the user's already may be written, even where there are too many by now.
redis-cli SESSION.SET sess:a FIELDS 1 lang en MAXSESSIONS 2 REJECT
#> (integer) 2
redis-cli SESSION.SET sess:a USER alice MAXSESSIONS 1 REJECT
#> (integer) 3
redis-cli SESSION.COUNT alice
#> (integer) 2

# Once a session ends there is room.
redis-cli SESSION.DEL sess:b
#> (integer) 1
redis-cli SESSION.SET sess:c USER alice MAXSESSIONS 2 REJECT
#> (integer) 1

# --- OLDEST: the session that began first makes room ---

sleep 0.01; redis-cli SESSION.SET sess:d USER alice MAXSESSIONS 2 OLDEST
#> (integer) 1
redis-cli EXISTS sess:a
#> (integer) 0
redis-cli SESSION.BYUSER alice
#> 1) "sess:d"
#> 2) "sess:c"

# It does not matter which one was used last.
redis-cli SESSION.TOUCH sess:c
#> (integer) 1
sleep 0.01; redis-cli SESSION.SET sess:e USER alice MAXSESSIONS 2 OLDEST
#> (integer) 1
redis-cli SESSION.BYUSER alice
#> 1) "sess:e"
#> 2) "sess:d"

# --- LRU: the session that was not used for longest makes room ---

sleep 0.01; redis-cli SESSION.TOUCH sess:d
#> (integer) 1
sleep 0.01; redis-cli SESSION.SET sess:f USER alice MAXSESSIONS 2 LRU
#> (integer) 1
redis-cli SESSION.BYUSER alice
#> 1) "sess:f"
#> 2) "sess:d"

# --- Whatever the policy ---

# The session that is written is never the one to end, even if it is the oldest. A lower limit ends as many as it takes.
sleep 0.01; redis-cli SESSION.SET sess:g USER alice
#> (integer) 1
redis-cli SESSION.SET sess:h USER alice
#> (integer) 1
redis-cli SESSION.COUNT alice
#> (integer) 4
redis-cli SESSION.SET sess:d FIELDS 1 lang en MAXSESSIONS 1 OLDEST
#> (integer) 2
redis-cli SESSION.BYUSER alice
#> 1) "sess:d"

# Without a user there is nobody to count for.
redis-cli SESSION.SET sess:anon FIELDS 1 cart 19 MAXSESSIONS 1 REJECT
#> (integer) 2
redis-cli SESSION.SET sess:anon2 MAXSESSIONS 1 OLDEST
#> (integer) 1
redis-cli SESSION.SET sess:d NOUSER MAXSESSIONS 1 REJECT
#> (integer) 3

# NX, XX and IFVERSION come first: if they are not met, nobody has to go.
redis-cli SESSION.SET sess:i USER alice
#> (integer) 1
redis-cli SESSION.SET sess:d NX USER alice MAXSESSIONS 1 OLDEST
#> (nil)
redis-cli SESSION.SET sess:j XX USER alice MAXSESSIONS 1 OLDEST
#> (nil)
redis-cli SESSION.SET sess:d IFVERSION 1 USER alice MAXSESSIONS 1 REJECT
#> (nil)
redis-cli SESSION.BYUSER alice
#> 1) "sess:i"

# Sessions that have ended by themselves take no place.
redis-cli SESSION.SET sess:i PX 20
#> (integer) 1
for i in {1..500}; do test "$(redis-cli EXISTS sess:i)" = "(integer) 0" && echo "ended" && break; sleep 0.01; done
#> ended
redis-cli SESSION.COUNT alice
#> (integer) 0
redis-cli SESSION.SET sess:k USER alice MAXSESSIONS 1 REJECT
#> (integer) 1

# Other users and other databases have their own limits.
redis-cli SESSION.SET sess:l USER carol MAXSESSIONS 1 REJECT
#> (integer) 1
redis-cli -n 1 SESSION.SET sess:k USER alice MAXSESSIONS 1 REJECT
#> (integer) 1

# --- A user with very many sessions ---

# However many there are, only those that end are looked at, and who they are is exact: here of 40 the one that began first,
# then the one that was not used for longest (the third, since the second was).
for i in {1..40}; do redis-cli SESSION.SET bot:$i USER robot >/dev/null; sleep 0.002; done
redis-cli SESSION.SET bot:41 USER robot MAXSESSIONS 40 OLDEST; sleep 0.01
#> (integer) 1
redis-cli EXISTS bot:1
#> (integer) 0
redis-cli SESSION.TOUCH bot:2; sleep 0.01
#> (integer) 1
redis-cli SESSION.SET bot:42 USER robot MAXSESSIONS 40 LRU; sleep 0.01
#> (integer) 1
redis-cli EXISTS bot:2 bot:3
#> (integer) 1
redis-cli SESSION.SET bot:43 USER robot MAXSESSIONS 40 REJECT
#> (error) SESSIONLIMIT the user has the maximum of 40 concurrent sessions

# A session that has ended by itself takes no place, even if the server has not removed its key yet (in a script, time
# enough for that: 20 ms, and PERSIST by hand, which does not bring it back).
redis-cli EVAL "redis.call('SESSION.SET', KEYS[1], 'PX', 20); return redis.call('PERSIST', KEYS[1])" 1 bot:42
#> (integer) 1
for i in {1..500}; do test "$(redis-cli SESSION.COUNT robot)" = "(integer) 39" && echo "ended" && break; sleep 0.01; done
#> ended
redis-cli SESSION.SET bot:43 USER robot MAXSESSIONS 40 REJECT
#> (integer) 1
redis-cli SESSION.SET bot:43 MAXSESSIONS 5 LRU
#> (integer) 1
redis-cli SESSION.COUNT robot
#> (integer) 5
redis-cli SESSION.REVOKE robot
#> (integer) 5

# The same with SESSION.NEW and SESSION.ROTATE. A rotated session does not count against itself.
redis-cli SESSION.NEW USER alice MAXSESSIONS 1 REJECT
#> (error) SESSIONLIMIT the user has the maximum of 1 concurrent sessions
redis-cli SESSION.ROTATE sess:k sess:m MAXSESSIONS 1 REJECT
#> (integer) 2
redis-cli SESSION.ROTATE sess:anon sess:n USER alice MAXSESSIONS 1 REJECT
#> (error) SESSIONLIMIT the user has the maximum of 1 concurrent sessions
redis-cli EXISTS sess:anon sess:n
#> (integer) 1
redis-cli SESSION.ROTATE sess:anon sess:n USER alice MAXSESSIONS 1 LRU
#> (integer) 3
redis-cli SESSION.BYUSER alice
#> 1) "sess:n"

# A caller limited to some keys counts, and ends, only what it may write.
redis-cli SESSION.SET shop:1 USER dave
#> (integer) 1
redis-cli SESSION.SET forum:1 USER dave
#> (integer) 1
redis-cli ACL SETUSER shop on '>secret' '~shop:*' +@all
#> OK
redis-cli --user shop --pass secret --no-auth-warning SESSION.SET shop:2 USER dave MAXSESSIONS 2 REJECT; sleep 0.01
#> (integer) 1
redis-cli --user shop --pass secret --no-auth-warning SESSION.SET shop:3 USER dave MAXSESSIONS 1 OLDEST
#> (integer) 1
redis-cli SESSION.COUNT dave
#> (integer) 2
redis-cli EXISTS forum:1 shop:3
#> (integer) 2


# --- Errors: nothing changes, nobody has to go ---

before=$(redis-cli DEBUG DIGEST)
redis-cli SESSION.SET sess:x USER alice MAXSESSIONS
#> (error) ERR syntax error at 'MAXSESSIONS' (argument 4)
redis-cli SESSION.SET sess:x USER alice MAXSESSIONS 1
#> (error) ERR syntax error at 'MAXSESSIONS' (argument 4)
redis-cli SESSION.SET sess:x USER alice MAXSESSIONS 1 NEWEST
#> (error) ERR syntax error at 'NEWEST' (argument 6)
redis-cli SESSION.SET sess:x USER alice MAXSESSIONS OLDEST 1
#> (error) ERR value is not an integer or out of range: MAXSESSIONS
redis-cli SESSION.SET sess:x USER alice MAXSESSIONS 0 OLDEST
#> (error) ERR value is not an integer or out of range: MAXSESSIONS
redis-cli SESSION.SET sess:x USER alice MAXSESSIONS -1 OLDEST
#> (error) ERR value is not an integer or out of range: MAXSESSIONS
redis-cli SESSION.SET sess:x USER alice MAXSESSIONS 9223372036854775808 OLDEST
#> (error) ERR value is not an integer or out of range: MAXSESSIONS
redis-cli SESSION.SET sess:x USER alice MAXSESSIONS 1 OLDEST MAXSESSIONS 2 OLDEST
#> (error) ERR syntax error at 'MAXSESSIONS' (argument 7)
redis-cli SESSION.SET sess:x USER alice MAXSESSIONS 1 OLDEST LRU
#> (error) ERR syntax error at 'LRU' (argument 7)

# A write that is refused for another reason ends nobody either.
redis-cli CONFIG SET session.max-bytes 5
#> OK
redis-cli SESSION.SET sess:x USER alice MAXSESSIONS 1 OLDEST FIELDS 1 name Ann
#> (error) ERR session would have more than 5 bytes (session.max-bytes)
redis-cli SET plain text
#> OK
redis-cli SESSION.SET plain USER alice MAXSESSIONS 1 OLDEST
#> (error) WRONGTYPE Operation against a key holding the wrong kind of value
redis-cli DEL plain
#> (integer) 1
test "$(redis-cli DEBUG DIGEST)" = "$before" && echo "nothing has changed"
#> nothing has changed
redis-cli SESSION.SET sess:y USER alice MAXSESSIONS 9223372036854775807 OLDEST
#> (integer) 1

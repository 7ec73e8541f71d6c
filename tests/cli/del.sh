# SESSION.DEL: ends sessions, and nothing but sessions.

redis-cli SESSION.SET sess:laptop USER alice FIELDS 1 lang en
#> (integer) 1
redis-cli SESSION.SET sess:phone USER alice
#> (integer) 1
redis-cli SESSION.SET sess:tablet USER alice
#> (integer) 1
redis-cli SESSION.SET sess:anon
#> (integer) 1

# Sign out: the reply is how many sessions there were.
redis-cli SESSION.DEL sess:laptop
#> (integer) 1
redis-cli SESSION.GET sess:laptop
#> (nil)
redis-cli SESSION.COUNT alice
#> (integer) 2
redis-cli SESSION.DEL sess:laptop
#> (integer) 0

# A late write of a request still in flight must not bring it back: that is what XX is for.
redis-cli SESSION.SET sess:laptop XX FIELDS 1 cart 17
#> (nil)
redis-cli EXISTS sess:laptop
#> (integer) 0

# Several at once. What is not there, or named twice, is not counted.
redis-cli SESSION.DEL sess:phone sess:none sess:anon sess:phone
#> (integer) 2
redis-cli SESSION.BYUSER alice
#> 1) "sess:tablet"

# The server's own DEL and UNLINK end sessions just as well.
redis-cli DEL sess:tablet
#> (integer) 1
redis-cli SESSION.COUNT alice
#> (integer) 0

# A session past its deadline has ended already, whatever is left of the key.
# (Both in one script, so that there is time for it.)
redis-cli EVAL "redis.call('SESSION.SET', KEYS[1], 'PX', 20); return redis.call('PERSIST', KEYS[1])" 1 sess:past
#> (integer) 1
for i in {1..500}; do test "$(redis-cli SESSION.GET sess:past)" = "(nil)" && echo "past" && break; sleep 0.01; done
#> past
redis-cli SESSION.DEL sess:past
#> (integer) 0
redis-cli EXISTS sess:past
#> (integer) 0

# Any bytes, and RESP3.
redis-cli --quoted-input SESSION.SET '"a\x00\xff"'
#> (integer) 1
redis-cli SESSION.SET ""
#> (integer) 1
redis-cli -3 --quoted-input SESSION.DEL '"a\x00\xff"' '""' '"a\x00"'
#> (integer) 2

# --- Errors: nothing ends ---

redis-cli SESSION.DEL
#> (error) ERR wrong number of arguments for 'session.del' command

# A key of another type anywhere in the list is refused, and no session ends.
redis-cli SESSION.SET sess:stays
#> (integer) 1
redis-cli SET plain text
#> OK
redis-cli SESSION.DEL plain
#> (error) WRONGTYPE Operation against a key holding the wrong kind of value
redis-cli SESSION.DEL sess:stays plain
#> (error) WRONGTYPE Operation against a key holding the wrong kind of value
redis-cli EXISTS sess:stays plain
#> (integer) 2

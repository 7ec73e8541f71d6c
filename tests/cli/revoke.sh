# SESSION.REVOKE: ends all sessions of a user, or all but some: "sign out everywhere", a new password, a closed account.

redis-cli SESSION.SET sess:laptop USER alice
#> (integer) 1
redis-cli SESSION.SET sess:phone USER alice
#> (integer) 1
redis-cli SESSION.SET sess:tablet USER alice
#> (integer) 1
redis-cli SESSION.SET sess:other USER bob
#> (integer) 1
redis-cli SESSION.SET sess:anon
#> (integer) 1

# "Sign out my other devices": all but the present session. The reply is how many were ended.
redis-cli SESSION.REVOKE alice EXCEPT 1 sess:laptop
#> (integer) 2
redis-cli SESSION.BYUSER alice
#> 1) "sess:laptop"
redis-cli EXISTS sess:phone sess:tablet
#> (integer) 0

# Sessions of others, and anonymous ones, are not touched.
redis-cli EXISTS sess:other sess:anon
#> (integer) 2

# Several can be excepted. A key that is not there, or is another's session, does no harm.
redis-cli SESSION.SET sess:phone USER alice
#> (integer) 1
redis-cli SESSION.SET sess:tablet USER alice
#> (integer) 1
redis-cli SESSION.REVOKE alice EXCEPT 4 sess:phone sess:laptop sess:other sess:none
#> (integer) 1
redis-cli SESSION.COUNT alice
#> (integer) 2

# "Sign out everywhere".
redis-cli SESSION.REVOKE alice
#> (integer) 2
redis-cli SESSION.REVOKE alice
#> (integer) 0
redis-cli SESSION.BYUSER alice
#> (empty array)
redis-cli SESSION.REVOKE nobody
#> (integer) 0

# A late write of a request still in flight does not bring a session back if it says XX.
redis-cli SESSION.SET sess:laptop XX FIELDS 1 cart 17
#> (nil)

# Users belong to a database.
redis-cli -n 1 SESSION.REVOKE bob
#> (integer) 0
redis-cli SESSION.COUNT bob
#> (integer) 1

# A session that has ended by itself is not counted.
# (Both in one script, so that there is time for it.)
redis-cli EVAL "redis.call('SESSION.SET', KEYS[1], 'USER', 'bob', 'PX', 20); return redis.call('PERSIST', KEYS[1])" 1 sess:past
#> (integer) 1
for i in {1..500}; do test "$(redis-cli SESSION.GET sess:past)" = "(nil)" && echo "past" && break; sleep 0.01; done
#> past
redis-cli -3 SESSION.REVOKE bob
#> (integer) 1

# Any bytes.
redis-cli --quoted-input SESSION.SET '"\x00\xff"' USER '"al\x00ice"'
#> (integer) 1
redis-cli --quoted-input SESSION.SET '"\x00"' USER '"al\x00ice"'
#> (integer) 1
redis-cli SESSION.SET sess:al USER al
#> (integer) 1
redis-cli --quoted-input SESSION.REVOKE '"al\x00ice"' EXCEPT 1 '"\x00"'
#> (integer) 1
redis-cli --quoted-input SESSION.BYUSER '"al\x00ice"'
#> 1) "\x00"
redis-cli SESSION.REVOKE al
#> (integer) 1

# A caller limited to some keys ends the sessions that it may write.
redis-cli SESSION.SET shop:1 USER carol
#> (integer) 1
redis-cli SESSION.SET forum:1 USER carol
#> (integer) 1
redis-cli ACL SETUSER reader on '>secret' '%R~*' +@all
#> OK
redis-cli --user reader --pass secret --no-auth-warning SESSION.REVOKE carol
#> (integer) 0
redis-cli ACL SETUSER shop on '>secret' '~shop:*' +@all
#> OK
redis-cli --user shop --pass secret --no-auth-warning SESSION.REVOKE carol
#> (integer) 1
redis-cli SESSION.BYUSER carol
#> 1) "forum:1"

# --- Errors: nothing ends ---

redis-cli SESSION.REVOKE
#> (error) ERR wrong number of arguments for 'session.revoke' command
redis-cli SESSION.REVOKE carol forum:1
#> (error) ERR syntax error
redis-cli SESSION.REVOKE carol EXCEPT
#> (error) ERR syntax error
redis-cli SESSION.REVOKE carol EXCEPT 2 a
#> (error) ERR The `numkeys` parameter must match the number of arguments
redis-cli SESSION.REVOKE carol EXCEPT 1 a b
#> (error) ERR syntax error
redis-cli SESSION.REVOKE carol EXCEPT 0
#> (error) ERR Parameter `numkeys` should be greater than 0
redis-cli SESSION.REVOKE carol EXCEPT -1 a
#> (error) ERR Parameter `numkeys` should be greater than 0
redis-cli SESSION.REVOKE carol EXCEPT a
#> (error) ERR value is not an integer or out of range
redis-cli SESSION.REVOKE carol EXCEPT 1 a EXCEPT 1 b
#> (error) ERR syntax error
redis-cli SESSION.REVOKE $(printf 'u%.0s' {1..1025})
#> (error) ERR user name is longer than 1024 bytes
redis-cli SESSION.COUNT carol
#> (integer) 1

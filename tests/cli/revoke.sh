# SESSION.REVOKE: ends all sessions of a user, all but some, or only some: "sign out everywhere", a new password, a closed account.

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

# --- ONLY: "sign out this device" ---

# Ends only the keys that are named, and of those only what is this user's. So nobody ends a stranger's session, whatever
# key a page sends back.
redis-cli SESSION.SET sess:laptop USER alice
#> (integer) 1
redis-cli SESSION.SET sess:phone USER alice
#> (integer) 1
redis-cli SESSION.SET sess:tablet USER alice
#> (integer) 1
redis-cli SESSION.REVOKE alice ONLY 1 sess:phone
#> (integer) 1
redis-cli SESSION.BYUSER alice
#> 1) "sess:..."
#> 2) "sess:..."

# What is not alice's is left alone and not counted: another's session, one without a user, a key of another type, no key.
redis-cli SET plain text
#> OK
redis-cli SESSION.REVOKE alice ONLY 5 sess:other sess:anon plain sess:none sess:phone
#> (integer) 0
redis-cli EXISTS sess:other sess:anon plain
#> (integer) 3
redis-cli DEL plain
#> (integer) 1

# A key that is named twice counts once.
redis-cli SESSION.REVOKE alice ONLY 3 sess:tablet sess:other sess:tablet
#> (integer) 1

# A snapshot that a rotation left is the user's, too, whom it shows. Ended by itself, the session goes on; and with the
# session, the snapshot that was left for it is missing as well.
redis-cli SESSION.ROTATE sess:laptop sess:laptop-2 GRACE 60
#> (integer) 2
redis-cli SESSION.REVOKE bob ONLY 1 sess:laptop
#> (integer) 0
redis-cli SESSION.REVOKE alice ONLY 1 sess:laptop
#> (integer) 1
redis-cli SESSION.BYUSER alice
#> 1) "sess:laptop-2"
redis-cli SESSION.ROTATE sess:laptop-2 sess:laptop-3 GRACE 60
#> (integer) 3
redis-cli SESSION.REVOKE alice ONLY 1 sess:laptop-3
#> (integer) 1
redis-cli SESSION.GET sess:laptop-2
#> (nil)
redis-cli DEL sess:laptop-2 >/dev/null

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
redis-cli --user shop --pass secret --no-auth-warning SESSION.REVOKE carol ONLY 1 forum:1
#> (integer) 0

# --- Errors: nothing ends ---

redis-cli SESSION.REVOKE
#> (error) ERR wrong number of arguments for 'session.revoke' command
redis-cli SESSION.REVOKE carol forum:1
#> (error) ERR syntax error at 'forum:1' (argument 2)
redis-cli SESSION.REVOKE carol EXCEPT
#> (error) ERR syntax error at 'EXCEPT' (argument 2)
redis-cli SESSION.REVOKE carol EXCEPT 2 a
#> (error) ERR The `numkeys` parameter must match the number of arguments
redis-cli SESSION.REVOKE carol EXCEPT 1 a b
#> (error) ERR syntax error at 'b' (argument 5)
redis-cli SESSION.REVOKE carol EXCEPT 0
#> (error) ERR Parameter `numkeys` should be greater than 0
redis-cli SESSION.REVOKE carol EXCEPT -1 a
#> (error) ERR Parameter `numkeys` should be greater than 0
redis-cli SESSION.REVOKE carol EXCEPT a
#> (error) ERR value is not an integer or out of range: EXCEPT
redis-cli SESSION.REVOKE carol EXCEPT 1 a EXCEPT 1 b
#> (error) ERR syntax error at 'EXCEPT' (argument 5)
redis-cli SESSION.REVOKE carol ONLY 1 forum:1 EXCEPT 1 shop:1
#> (error) ERR syntax error at 'EXCEPT' (argument 5)
redis-cli SESSION.REVOKE carol ONLY
#> (error) ERR syntax error at 'ONLY' (argument 2)
redis-cli SESSION.REVOKE carol ONLY 0
#> (error) ERR Parameter `numkeys` should be greater than 0
redis-cli SESSION.REVOKE carol ONLY 2 forum:1
#> (error) ERR The `numkeys` parameter must match the number of arguments
redis-cli SESSION.REVOKE carol ONLY all forum:1
#> (error) ERR value is not an integer or out of range: ONLY
redis-cli SESSION.REVOKE ""
#> (error) ERR user name is empty
redis-cli SESSION.REVOKE $(printf 'u%.0s' {1..1025})
#> (error) ERR user name is longer than 1024 bytes
redis-cli SESSION.COUNT carol
#> (integer) 1

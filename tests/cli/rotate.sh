# SESSION.ROTATE: gives a session a new id, at login and wherever privileges change. An id that somebody knew or planted
# before (session fixation) is worth nothing afterwards.

# One field of a session's metadata, for what follows: `meta sess:4f1c idle`.
meta() { redis-cli --raw SESSION.INFO "$1" | grep -x -A1 "$2" | tail -n 1 | sed 's/^$/none/'; }

# A visitor with a cart signs in: a new id, the user, and a field more, in one step. The reply is the new version.
redis-cli SESSION.SET sess:old EX 600 LIFETIME 86400 FIELDS 2 cart 17 lang en
#> (integer) 1
created=$(meta sess:old created); sleep 0.01
redis-cli SESSION.ROTATE sess:old sess:new USER alice UNSET 1 lang FIELDS 1 ip 203.0.113.7
#> (integer) 2
redis-cli SESSION.GET sess:new
#> 1) "cart"
#> 2) "17"
#> 3) "ip"
#> 4) "203.0.113.7"
redis-cli SESSION.BYUSER alice
#> 1) "sess:new"

# The old id is gone.
redis-cli SESSION.GET sess:old
#> (nil)
redis-cli EXISTS sess:old
#> (integer) 0

# The times come along; `created` restarts, as the session is another user's now, and with it the lifetime.
meta sess:new idle
#> 600000
meta sess:new lifetime
#> 86400000
test $(meta sess:new created) -gt $created && echo "began anew"
#> began anew
echo $(( $(meta sess:new end) - $(meta sess:new created) ))
#> 86400000

# Without a change of user, `created` and the absolute end stay. It is access, and counts as one version in any case.
created=$(meta sess:new created); accessed=$(meta sess:new accessed); sleep 0.01
redis-cli SESSION.ROTATE sess:new sess:2
#> (integer) 3
test $(meta sess:2 created) -eq $created && test $(meta sess:2 accessed) -gt $accessed && echo "goes on"
#> goes on
redis-cli SESSION.ROTATE sess:2 sess:3 USER alice
#> (integer) 4
test $(meta sess:3 created) -eq $created && echo "goes on"
#> goes on
echo $(( $(meta sess:3 deadline) - $(meta sess:3 accessed) ))
#> 600000
test $(redis-cli --raw PEXPIRETIME sess:3) -eq $(meta sess:3 deadline) && echo "and the key's TTL is the deadline"
#> and the key's TTL is the deadline

# Other times with the new id: a logged-in session may end sooner, or have a fixed end.
redis-cli SESSION.ROTATE sess:3 sess:4 EX 300 EXAT 4102444800
#> (integer) 5
meta sess:4 idle
#> 300000
meta sess:4 end
#> 4102444800000
redis-cli SESSION.ROTATE sess:4 sess:5 PX 300500 PLIFETIME 7200500 JSON '{"cart":[17,18]}'
#> (integer) 6
meta sess:5 lifetime
#> 7200500
redis-cli SESSION.GET sess:5
#> 1) "cart"
#> 2) "[17,18]"
#> 3) "ip"
#> 4) "203.0.113.7"

# REPLACE leaves the old fields behind, and goes on with those that are named. Who signs in as somebody else must not
# inherit what the former user was allowed.
redis-cli SESSION.SET sess:shared USER carol EX 600 FIELDS 2 cart 17 role admin
#> (integer) 1
redis-cli SESSION.ROTATE sess:shared sess:shared-2 REPLACE USER dave FIELDS 1 lang en JSON '{"visits":1}'
#> (integer) 2
redis-cli SESSION.GET sess:shared-2 FIELDS 4 cart role lang visits
#> 1) (nil)
#> 2) (nil)
#> 3) "en"
#> 4) "1"
meta sess:shared-2 fields
#> 2
meta sess:shared-2 idle
#> 600000
redis-cli SESSION.ROTATE sess:shared-2 sess:shared-3 REPLACE
#> (integer) 3
redis-cli SESSION.GET sess:shared-3
#> (empty array)
redis-cli SESSION.BYUSER dave
#> 1) "sess:shared-3"
redis-cli SESSION.DEL sess:shared-3
#> (integer) 1

# Sign-out that keeps what the visitor had: a new id again, and nobody's.
redis-cli SESSION.ROTATE sess:5 sess:6 NOUSER PERSIST NOLIFETIME
#> (integer) 7
redis-cli SESSION.COUNT alice
#> (integer) 0
redis-cli TTL sess:6
#> (integer) -1

# Nothing to rotate: nil, and no new session. Likewise if it was written since this version.
redis-cli SESSION.ROTATE sess:none sess:7 USER alice
#> (nil)
redis-cli EXISTS sess:7
#> (integer) 0
redis-cli SESSION.ROTATE sess:6 sess:7 IFVERSION 6
#> (nil)
redis-cli SESSION.ROTATE sess:6 sess:7 IFVERSION 7
#> (integer) 8

# An end in the past ends the session; there is no new one. The reply is the usual one.
redis-cli SESSION.ROTATE sess:7 sess:8 EXAT 1000000000
#> (integer) 9
redis-cli EXISTS sess:7 sess:8
#> (integer) 0

# --- GRACE: for requests in flight ---

# A page fetches ten things at once, with the old id. For half a minute they may still read: the old key stays, frozen
# as it was before, with the old user and fields. GRACE counts seconds, as EX does, and PGRACE milliseconds, as PX does.
redis-cli SESSION.SET sess:a EX 600 FIELDS 1 cart 17
#> (integer) 1
redis-cli SESSION.ROTATE sess:a sess:b USER alice FIELDS 1 ip 203.0.113.7 GRACE 30
#> (integer) 2
redis-cli SESSION.GET sess:a
#> 1) "cart"
#> 2) "17"
redis-cli SESSION.GET sess:b
#> 1) "cart"
#> 2) "17"
#> 3) "ip"
#> 4) "203.0.113.7"

# Its metadata say until when. (The new session has no grace.)
redis-cli -3 SESSION.GET sess:a WITHMETA FIELDS 1 cart
#>  1# "user" => (nil)
#>  2# "created" => (integer) ...
#>  3# "accessed" => (integer) ...
#>  4# "idle" => (integer) 600000
#>  5# "lifetime" => (nil)
#>  6# "end" => (nil)
#>  7# "deadline" => (integer) ...
#>  8# "version" => (integer) 1
#>  9# "grace" => (integer) ...
#> 10# "data" => 1) "17"
echo $(( $(meta sess:a grace) - $(meta sess:b accessed) ))
#> 30000
test $(meta sess:a deadline) -eq $(meta sess:a grace) && echo "the deadline is the grace"
#> the deadline is the grace
test $(redis-cli --raw PEXPIRETIME sess:a) -eq $(meta sess:a grace) && echo "and so is the key's TTL"
#> and so is the key's TTL
meta sess:b grace
#> none
redis-cli SESSION.GET sess:a META 2 grace version JSON FIELDS 1 cart
#> 1) "grace"
#> 2) (integer) ...
#> 3) "version"
#> 4) (integer) 1
#> 5) "data"
#> 6) "{\"cart\":\"17\"}"

# Reading with GETEX does not prolong it, TOUCH passes over it, EXPIRE by hand does not help.
before=$(redis-cli SESSION.INFO sess:a); sleep 0.01
redis-cli SESSION.GETEX sess:a EX 600
#> 1) "cart"
#> 2) "17"
redis-cli SESSION.TOUCH sess:a sess:b
#> (integer) 1
test "$(redis-cli SESSION.INFO sess:a)" = "$before" && echo "as before"
#> as before

# Whoever would write learns that the session has moved on.
redis-cli SESSION.SET sess:a FIELDS 1 cart 18
#> (error) SESSIONGONE the session was rotated, this is its frozen snapshot
redis-cli SESSION.SET sess:a XX FIELDS 1 cart 18
#> (error) SESSIONGONE the session was rotated, this is its frozen snapshot
redis-cli SESSION.SET sess:a IFVERSION 1 FIELDS 1 cart 18
#> (error) SESSIONGONE the session was rotated, this is its frozen snapshot
redis-cli SESSION.SET sess:a NX
#> (nil)
redis-cli SESSION.ADJUST sess:a 600
#> (error) SESSIONGONE the session was rotated, this is its frozen snapshot
redis-cli SESSION.UNSET sess:a FIELDS 1 cart
#> (error) SESSIONGONE the session was rotated, this is its frozen snapshot
redis-cli SESSION.POP sess:a FIELDS 1 cart
#> (error) SESSIONGONE the session was rotated, this is its frozen snapshot
redis-cli SESSION.INCRBY sess:a cart 1
#> (error) SESSIONGONE the session was rotated, this is its frozen snapshot
redis-cli SESSION.ROTATE sess:a sess:c
#> (error) SESSIONGONE the session was rotated, this is its frozen snapshot
test "$(redis-cli SESSION.INFO sess:a)" = "$before" && redis-cli SESSION.GET sess:a
#> 1) "cart"
#> 2) "17"

# A snapshot can be ended like a session.
redis-cli SESSION.DEL sess:a
#> (integer) 1
redis-cli SESSION.GET sess:a
#> (nil)

# It is no session of the user: not in BYUSER, not in COUNT, and takes no place where there is a limit.
redis-cli SESSION.ROTATE sess:b sess:c PGRACE 30000
#> (integer) 3
redis-cli SESSION.BYUSER alice
#> 1) "sess:c"
redis-cli SESSION.COUNT alice
#> (integer) 1
redis-cli SESSION.SET sess:d USER alice MAXSESSIONS 2 REJECT
#> (integer) 1
redis-cli SESSION.DEL sess:d
#> (integer) 1

# But to sign the user out everywhere ends snapshots too, and counts them.
redis-cli SESSION.REVOKE alice
#> (integer) 2
redis-cli EXISTS sess:b sess:c
#> (integer) 0

# It ends by itself with the grace, even if EXPIRE said later.
redis-cli SESSION.SET sess:a USER alice FIELDS 1 cart 17
#> (integer) 1
redis-cli SESSION.ROTATE sess:a sess:b GRACE 1
#> (integer) 2
redis-cli EXPIRE sess:a 1000
#> (integer) 1
for i in {1..500}; do test "$(redis-cli SESSION.GET sess:a)" = "(nil)" && echo "gone" && break; sleep 0.01; done
#> gone
redis-cli SESSION.REVOKE alice EXCEPT 1 sess:b
#> (integer) 0

# Or with the deadline that the session had, if that is earlier.
redis-cli SESSION.ADJUST sess:b EX 60
#> (integer) 1
deadline=$(meta sess:b deadline)
redis-cli SESSION.ROTATE sess:b sess:a GRACE 300
#> (integer) 3
test $(meta sess:b deadline) -eq $deadline && echo "its old deadline"
#> its old deadline

# Or with the session that it was left for: who signs out within the grace is signed out under the old id as well.
redis-cli SESSION.DEL sess:a
#> (integer) 1
redis-cli SESSION.GET sess:b
#> (nil)
redis-cli SESSION.SET sess:b2 FIELDS 1 cart 17
#> (integer) 1
redis-cli SESSION.ROTATE sess:b2 sess:c USER alice GRACE 300
#> (integer) 2
redis-cli SESSION.REVOKE alice
#> (integer) 1
redis-cli SESSION.GET sess:b2
#> (nil)
redis-cli SESSION.GETEX sess:b2 WITHMETA
#> (nil)
redis-cli SESSION.INFO sess:b2
#> (nil)
redis-cli SESSION.TOUCH sess:b2
#> (integer) 0

# Whatever ends it: the server's own commands, or that nobody used it any more.
redis-cli SESSION.SET sess:b3
#> (integer) 1
redis-cli SESSION.ROTATE sess:b3 sess:c PX 50 GRACE 300
#> (integer) 2
for i in {1..500}; do test "$(redis-cli SESSION.GET sess:b3)" = "(nil)" && echo "gone" && break; sleep 0.01; done
#> gone
redis-cli SESSION.SET sess:b4
#> (integer) 1
redis-cli SESSION.ROTATE sess:b4 sess:c GRACE 300
#> (integer) 2
redis-cli DEL sess:c
#> (integer) 1
redis-cli SESSION.GET sess:b4
#> (nil)

# The rotation that left it, sent once more after all, does not bring the session back, nor does a late write.
redis-cli SESSION.ROTATE sess:b4 sess:c GRACE 300
#> (error) SESSIONGONE the session was rotated, this is its frozen snapshot
redis-cli SESSION.SET sess:b4 XX FIELDS 1 cart 18
#> (nil)
redis-cli EXISTS sess:c
#> (integer) 0

# --- The reply was lost ---

# A connection breaks, and the client library sends the rotation again by itself. With a grace the second one finds its
# own snapshot: the reply is the version that the session has now, and nothing changes.
redis-cli SESSION.SET sess:r USER rita EX 600 FIELDS 1 cart 17
#> (integer) 1
redis-cli SESSION.ROTATE sess:r sess:s USER rita FIELDS 1 ip 203.0.113.7 GRACE 30
#> (integer) 2
sleep 0.01; before=$(redis-cli DEBUG DIGEST)
redis-cli SESSION.ROTATE sess:r sess:s USER rita FIELDS 1 ip 203.0.113.7 GRACE 30
#> (integer) 2
test "$(redis-cli DEBUG DIGEST)" = "$before" && echo "nothing has changed"
#> nothing has changed
redis-cli SESSION.SET sess:s XX FIELDS 1 cart 18
#> (integer) 3
redis-cli SESSION.ROTATE sess:r sess:s USER rita FIELDS 1 ip 203.0.113.7 GRACE 30
#> (integer) 3

# Before any other check: that the new id is taken, by its own session, is not in the way, nor is a version that has passed,
# nor a limit.
redis-cli SESSION.SET sess:v USER vera
#> (integer) 1
redis-cli SESSION.SET sess:w USER vera
#> (integer) 1
redis-cli SESSION.ROTATE sess:w sess:x IFVERSION 1 MAXSESSIONS 1 OLDEST GRACE 30
#> (integer) 2
redis-cli SESSION.SET sess:y USER vera
#> (integer) 1
redis-cli SESSION.ROTATE sess:w sess:x IFVERSION 1 MAXSESSIONS 1 OLDEST GRACE 30
#> (integer) 2
redis-cli SESSION.COUNT vera
#> (integer) 2
redis-cli SESSION.REVOKE vera
#> (integer) 3

# With other arguments it is another rotation, of a session that has moved on.
redis-cli SESSION.ROTATE sess:r sess:t USER rita FIELDS 1 ip 203.0.113.7 GRACE 30
#> (error) SESSIONGONE the session was rotated, this is its frozen snapshot
redis-cli SESSION.ROTATE sess:r sess:s USER rita FIELDS 1 ip 203.0.113.8 GRACE 30
#> (error) SESSIONGONE the session was rotated, this is its frozen snapshot
redis-cli SESSION.ROTATE sess:r sess:s USER rita FIELDS 1 ip 203.0.113.7 GRACE 31
#> (error) SESSIONGONE the session was rotated, this is its frozen snapshot

# Without a grace nothing is left that could tell: nil, as for a session that has ended.
redis-cli SESSION.ROTATE sess:s sess:t
#> (integer) 4
redis-cli SESSION.ROTATE sess:s sess:t
#> (nil)
redis-cli SESSION.REVOKE rita
#> (integer) ...

# --- A limit of concurrent sessions ---

redis-cli SESSION.SET sess:a USER alice
#> (integer) 1

# The session that gives up its id does not count against the one that it becomes.
redis-cli SESSION.ROTATE sess:a sess:e MAXSESSIONS 1 REJECT
#> (integer) 2
redis-cli SESSION.SET sess:guest FIELDS 1 cart 3
#> (integer) 1
redis-cli SESSION.ROTATE sess:guest sess:f USER alice MAXSESSIONS 1 REJECT
#> (error) SESSIONLIMIT the user has the maximum of 1 concurrent sessions
redis-cli SESSION.GET sess:guest
#> 1) "cart"
#> 2) "3"
redis-cli SESSION.ROTATE sess:guest sess:f USER alice MAXSESSIONS 1 OLDEST
#> (integer) 2
redis-cli SESSION.BYUSER alice
#> 1) "sess:f"

# --- Any bytes ---

redis-cli --quoted-input SESSION.SET '"\x00a"' FIELDS 1 '"\x00"' '"\xff"'
#> (integer) 1
redis-cli --quoted-input SESSION.ROTATE '"\x00a"' '"\x00b\xff"' USER '"\x00"' FIELDS 1 '""' '""'
#> (integer) 2
redis-cli --quoted-input SESSION.BYUSER '"\x00"' FIELDS 2 '"\x00"' '""'
#> 1) 1) "key"
#>    2) "\x00b\xff"
#>    3) "data"
#>    4) 1) "\x00"
#>       2) "\xff"
#>       3) ""
#>       4) ""

# --- Errors: nothing changes ---

redis-cli SET plain text
#> OK
redis-cli SESSION.SET sess:x USER bob FIELDS 1 a 1
#> (integer) 1
redis-cli SESSION.SET sess:y
#> (integer) 1
redis-cli DEL sess:a sess:b sess:b2 sess:b3 sess:b4 sess:r sess:s sess:w >/dev/null
before=$(redis-cli DEBUG DIGEST)
redis-cli SESSION.ROTATE
#> (error) ERR wrong number of arguments for 'session.rotate' command
redis-cli SESSION.ROTATE sess:x
#> (error) ERR wrong number of arguments for 'session.rotate' command

# A new id that is taken, by whatever it may be.
redis-cli SESSION.ROTATE sess:x sess:y
#> (error) BUSYKEY Target key name already exists.
redis-cli SESSION.ROTATE sess:x plain
#> (error) BUSYKEY Target key name already exists.
redis-cli SESSION.ROTATE sess:x sess:x
#> (error) BUSYKEY Target key name already exists.
redis-cli SESSION.ROTATE plain sess:z
#> (error) WRONGTYPE Operation against a key holding the wrong kind of value

redis-cli SESSION.ROTATE sess:x sess:z WHATEVER
#> (error) ERR syntax error at 'WHATEVER' (argument 3)
redis-cli SESSION.ROTATE sess:x sess:z XX
#> (error) ERR syntax error at 'XX' (argument 3)
redis-cli SESSION.ROTATE sess:x sess:z KEEPTTL
#> (error) ERR syntax error at 'KEEPTTL' (argument 3)
redis-cli SESSION.ROTATE sess:x sess:z REPLACE REPLACE
#> (error) ERR syntax error at 'REPLACE' (argument 4)
redis-cli SESSION.ROTATE sess:x sess:z USER ""
#> (error) ERR user name is empty
redis-cli SESSION.ROTATE sess:x sess:z USER alice NOUSER
#> (error) ERR syntax error at 'NOUSER' (argument 5)
redis-cli SESSION.ROTATE sess:x sess:z GRACE 10 GRACE 10
#> (error) ERR syntax error at 'GRACE' (argument 5)
redis-cli SESSION.ROTATE sess:x sess:z IFVERSION 1 IFVERSION 1
#> (error) ERR syntax error at 'IFVERSION' (argument 5)
redis-cli SESSION.ROTATE sess:x sess:z EX 10 PX 10
#> (error) ERR syntax error at 'PX' (argument 5)
redis-cli SESSION.ROTATE sess:x sess:z LIFETIME 10 EXAT 4102444800
#> (error) ERR syntax error at 'EXAT' (argument 5)
redis-cli SESSION.ROTATE sess:x sess:z FIELDS 1 a 2 JSON '{"a":3}'
#> (error) ERR field 'a' is in FIELDS and in JSON
redis-cli SESSION.ROTATE sess:x sess:z UNSET 1 a FIELDS 1 a 2
#> (error) ERR field 'a' is both set and unset
redis-cli SESSION.ROTATE sess:x sess:z FIELDS 2 a 2
#> (error) ERR The `numfields` parameter must match the number of arguments
redis-cli SESSION.ROTATE sess:x sess:z IFVERSION one
#> (error) ERR value is not an integer or out of range: IFVERSION
redis-cli SESSION.ROTATE sess:x sess:z EX 0
#> (error) ERR invalid expire time in 'session.rotate' command
redis-cli SESSION.ROTATE sess:x sess:z LIFETIME -1
#> (error) ERR invalid expire time in 'session.rotate' command

# A grace is 1 ms to 5 minutes.
redis-cli SESSION.ROTATE sess:x sess:z GRACE
#> (error) ERR syntax error at 'GRACE' (argument 3)
redis-cli SESSION.ROTATE sess:x sess:z GRACE 0
#> (error) ERR invalid expire time in 'session.rotate' command
redis-cli SESSION.ROTATE sess:x sess:z GRACE 301
#> (error) ERR invalid expire time in 'session.rotate' command
redis-cli SESSION.ROTATE sess:x sess:z PGRACE 0
#> (error) ERR invalid expire time in 'session.rotate' command
redis-cli SESSION.ROTATE sess:x sess:z PGRACE 300001
#> (error) ERR invalid expire time in 'session.rotate' command
redis-cli SESSION.ROTATE sess:x sess:z GRACE 10 PGRACE 10000
#> (error) ERR syntax error at 'PGRACE' (argument 5)
redis-cli SESSION.ROTATE sess:x sess:z GRACE long
#> (error) ERR value is not an integer or out of range: GRACE

redis-cli CONFIG SET session.max-fields 1 session.max-bytes 10
#> OK
redis-cli SESSION.ROTATE sess:x sess:z FIELDS 1 b 2
#> (error) ERR session would have more than 1 fields (session.max-fields)
redis-cli SESSION.ROTATE sess:x sess:z FIELDS 1 a 1234567890
#> (error) ERR session would have more than 10 bytes (session.max-bytes)
test "$(redis-cli DEBUG DIGEST)" = "$before" && echo "nothing has changed"
#> nothing has changed

# SESSION.APPLY: carries out the effect of another session command. Replicas and the append-only file get nothing else
# from this module (but DEL). It is for tools that replay such a file; applications have no use for it.

# A server with an append-only file.
redis-cli CONFIG SET appendonly yes
#> OK
for i in {1..500}; do redis-cli INFO persistence | grep -q aof_rewrite_in_progress:0 && echo "ready" && break; sleep 0.01; done
#> ready

# Commands of every kind: relative times, conditions, random ids, limits.
redis-cli SESSION.SET sess:laptop USER alice EX 600 LIFETIME 86400 FIELDS 2 lang en theme dark
#> (integer) 1
redis-cli SESSION.SET sess:laptop XX UNSET 1 theme JSON '{"cart":{"items":3}}'
#> (integer) 2
redis-cli SESSION.TOUCH sess:laptop
#> (integer) 1
redis-cli SESSION.ADJUST sess:laptop 1200
#> (integer) 1
redis-cli SESSION.NEW PREFIX sess: USER alice MAXSESSIONS 2 OLDEST
#> "sess:..."
redis-cli SESSION.NEW PREFIX sess: USER alice MAXSESSIONS 2 OLDEST
#> "sess:..."
redis-cli SESSION.GETEX sess:laptop
#> (nil)
redis-cli --quoted-input SESSION.SET '"\x00\xff"' USER '"\x00"' FIELDS 1 '""' '"\xff"'
#> (integer) 1
redis-cli SESSION.SET sess:bob USER bob PERSIST FIELDS 1 lang de
#> (integer) 1
redis-cli SESSION.SET sess:bob REPLACE NOUSER EXAT 4102444800
#> (integer) 2

# What the file says: effects, each on one key, and keys that ended.
redis-cli CONFIG SET appendfsync always
#> OK
FILE=$(ls $(redis-cli --raw CONFIG GET dir | tail -n 1)/*/*.incr.aof)
tr -d '\r' <$FILE | grep -a -i -x -E 'session\.[a-z]+|del|unlink' | tr a-z A-Z | sort | uniq -c | tr -s ' '
#>  1 DEL
#>  9 SESSION.APPLY

# Replayed on empty databases, it gives the same data, to the last byte and millisecond.
before=$(redis-cli DEBUG DIGEST); cp $FILE /tmp/replay.$$
redis-cli FLUSHALL
#> OK
redis-cli --pipe </tmp/replay.$$ | tail -n 1; rm /tmp/replay.$$
#> errors: 0, replies: ...
test "$(redis-cli DEBUG DIGEST)" = "$before" && echo "the same"
#> the same
redis-cli SESSION.COUNT alice
#> (integer) 2
redis-cli SESSION.GET sess:bob WITHMETA
#>  1) "user"
#>  2) (nil)
#> ...
#> 15) "version"
#> 16) (integer) 2
#> ...

# --- Errors: nothing changes ---

before=$(redis-cli DEBUG DIGEST)
redis-cli SESSION.APPLY sess:x
#> (error) ERR wrong number of arguments for 'session.apply' command
redis-cli SESSION.APPLY sess:x ""
#> (error) ERR malformed session payload
redis-cli SESSION.APPLY sess:x "no payload"
#> (error) ERR session payload of format 14, this module knows 1
redis-cli --quoted-input SESSION.APPLY sess:x '"\x01\x01"'
#> (error) ERR malformed session payload
redis-cli --quoted-input SESSION.APPLY sess:x '"\x00\x00"'
#> (error) ERR malformed session payload

# A payload of a later version of the module is refused, not guessed at.
redis-cli --quoted-input SESSION.APPLY sess:x '"\x02\x01\x00"'
#> (error) ERR session payload of format 2, this module knows 1
redis-cli --quoted-input SESSION.APPLY sess:x '"\x01\x80"'
#> (error) ERR session payload of a later version of this module (it has parts 0x800)

# A change to a session that is not there. (A whole session would need none.) Format and parts, 22 bytes of times, version:
times=$(printf '\\x00%.0s' {1..22}); whole="\"\x01\x02$times\x01\""; change="\"\x01\x00$times\x01\""
redis-cli --quoted-input SESSION.APPLY sess:x "$change"
#> (error) ERR no session that this effect could change

# A key of another type.
redis-cli SET plain text
#> OK
redis-cli --quoted-input SESSION.APPLY plain "$whole"
#> (error) WRONGTYPE Operation against a key holding the wrong kind of value
redis-cli DEL plain
#> (integer) 1

# Only who may change the configuration may use it.
redis-cli ACL SETUSER web on '>secret' '~*' +@all '-config'
#> OK
redis-cli --user web --pass secret --no-auth-warning --quoted-input SESSION.APPLY sess:x "$whole"
#> (error) NOPERM session.apply is for users who may run 'config|set'
test "$(redis-cli DEBUG DIGEST)" = "$before" && echo "nothing has changed"
#> nothing has changed
redis-cli --quoted-input SESSION.APPLY sess:x "$whole"
#> OK
redis-cli EXISTS sess:x
#> (integer) 1

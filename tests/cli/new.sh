# SESSION.NEW: begins a session under a new random id, and returns its key.

# The id comes from the operating system's randomness: a UUID of version 4, 122 random bits.
KEY=$(redis-cli --raw SESSION.NEW)
echo $KEY | grep -cE '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'
#> 1

# Usually with a prefix, a user and first fields.
KEY=$(redis-cli --raw SESSION.NEW PREFIX sess: USER alice FIELDS 2 ip 203.0.113.7 agent Firefox)
echo $KEY
#> sess:...-...-4...-...-...
redis-cli SESSION.GET $KEY
#> 1) "ip"
#> 2) "203.0.113.7"
#> 3) "agent"
#> 4) "Firefox"
redis-cli SESSION.COUNT alice
#> (integer) 1

# From there on it is a session like any other.
redis-cli SESSION.SET $KEY FIELDS 1 agent Chrome
#> (integer) 2

# Every call makes another one.
for i in {1..50}; do redis-cli --raw SESSION.NEW PREFIX sess:; done | sort -u | wc -l | tr -d ' '
#> 50

# The fields can be a JSON object.
redis-cli SESSION.GET $(redis-cli --raw SESSION.NEW JSON '{"name":"Ann","cart":{"items":3}}')
#> 1) "name"
#> 2) "Ann"
#> 3) "cart"
#> 4) "{\"items\":3}"

# And raw fields beside it, for what JSON has no text for.
redis-cli --quoted-input --raw SESSION.NEW USER '"ann"' FIELDS 1 photo '"\xff\xd8"' JSON '"{\"name\":\"Ann\"}"' | grep -c -- -
#> 1
redis-cli SESSION.BYUSER ann FIELDS 2 photo name
#> 1) 1) "key"
#>    2) "..."
#>    3) "data"
#>    4) 1) "photo"
#>       2) "\xff\xd8"
#>       3) "name"
#>       4) "Ann"

# One field of a session's metadata, for what follows: `meta $KEY idle`.
meta() { redis-cli --raw SESSION.INFO "$1" | grep -x -A1 "$2" | tail -n 1 | sed 's/^$/none/'; }

# Without times, a new session has those of the configuration: half an hour idle, no absolute limit.
KEY=$(redis-cli --raw SESSION.NEW)
meta $KEY idle
#> 1800000
meta $KEY lifetime
#> none
meta $KEY user
#> none
meta $KEY version
#> 1

# Times of its own: an hour without use, and half a day at the very most.
KEY=$(redis-cli --raw SESSION.NEW EX 3600 LIFETIME 43200)
meta $KEY idle
#> 3600000
meta $KEY lifetime
#> 43200000
KEY=$(redis-cli --raw SESSION.NEW PERSIST PXAT 4102444800123)
meta $KEY idle
#> none
meta $KEY deadline
#> 4102444800123
redis-cli TTL $(redis-cli --raw SESSION.NEW PERSIST NOLIFETIME)
#> (integer) -1

# An end in the past: there is a key in the reply, and no session.
redis-cli EXISTS $(redis-cli --raw SESSION.NEW EXAT 1000000000)
#> (integer) 0

# A limit of concurrent sessions: the newcomer is refused, or makes the oldest end.
redis-cli SESSION.NEW PREFIX sess: USER bob MAXSESSIONS 1 REJECT
#> "sess:..."
redis-cli SESSION.NEW PREFIX sess: USER bob MAXSESSIONS 1 REJECT
#> (error) SESSIONLIMIT the user has the maximum of 1 concurrent sessions
KEY=$(redis-cli --raw SESSION.NEW PREFIX sess: USER bob MAXSESSIONS 1 OLDEST)
redis-cli --raw SESSION.BYUSER bob | grep -cxF $KEY
#> 1
redis-cli SESSION.COUNT bob
#> (integer) 1

# Tokens are shorter and have more random bits, 192: 32 characters that are safe in URLs and cookies.
redis-cli CONFIG SET session.id-format token
#> OK
redis-cli --raw SESSION.NEW PREFIX sess: | grep -cE '^sess:[A-Za-z0-9_-]{32}$'
#> 1
redis-cli CONFIG SET session.id-format uuid
#> OK

# A prefix is bytes, like a key.
redis-cli --quoted-input SESSION.NEW PREFIX '"\x00\xff:"' USER '"al\x00"' FIELDS 1 '""' '"\xff"'
#> "\x00\xff:...-4...-..."
redis-cli --quoted-input SESSION.BYUSER '"al\x00"' FIELDS 1 '""'
#> 1) 1) "key"
#>    2) "\x00\xff:..."
#>    3) "data"
#>    4) 1) ""
#>       2) "\xff"
redis-cli SESSION.NEW PREFIX ""
#> "...-...-4...-...-..."

# A client that may use some keys only gets its id under those.
redis-cli ACL SETUSER web on '>secret' '~sess:*' +@all
#> OK
redis-cli --user web --pass secret --no-auth-warning SESSION.NEW PREFIX sess:
#> "sess:..."
redis-cli --user web --pass secret --no-auth-warning SESSION.NEW PREFIX other:
#> (error) NOPERM No permissions to access a key

# --- Errors: nothing changes ---

before=$(redis-cli DEBUG DIGEST)
redis-cli SESSION.NEW sess:mine
#> (error) ERR syntax error at 'sess:mine' (argument 1)
redis-cli SESSION.NEW PREFIX
#> (error) ERR syntax error at 'PREFIX' (argument 1)
redis-cli SESSION.NEW PREFIX a: PREFIX b:
#> (error) ERR syntax error at 'PREFIX' (argument 3)
redis-cli SESSION.NEW USER alice USER bob
#> (error) ERR syntax error at 'USER' (argument 3)
redis-cli SESSION.NEW EX 10 PX 10
#> (error) ERR syntax error at 'PX' (argument 3)
redis-cli SESSION.NEW LIFETIME 10 EXAT 4102444800
#> (error) ERR syntax error at 'EXAT' (argument 3)
redis-cli SESSION.NEW FIELDS 1 a 1 FIELDS 1 b 2
#> (error) ERR syntax error at 'FIELDS' (argument 5)
redis-cli SESSION.NEW FIELDS 1 a 1 JSON '{"a":2}'
#> (error) ERR field 'a' is in FIELDS and in JSON
redis-cli SESSION.NEW USER ""
#> (error) ERR user name is empty

# What only makes sense for a session that is there is not an option of NEW.
redis-cli SESSION.NEW NX
#> (error) ERR syntax error at 'NX' (argument 1)
redis-cli SESSION.NEW NOUSER
#> (error) ERR syntax error at 'NOUSER' (argument 1)
redis-cli SESSION.NEW KEEPTTL
#> (error) ERR syntax error at 'KEEPTTL' (argument 1)
redis-cli SESSION.NEW REPLACE
#> (error) ERR syntax error at 'REPLACE' (argument 1)
redis-cli SESSION.NEW UNSET 1 a
#> (error) ERR syntax error at 'UNSET' (argument 1)
redis-cli SESSION.NEW IFVERSION 1
#> (error) ERR syntax error at 'IFVERSION' (argument 1)

redis-cli SESSION.NEW EX 0
#> (error) ERR invalid expire time in 'session.new' command
redis-cli SESSION.NEW PX -1
#> (error) ERR invalid expire time in 'session.new' command
redis-cli SESSION.NEW LIFETIME 9223372036854775807
#> (error) ERR invalid expire time in 'session.new' command
redis-cli SESSION.NEW EX soon
#> (error) ERR value is not an integer or out of range: EX
redis-cli SESSION.NEW FIELDS 2 a 1
#> (error) ERR The `numfields` parameter must match the number of arguments
redis-cli SESSION.NEW FIELDS 0
#> (error) ERR Parameter `numfields` should be greater than 0
redis-cli SESSION.NEW USER $(printf 'u%.0s' {1..1025})
#> (error) ERR user name is longer than 1024 bytes
redis-cli SESSION.NEW JSON '[1]'
#> (error) ERR invalid JSON: ...
redis-cli CONFIG SET session.max-fields 1 session.max-bytes 10
#> OK
redis-cli SESSION.NEW FIELDS 2 a 1 b 2
#> (error) ERR session would have more than 1 fields (session.max-fields)
redis-cli SESSION.NEW FIELDS 1 name 1234567
#> (error) ERR session would have more than 10 bytes (session.max-bytes)
redis-cli CONFIG SET session.id-format short
#> (error) ERR CONFIG SET failed ...
test "$(redis-cli DEBUG DIGEST)" = "$before" && echo "nothing has changed"
#> nothing has changed

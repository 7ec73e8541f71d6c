# SESSION.SET: begins a session, or changes one.

# A visitor comes: a session under a key of the application's choice, with two fields. The reply is the version.
redis-cli SESSION.SET sess:4f1c FIELDS 2 lang en theme dark
#> (integer) 1
redis-cli SESSION.GET sess:4f1c
#> 1) "lang"
#> 2) "en"
#> 3) "theme"
#> 4) "dark"

# The fields that a later SET names are set, the others stay. The version counts the changes.
redis-cli SESSION.SET sess:4f1c FIELDS 2 lang fr cart 17
#> (integer) 2
redis-cli SESSION.GET sess:4f1c
#> 1) "lang"
#> 2) "fr"
#> 3) "theme"
#> 4) "dark"
#> 5) "cart"
#> 6) "17"

# UNSET removes fields; a field that is not there is no error. Removing and setting go in one step.
redis-cli SESSION.SET sess:4f1c UNSET 2 cart nosuch FIELDS 1 order 1001
#> (integer) 3
redis-cli SESSION.GET sess:4f1c
#> 1) "lang"
#> 2) "fr"
#> 3) "theme"
#> 4) "dark"
#> 5) "order"
#> 6) "1001"

# FIELDS and JSON may stand beside each other: what JSON has no text for is written raw.
redis-cli --quoted-input SESSION.SET sess:mixed FIELDS 1 photo '"\xff\xd8"' JSON '"{\"name\":\"Ann\",\"age\":5}"'
#> (integer) 1
redis-cli SESSION.GET sess:mixed FIELDS 3 photo name age
#> 1) "\xff\xd8"
#> 2) "Ann"
#> 3) "5"

# REPLACE drops the fields that are not named.
redis-cli SESSION.SET sess:4f1c REPLACE FIELDS 1 lang de
#> (integer) 4
redis-cli SESSION.GET sess:4f1c
#> 1) "lang"
#> 2) "de"
redis-cli SESSION.SET sess:4f1c REPLACE
#> (integer) 5
redis-cli SESSION.GET sess:4f1c
#> (empty array)

# A field named twice: the last one wins.
redis-cli SESSION.SET sess:4f1c FIELDS 2 lang en lang it
#> (integer) 6
redis-cli SESSION.GET sess:4f1c FIELDS 1 lang
#> 1) "it"

# A session need not have any fields.
redis-cli SESSION.SET sess:bare
#> (integer) 1
redis-cli SESSION.GET sess:bare
#> (empty array)

# One field of a session's metadata, for what follows: `meta sess:4f1c idle`.
meta() { redis-cli --raw SESSION.INFO "$1" | grep -x -A1 "$2" | tail -n 1 | sed 's/^$/none/'; }

# --- Whose it is ---

# At login the session becomes a user's, at logout nobody's. It begins anew with each: created restarts.
created=$(meta sess:4f1c created); sleep 0.01
redis-cli SESSION.SET sess:4f1c USER alice
#> (integer) 7
redis-cli SESSION.BYUSER alice
#> 1) "sess:4f1c"
test $(meta sess:4f1c created) -gt $created && echo "began anew"
#> began anew

# The same user again changes nothing but the version.
created=$(meta sess:4f1c created); sleep 0.01
redis-cli SESSION.SET sess:4f1c USER alice
#> (integer) 8
test $(meta sess:4f1c created) -eq $created && echo "still the same"
#> still the same

# A SET without USER leaves the user alone, and so does REPLACE.
redis-cli SESSION.SET sess:4f1c REPLACE FIELDS 1 lang en
#> (integer) 9
meta sess:4f1c user
#> alice
test $(meta sess:4f1c created) -eq $created && echo "still the same"
#> still the same
redis-cli SESSION.SET sess:4f1c USER bob
#> (integer) 10
redis-cli SESSION.COUNT alice
#> (integer) 0
redis-cli SESSION.SET sess:4f1c NOUSER
#> (integer) 11
redis-cli SESSION.COUNT bob
#> (integer) 0

# A session that begins with NOUSER is simply anonymous.
redis-cli SESSION.SET sess:anon NOUSER
#> (integer) 1

# --- Only if ---

# NX: only if there is no such session. XX: only if there is. Otherwise nil, and nothing happens.
redis-cli SESSION.SET sess:9d2a NX FIELDS 1 step one
#> (integer) 1
redis-cli SESSION.SET sess:9d2a NX FIELDS 1 step two
#> (nil)
redis-cli SESSION.SET sess:9d2a XX FIELDS 1 step three
#> (integer) 2
redis-cli SESSION.SET sess:none XX FIELDS 1 step one
#> (nil)
redis-cli EXISTS sess:none
#> (integer) 0

# IFVERSION: only if nobody has written since this version was read. A session that is not there has no version.
redis-cli SESSION.SET sess:9d2a IFVERSION 2 FIELDS 1 step four
#> (integer) 3
redis-cli SESSION.SET sess:9d2a IFVERSION 2 FIELDS 1 step five
#> (nil)
redis-cli SESSION.SET sess:none IFVERSION 0 FIELDS 1 step one
#> (nil)
redis-cli SESSION.GET sess:9d2a
#> 1) "step"
#> 2) "four"

# --- What counts as a version ---

# Naming USER, NOUSER, FIELDS, JSON, UNSET or REPLACE adds 1, even if every byte stays as it was.
redis-cli SESSION.SET sess:9d2a FIELDS 1 step four
#> (integer) 4
redis-cli SESSION.SET sess:9d2a UNSET 1 nosuch
#> (integer) 5
redis-cli SESSION.SET sess:9d2a JSON '{}'
#> (integer) 6
redis-cli SESSION.SET sess:9d2a NOUSER
#> (integer) 7

# A change of times alone, or a SET that says nothing, does not.
redis-cli SESSION.SET sess:9d2a EX 600
#> (integer) 7
redis-cli SESSION.SET sess:9d2a
#> (integer) 7

# --- When it ends ---

# A new session has the idle timeout of the configuration (half an hour), and no absolute limit.
redis-cli SESSION.SET sess:t
#> (integer) 1
meta sess:t idle
#> 1800000
meta sess:t lifetime
#> none

# EX and PX: how long it may go unused, in seconds or milliseconds. The session keeps it from then on.
redis-cli SESSION.SET sess:t EX 600
#> (integer) 1
redis-cli SESSION.SET sess:t FIELDS 1 a 1
#> (integer) 2
meta sess:t idle
#> 600000
redis-cli SESSION.SET sess:t PX 1500500
#> (integer) 2
meta sess:t idle
#> 1500500

# A write is access: the deadline is then one idle timeout away. The key's own TTL says the same.
sleep 0.01; before=$(meta sess:t deadline)
redis-cli SESSION.SET sess:t FIELDS 1 a 2
#> (integer) 3
test $(meta sess:t deadline) -gt $before && echo "slid"
#> slid
echo $(( $(meta sess:t deadline) - $(meta sess:t accessed) ))
#> 1500500
test $(redis-cli --raw PEXPIRETIME sess:t) -eq $(meta sess:t deadline) && echo "the same"
#> the same

# KEEPTTL: a write that does not keep the session alive, such as that of a background job.
sleep 0.01; before=$(meta sess:t deadline)
redis-cli SESSION.SET sess:t KEEPTTL FIELDS 1 mails 3
#> (integer) 4
test $(meta sess:t deadline) -eq $before && echo "did not slide"
#> did not slide

# It stops the clock of this one write, nothing else: timeouts can change along with it, and where that moves the deadline
# (or a new user does, whose session begins now) the key's expiry follows.
before=$(meta sess:t accessed)
redis-cli SESSION.SET sess:t KEEPTTL PX 1700000
#> (integer) 4
echo $(( $(meta sess:t deadline) - before ))
#> 1700000
test $(redis-cli --raw PEXPIRETIME sess:t) -eq $(meta sess:t deadline) && echo "the same"
#> the same
redis-cli SESSION.SET sess:k USER alice PERSIST LIFETIME 3600; sleep 0.01
#> (integer) 1
redis-cli SESSION.SET sess:k KEEPTTL USER bob
#> (integer) 2
test $(redis-cli --raw PEXPIRETIME sess:k) -eq $(meta sess:k deadline) && echo "the same"
#> the same

# LIFETIME and PLIFETIME: an absolute limit, counted from the session's creation. Access does not move it.
redis-cli SESSION.SET sess:t LIFETIME 3600
#> (integer) 4
meta sess:t lifetime
#> 3600000
echo $(( $(meta sess:t end) - $(meta sess:t created) ))
#> 3600000
redis-cli SESSION.SET sess:t PLIFETIME 7200500
#> (integer) 4
meta sess:t lifetime
#> 7200500

# EXAT and PXAT: a fixed end, as Unix time.
redis-cli SESSION.SET sess:t EXAT 4102444800
#> (integer) 4
meta sess:t end
#> 4102444800000
redis-cli SESSION.SET sess:t PXAT 4102444800123
#> (integer) 4
meta sess:t end
#> 4102444800123
meta sess:t lifetime
#> none

# NOLIFETIME lifts the absolute limit, PERSIST the idle timeout. With neither, the session stays until it is ended.
redis-cli SESSION.SET sess:t PERSIST NOLIFETIME
#> (integer) 4
redis-cli SESSION.INFO sess:t
#>  1) "user"
#>  2) (nil)
#>  3) "created"
#>  4) (integer) ...
#>  5) "accessed"
#>  6) (integer) ...
#>  7) "idle"
#>  8) (nil)
#>  9) "lifetime"
#> 10) (nil)
#> 11) "end"
#> 12) (nil)
#> 13) "deadline"
#> 14) (nil)
#> 15) "version"
#> 16) (integer) 4
#> ...
redis-cli TTL sess:t
#> (integer) -1

# The deadline is the earlier of the two.
redis-cli SESSION.SET sess:t EX 600 LIFETIME 60
#> (integer) 4
test $(meta sess:t deadline) -eq $(meta sess:t end) && echo "the end comes first"
#> the end comes first

# A session ends by itself once it was not used for that long.
redis-cli SESSION.SET sess:short PX 20 FIELDS 1 a 1
#> (integer) 1
for i in {1..500}; do test "$(redis-cli EXISTS sess:short)" = "(integer) 0" && echo "gone" && break; sleep 0.01; done
#> gone
redis-cli SESSION.GET sess:short
#> (nil)

# An end in the past ends the session at once. The reply is the usual one.
redis-cli SESSION.SET sess:t USER alice EXAT 1000000000
#> (integer) 5
redis-cli EXISTS sess:t
#> (integer) 0
redis-cli SESSION.COUNT alice
#> (integer) 0
redis-cli SESSION.SET sess:never PXAT 1
#> (integer) 1
redis-cli EXISTS sess:never
#> (integer) 0

# The shortest and the longest timeout: 1 ms and 10 years of 365 days.
redis-cli SESSION.SET sess:long EX 315360000 PLIFETIME 315360000000
#> (integer) 1
redis-cli SESSION.SET sess:blink PX 1
#> (integer) 1
for i in {1..500}; do test "$(redis-cli EXISTS sess:blink)" = "(integer) 0" && echo "gone" && break; sleep 0.01; done
#> gone

# Defaults for new sessions are configuration; 0 is none. Sessions that are there keep what they have.
redis-cli CONFIG SET session.default-timeout 900 session.default-lifetime 86400
#> OK
redis-cli SESSION.SET sess:d1
#> (integer) 1
meta sess:d1 idle
#> 900000
meta sess:d1 lifetime
#> 86400000
redis-cli SESSION.SET sess:d2 PERSIST NOLIFETIME
#> (integer) 1
redis-cli TTL sess:d2
#> (integer) -1
redis-cli CONFIG SET session.default-timeout 0 session.default-lifetime 0
#> OK
redis-cli SESSION.SET sess:d3
#> (integer) 1
redis-cli TTL sess:d3
#> (integer) -1
redis-cli SESSION.SET sess:d1 FIELDS 1 a 1
#> (integer) 2
meta sess:d1 idle
#> 900000
redis-cli CONFIG SET session.default-timeout 1800
#> OK

# --- Any bytes ---

# Keys, users, fields and values are bytes: NUL, 0xFF, nothing at all.
redis-cli --quoted-input SESSION.SET '"sess:\x00\xff"' USER '"al\x00ice\xff"' FIELDS 3 '"\x00"' '"\xff\xfe"' '""' empty-name empty-value '""'
#> (integer) 1
redis-cli --quoted-input SESSION.GET '"sess:\x00\xff"'
#> 1) "\x00"
#> 2) "\xff\xfe"
#> 3) ""
#> 4) "empty-name"
#> 5) "empty-value"
#> 6) ""
redis-cli --quoted-input SESSION.BYUSER '"al\x00ice\xff"'
#> 1) "sess:\x00\xff"
redis-cli --quoted-input SESSION.COUNT '"al\x00"'
#> (integer) 0

# An empty key is a key like others.
redis-cli SESSION.SET "" USER alice FIELDS 1 a 1
#> (integer) 1
redis-cli SESSION.BYUSER alice
#> 1) ""
redis-cli SESSION.DEL ""
#> (integer) 1

# A value can come from a file or a pipe.
printf 'PNG\0\377' | redis-cli -x SESSION.SET sess:pic FIELDS 1 avatar
#> (integer) 1
redis-cli SESSION.GET sess:pic
#> 1) "avatar"
#> 2) "PNG\x00\xff"

# Words of the command are not case-sensitive, and options come in any order.
redis-cli session.set sess:pic fields 1 a 1 xx ex 60 unset 1 avatar user alice
#> (integer) 2

# RESP3 has the same integer, and a null of its own.
redis-cli -3 SESSION.SET sess:pic FIELDS 1 a 2
#> (integer) 3
redis-cli -3 SESSION.SET sess:pic NX
#> (nil)

# --- Errors: nothing changes ---

# A syntax error names what cannot stand there, and its place: arguments are counted from 1 after the command's name.

redis-cli SET plain text
#> OK
redis-cli SESSION.SET sess:e USER alice FIELDS 1 a 1
#> (integer) 1
before=$(redis-cli DEBUG DIGEST)

redis-cli SESSION.SET
#> (error) ERR wrong number of arguments for 'session.set' command
redis-cli SESSION.SET sess:e WHATEVER
#> (error) ERR syntax error at 'WHATEVER' (argument 2)
redis-cli SESSION.SET sess:e FIELDS
#> (error) ERR syntax error at 'FIELDS' (argument 2)
redis-cli SESSION.SET sess:e USER
#> (error) ERR syntax error at 'USER' (argument 2)

# Conditions exclude each other, and so do the options that say the same thing differently.
redis-cli SESSION.SET sess:e NX XX FIELDS 1 a 2
#> (error) ERR syntax error at 'XX' (argument 3)
redis-cli SESSION.SET sess:e XX IFVERSION 1 FIELDS 1 a 2
#> (error) ERR syntax error at 'IFVERSION' (argument 3)
redis-cli SESSION.SET sess:e NX IFVERSION 1 FIELDS 1 a 2
#> (error) ERR syntax error at 'IFVERSION' (argument 3)
redis-cli SESSION.SET sess:e USER bob NOUSER
#> (error) ERR syntax error at 'NOUSER' (argument 4)
redis-cli SESSION.SET sess:e EX 10 PX 10000
#> (error) ERR syntax error at 'PX' (argument 4)
redis-cli SESSION.SET sess:e EX 10 PERSIST
#> (error) ERR syntax error at 'PERSIST' (argument 4)
redis-cli SESSION.SET sess:e LIFETIME 10 PLIFETIME 10000
#> (error) ERR syntax error at 'PLIFETIME' (argument 4)
redis-cli SESSION.SET sess:e LIFETIME 10 EXAT 4102444800
#> (error) ERR syntax error at 'EXAT' (argument 4)
redis-cli SESSION.SET sess:e EXAT 4102444800 PXAT 4102444800000
#> (error) ERR syntax error at 'PXAT' (argument 4)
redis-cli SESSION.SET sess:e NOLIFETIME LIFETIME 10
#> (error) ERR syntax error at 'LIFETIME' (argument 3)
redis-cli SESSION.SET sess:e KEEPTTL KEEPTTL
#> (error) ERR syntax error at 'KEEPTTL' (argument 3)

# An option may be given once.
redis-cli SESSION.SET sess:e USER bob USER bob
#> (error) ERR syntax error at 'USER' (argument 4)
redis-cli SESSION.SET sess:e EX 10 EX 10
#> (error) ERR syntax error at 'EX' (argument 4)
redis-cli SESSION.SET sess:e XX XX
#> (error) ERR syntax error at 'XX' (argument 3)
redis-cli SESSION.SET sess:e REPLACE REPLACE
#> (error) ERR syntax error at 'REPLACE' (argument 3)
redis-cli SESSION.SET sess:e FIELDS 1 a 2 FIELDS 1 b 2
#> (error) ERR syntax error at 'FIELDS' (argument 6)
redis-cli SESSION.SET sess:e UNSET 1 a UNSET 1 b
#> (error) ERR syntax error at 'UNSET' (argument 5)

# A field cannot be removed and set at once.
redis-cli SESSION.SET sess:e UNSET 1 a FIELDS 1 a 2
#> (error) ERR field 'a' is both set and unset
redis-cli SESSION.SET sess:e UNSET 1 a JSON '{"a":2}'
#> (error) ERR field 'a' is both set and unset

# Nor be set twice, by FIELDS and by JSON.
redis-cli SESSION.SET sess:e FIELDS 2 b 2 a 2 JSON '{"c":3,"a":3}'
#> (error) ERR field 'a' is in FIELDS and in JSON

# Counts must be right. What is left over after too small a count is not an option.
redis-cli SESSION.SET sess:e FIELDS 2 a 2
#> (error) ERR The `numfields` parameter must match the number of arguments
redis-cli SESSION.SET sess:e FIELDS 1 a
#> (error) ERR The `numfields` parameter must match the number of arguments
redis-cli SESSION.SET sess:e FIELDS 1 a 2 b 3
#> (error) ERR syntax error at 'b' (argument 6)
redis-cli SESSION.SET sess:e FIELDS 0
#> (error) ERR Parameter `numfields` should be greater than 0
redis-cli SESSION.SET sess:e FIELDS -1 a 2
#> (error) ERR Parameter `numfields` should be greater than 0
redis-cli SESSION.SET sess:e FIELDS 9223372036854775807 a 2
#> (error) ERR The `numfields` parameter must match the number of arguments
redis-cli SESSION.SET sess:e FIELDS one a 2
#> (error) ERR value is not an integer or out of range: FIELDS
redis-cli SESSION.SET sess:e UNSET 2 a
#> (error) ERR The `numfields` parameter must match the number of arguments
redis-cli SESSION.SET sess:e UNSET 0
#> (error) ERR Parameter `numfields` should be greater than 0

# Times must be within 1 ms and 10 years.
redis-cli SESSION.SET sess:e EX 0
#> (error) ERR invalid expire time in 'session.set' command
redis-cli SESSION.SET sess:e PX -1
#> (error) ERR invalid expire time in 'session.set' command
redis-cli SESSION.SET sess:e EX 315360001
#> (error) ERR invalid expire time in 'session.set' command
redis-cli SESSION.SET sess:e EX 9223372036854775807
#> (error) ERR invalid expire time in 'session.set' command
redis-cli SESSION.SET sess:e EX 9223372036854775808
#> (error) ERR value is not an integer or out of range: EX
redis-cli SESSION.SET sess:e EX 1.5
#> (error) ERR value is not an integer or out of range: EX
redis-cli SESSION.SET sess:e LIFETIME 0
#> (error) ERR invalid expire time in 'session.set' command
redis-cli SESSION.SET sess:e PLIFETIME 315360000001
#> (error) ERR invalid expire time in 'session.set' command
redis-cli SESSION.SET sess:e EXAT 0
#> (error) ERR invalid expire time in 'session.set' command
redis-cli SESSION.SET sess:e PXAT -5
#> (error) ERR invalid expire time in 'session.set' command
redis-cli SESSION.SET sess:e PXAT 9223372036854775807
#> (error) ERR invalid expire time in 'session.set' command
redis-cli SESSION.SET sess:e IFVERSION one
#> (error) ERR value is not an integer or out of range: IFVERSION
redis-cli SESSION.SET sess:e IFVERSION -1
#> (error) ERR value is not an integer or out of range: IFVERSION

# A user's name has 1 to 1024 bytes. (In an application, an empty one is a bug that would give strangers one account.)
redis-cli SESSION.SET sess:e USER ""
#> (error) ERR user name is empty
redis-cli SESSION.SET sess:e USER $(printf 'u%.0s' {1..1025})
#> (error) ERR user name is longer than 1024 bytes

# Limits of a session's size are configuration.
redis-cli CONFIG SET session.max-fields 2 session.max-bytes 30
#> OK
redis-cli SESSION.SET sess:e FIELDS 2 b 2 c 3
#> (error) ERR session would have more than 2 fields (session.max-fields)
redis-cli SESSION.SET sess:e FIELDS 1 a 123456789012345678901234567890
#> (error) ERR session would have more than 30 bytes (session.max-bytes)
redis-cli CONFIG SET session.max-fields 1024 session.max-bytes 1048576
#> OK

# A key of another type is left alone, whatever the condition.
redis-cli SESSION.SET plain FIELDS 1 a 1
#> (error) WRONGTYPE Operation against a key holding the wrong kind of value
redis-cli SESSION.SET plain NX
#> (error) WRONGTYPE Operation against a key holding the wrong kind of value
redis-cli SESSION.SET plain IFVERSION 1
#> (error) WRONGTYPE Operation against a key holding the wrong kind of value

test "$(redis-cli DEBUG DIGEST)" = "$before" && echo "nothing has changed"
#> nothing has changed

# --- At the limits ---

# Exactly as many fields and bytes (of names and values together) as are allowed. REPLACE and UNSET make room.
redis-cli CONFIG SET session.max-fields 2 session.max-bytes 12
#> OK
redis-cli SESSION.SET sess:full FIELDS 2 name Ann lang e
#> (integer) 1
redis-cli SESSION.SET sess:full FIELDS 1 lang en
#> (error) ERR session would have more than 12 bytes (session.max-bytes)
redis-cli SESSION.SET sess:full FIELDS 1 x 1
#> (error) ERR session would have more than 2 fields (session.max-fields)
redis-cli SESSION.SET sess:full UNSET 1 lang FIELDS 1 x 1
#> (integer) 2
redis-cli SESSION.SET sess:full REPLACE FIELDS 2 a 1 b 2
#> (integer) 3
redis-cli SESSION.SET sess:new FIELDS 3 a 1 b 2 c 3
#> (error) ERR session would have more than 2 fields (session.max-fields)
redis-cli EXISTS sess:new
#> (integer) 0

# Where limits were lowered, a session that is past them can still shrink.
redis-cli CONFIG SET session.max-fields 1 session.max-bytes 2
#> OK
redis-cli SESSION.SET sess:full FIELDS 1 a 9
#> (integer) 4
redis-cli SESSION.SET sess:full UNSET 1 a
#> (integer) 5

# A user's name may have 1024 bytes.
redis-cli SESSION.SET sess:u USER $(printf 'u%.0s' {1..1024})
#> (integer) 1

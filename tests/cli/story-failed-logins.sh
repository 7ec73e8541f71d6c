# A story: after three wrong passwords the form asks for a captcha.

# The visitor is a stranger still: the session is anonymous, and short.
redis-cli SESSION.SET sess:4f1c EX 600 LIFETIME 3600 FIELDS 1 lang en
#> (integer) 1

# Each wrong password adds one. The reply is all the application needs to decide.
redis-cli SESSION.INCRBY sess:4f1c failed 1
#> (integer) 1
redis-cli SESSION.INCRBY sess:4f1c failed 1
#> (integer) 2
redis-cli SESSION.INCRBY sess:4f1c failed 1
#> (integer) 3

# Attempts at the same time are all counted.
for i in {1..10}; do redis-cli SESSION.INCRBY sess:4f1c failed 1 & done | sort -n -k 2 | tail -n 1
#> (integer) 13

# Trying on must not keep the session (and with it the guess) alive: KEEPTTL.
before=$(redis-cli --raw PEXPIRETIME sess:4f1c); sleep 0.01
redis-cli SESSION.INCRBY sess:4f1c failed 1 KEEPTTL
#> (integer) 14
test $(redis-cli --raw PEXPIRETIME sess:4f1c) -eq $before && echo "not a moment longer"
#> not a moment longer

# As JSON it is a number.
redis-cli --raw SESSION.GET sess:4f1c JSON
#> {"lang":"en","failed":14}

# The right password at last: a new id, a user, and the counter goes, in one step.
redis-cli SESSION.ROTATE sess:4f1c sess:9d2a USER ann UNSET 1 failed
#> (integer) 16
redis-cli --raw SESSION.GET sess:9d2a JSON
#> {"lang":"en"}

# A visitor without a session is not counted here: who drops the cookie gets a new session each time. (Count by address
# or by account as well.)
redis-cli SESSION.INCRBY sess:4f1c failed 1
#> (nil)

# A story: "keep me signed in" beside a short session, each with timeouts of its own.

# One field of a session's metadata, for what follows: `meta sess:4f1c idle`.
meta() { redis-cli --raw SESSION.INFO "$1" | grep -x -A1 "$2" | tail -n 1 | sed 's/^$/none/'; }

# In the library Ann leaves the box empty: half an hour without use ends the session, eight hours do in any case.
redis-cli SESSION.SET sess:library USER ann EX 1800 LIFETIME 28800 FIELDS 1 agent Chrome
#> (integer) 1

# At home she ticks it: two weeks without use, three months at most.
redis-cli SESSION.SET sess:home USER ann EX 1209600 LIFETIME 7776000 FIELDS 1 agent Firefox
#> (integer) 1

# The two need no second table and no second cookie; each keeps its own times with whatever is written later.
redis-cli SESSION.SET sess:library XX FIELDS 1 cart '[17]'
#> (integer) 2
redis-cli SESSION.SET sess:home XX FIELDS 1 cart '[18]'
#> (integer) 2
redis-cli SESSION.TOUCH sess:library sess:home
#> (integer) 2
meta sess:library idle
#> 1800000
meta sess:home idle
#> 1209600000
echo $(( $(meta sess:library end) - $(meta sess:library created) ))
#> 28800000
echo $(( $(meta sess:home end) - $(meta sess:home created) ))
#> 7776000000

# An application may send its timeouts with every request: that is a touch, as long as they are what the session has. (See
# `session.touch-interval-ms` for touches that are left out.)
redis-cli SESSION.GETEX sess:library EX 1800 FIELDS 1 agent
#> 1) "Chrome"
redis-cli SESSION.ADJUST sess:home EX 1209600 LIFETIME 7776000
#> (integer) 1

# She ticks the box later: the running session is changed, and nothing else of it.
redis-cli SESSION.ADJUST sess:library EX 1209600 LIFETIME 7776000
#> (integer) 1
meta sess:library idle
#> 1209600000
redis-cli SESSION.GET sess:library
#> 1) "agent"
#> 2) "Chrome"
#> 3) "cart"
#> 4) "[17]"

# And unticks it. A bare number is seconds of idle timeout; the other limit is set in the same way as before.
redis-cli SESSION.ADJUST sess:library 1800
#> (integer) 1
redis-cli SESSION.ADJUST sess:library LIFETIME 28800
#> (integer) 1
test $(meta sess:library deadline) -lt $(meta sess:home deadline) && echo "the library ends first"
#> the library ends first

# The short session ends (here after 20 ms, as nobody wants to wait half an hour), the other one lives on.
redis-cli SESSION.ADJUST sess:library PX 20
#> (integer) 1
for i in {1..500}; do test "$(redis-cli SESSION.GET sess:library)" = "(nil)" && echo "ended" && break; sleep 0.01; done
#> ended
redis-cli SESSION.BYUSER ann
#> 1) "sess:home"

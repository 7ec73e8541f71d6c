# A story: a video service lets each customer watch on three devices at a time.
# (The pauses are there so that no two sessions begin in the same millisecond.)

# --- The fourth one is refused ---

redis-cli SESSION.SET sess:tv USER ann MAXSESSIONS 3 REJECT FIELDS 1 device television; sleep 0.01
#> (integer) 1
redis-cli SESSION.SET sess:phone USER ann MAXSESSIONS 3 REJECT FIELDS 1 device phone; sleep 0.01
#> (integer) 1
redis-cli SESSION.SET sess:tablet USER ann MAXSESSIONS 3 REJECT FIELDS 1 device tablet; sleep 0.01
#> (integer) 1
redis-cli SESSION.SET sess:laptop USER ann MAXSESSIONS 3 REJECT FIELDS 1 device laptop
#> (error) SESSIONLIMIT the user has the maximum of 3 concurrent sessions

# The page that says so can offer to sign one of them out.
redis-cli -3 SESSION.BYUSER ann FIELDS 1 device
#> 1) 1# "key" => "sess:tablet"
#>    2# "data" => 1# "device" => "tablet"
#> 2) 1# "key" => "sess:phone"
#>    2# "data" => 1# "device" => "phone"
#> 3) 1# "key" => "sess:tv"
#>    2# "data" => 1# "device" => "television"
redis-cli SESSION.REVOKE ann ONLY 1 sess:tablet
#> (integer) 1
redis-cli SESSION.SET sess:laptop USER ann MAXSESSIONS 3 REJECT FIELDS 1 device laptop
#> (integer) 1

# The devices that are signed in work on as before, the limit in every request does not hurt them.
redis-cli SESSION.SET sess:tv XX FIELDS 1 watching 'The General' MAXSESSIONS 3 REJECT; sleep 0.01
#> (integer) 2

# Ten devices that sign in at the same time: the limit holds.
for i in {1..10}; do redis-cli SESSION.NEW PREFIX sess: USER zoe MAXSESSIONS 3 REJECT & done | grep -c SESSIONLIMIT
#> 7
redis-cli SESSION.COUNT zoe
#> (integer) 3

# --- The one that signed in first makes room: OLDEST ---

redis-cli SESSION.SET sess:console USER ann MAXSESSIONS 3 OLDEST FIELDS 1 device console; sleep 0.01
#> (integer) 1
redis-cli SESSION.BYUSER ann
#> 1) "sess:console"
#> 2) "sess:laptop"
#> 3) "sess:phone"

# The television was on, but had begun first. Its next request learns that it is signed out.
redis-cli SESSION.GETEX sess:tv
#> (nil)

# --- The one that was idle for longest makes room: LRU ---

redis-cli SESSION.TOUCH sess:phone; sleep 0.01
#> (integer) 1
redis-cli SESSION.SET sess:tv USER ann MAXSESSIONS 3 LRU FIELDS 1 device television; sleep 0.01
#> (integer) 1
redis-cli SESSION.BYUSER ann
#> 1) "sess:tv"
#> 2) "sess:phone"
#> 3) "sess:console"

# --- A cheaper plan: one device, from the next request on ---

redis-cli SESSION.SET sess:phone XX FIELDS 1 watching 'Sherlock Jr.' MAXSESSIONS 1 LRU
#> (integer) 2
redis-cli SESSION.BYUSER ann
#> 1) "sess:phone"

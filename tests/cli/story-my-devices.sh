# A story: the page "My devices", with where and when each was used, and a button to sign it out.

# At login the application notes address and browser.
redis-cli SESSION.SET sess:7d1f0c USER ann FIELDS 3 ip 203.0.113.7 agent Firefox city Leeds; sleep 0.01
#> (integer) 1
redis-cli SESSION.SET sess:b2948e USER ann FIELDS 3 ip 198.51.100.9 agent Safari city York; sleep 0.01
#> (integer) 1
redis-cli SESSION.SET sess:05aa31 USER ann FIELDS 2 ip 192.0.2.44 agent curl; sleep 0.01
#> (integer) 1
redis-cli SESSION.SET sess:c0ffee USER bob FIELDS 2 ip 192.0.2.99 agent Edge
#> (integer) 1

# All that the page needs comes in one call, the device used last on top.
redis-cli SESSION.TOUCH sess:7d1f0c
#> (integer) 1
redis-cli -3 SESSION.BYUSER ann META 3 created accessed deadline FIELDS 3 ip agent city
#> 1) 1# "key" => "sess:7d1f0c"
#>    2# "created" => (integer) ...
#>    3# "accessed" => (integer) ...
#>    4# "deadline" => (integer) ...
#>    5# "data" =>...
#>       1# "ip" => "203.0.113.7"
#>       2# "agent" => "Firefox"
#>       3# "city" => "Leeds"
#> 2) 1# "key" => "sess:05aa31"
#> ...
#>    5# "data" =>...
#>       1# "ip" => "192.0.2.44"
#>       2# "agent" => "curl"
#> 3) 1# "key" => "sess:b2948e"
#> ...
#>    5# "data" =>...
#>       1# "ip" => "198.51.100.9"
#>       2# "agent" => "Safari"
#>       3# "city" => "York"

# A session id is a credential: whoever reads it off the page (or out of its source) is signed in. So the page never shows
# the id, but a hash of it.
handle() { printf %s "$1" | sha256sum | cut -c 1-12; }
for id in $(redis-cli --raw SESSION.BYUSER ann); do echo "$(handle $id) $(redis-cli --raw SESSION.GET $id FIELDS 2 agent ip | xargs)"; done
#> 5a568ee29265 Firefox 203.0.113.7
#> d73172eda90e curl 192.0.2.44
#> 2cc15e36e282 Safari 198.51.100.9

# Two of them at a time, where somebody has many.
redis-cli --raw SESSION.BYUSER ann LIMIT 0 2 | wc -l | tr -d ' '
#> 2
redis-cli --raw SESSION.BYUSER ann LIMIT 2 2 | wc -l | tr -d ' '
#> 1

# "That curl was not me": the button sends the hash, and the application looks for it among Ann's own sessions. REVOKE … ONLY
# ends the session only if it is Ann's at this moment.
WANTED=$(handle sess:05aa31)
for id in $(redis-cli --raw SESSION.BYUSER ann); do test $(handle $id) = $WANTED && redis-cli SESSION.REVOKE ann ONLY 1 $id; done
#> (integer) 1
redis-cli SESSION.REVOKE ann ONLY 1 sess:05aa31
#> (integer) 0
redis-cli SESSION.REVOKE ann ONLY 1 sess:c0ffee
#> (integer) 0
redis-cli SESSION.COUNT bob
#> (integer) 1
redis-cli SESSION.BYUSER ann
#> 1) "sess:7d1f0c"
#> 2) "sess:b2948e"

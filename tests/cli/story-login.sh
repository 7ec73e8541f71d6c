# A story: Ann visits a shop on two devices and signs in on both. Each time the session gets a new id.

# 128 random bits as an id, for what follows.
random() { od -An -tx1 -N16 /dev/urandom | tr -d ' \n'; }

# Her laptop comes first. No cookie yet: the server begins an anonymous session, and she puts something into the cart.
LAPTOP=$(redis-cli --raw SESSION.NEW PREFIX sess: EX 1800 FIELDS 2 ip 203.0.113.7 agent Firefox)
redis-cli SESSION.SET $LAPTOP XX FIELDS 1 cart '[17]'
#> (integer) 2

# She signs in. The id that the browser had as a stranger must not become that of a signed-in user: somebody might have
# planted it. ROTATE gives the session a new id and makes it Ann's in one step. The page still loads pictures with the
# old cookie, so the old id can be read for ten more seconds.
SIGNED_IN=sess:$(random)
redis-cli SESSION.ROTATE $LAPTOP $SIGNED_IN USER ann LIFETIME 43200 GRACE 10
#> (integer) 3
redis-cli SESSION.GET $SIGNED_IN
#> 1) "ip"
#> 2) "203.0.113.7"
#> 3) "agent"
#> 4) "Firefox"
#> 5) "cart"
#> 6) "[17]"

# The reply was lost on its way, and the client library sends the same once more: it learns that all is well.
redis-cli SESSION.ROTATE $LAPTOP $SIGNED_IN USER ann LIFETIME 43200 GRACE 10
#> (integer) 3

# Under the old id there is no Ann to be found, and nothing can be written.
redis-cli SESSION.GET $LAPTOP WITHMETA FIELDS 1 cart
#>  1) "user"
#>  2) (nil)
#> ...
#> 20) 1) "[17]"
redis-cli SESSION.SET $LAPTOP XX FIELDS 1 cart '[]'
#> (error) SESSIONGONE the session was rotated, this is its frozen snapshot

# Now her phone, which is to stay signed in for a month.
PHONE=$(redis-cli --raw SESSION.NEW PREFIX sess: FIELDS 2 ip 198.51.100.9 agent Safari)
PHONE_SIGNED_IN=sess:$(random)
redis-cli SESSION.ROTATE $PHONE $PHONE_SIGNED_IN USER ann EX 2592000
#> (integer) 2
redis-cli EXISTS $PHONE
#> (integer) 0

# Two devices, two sessions; the snapshot is not one.
redis-cli SESSION.COUNT ann
#> (integer) 2
redis-cli SESSION.BYUSER ann FIELDS 1 agent
#> 1) 1) "key"
#>    2) "sess:..."
#>    3) "data"
#>    4) 1) "agent"
#>       2) "Safari"
#> 2) 1) "key"
#>    2) "sess:..."
#>    3) "data"
#>    4) 1) "agent"
#>       2) "Firefox"

# Every request reads the session and keeps it alive.
redis-cli SESSION.GETEX $SIGNED_IN FIELDS 1 cart
#> 1) "[17]"

# She becomes an administrator for a moment: again a new id, for the same user, and only if nothing changed meanwhile.
ADMIN=sess:$(random)
redis-cli SESSION.ROTATE $SIGNED_IN $ADMIN IFVERSION 2 FIELDS 1 role admin
#> (nil)
redis-cli SESSION.ROTATE $SIGNED_IN $ADMIN IFVERSION 3 FIELDS 1 role admin
#> (integer) 4
redis-cli SESSION.GET $SIGNED_IN
#> (nil)

# A colleague borrows the laptop for a minute and signs in with his own name. A new id, his name, and nothing of hers: with
# REPLACE he inherits neither her cart nor what she was allowed.
COLLEAGUE=sess:$(random)
redis-cli SESSION.ROTATE $ADMIN $COLLEAGUE REPLACE USER tom FIELDS 1 agent Firefox
#> (integer) 5
redis-cli SESSION.GET $COLLEAGUE
#> 1) "agent"
#> 2) "Firefox"
ADMIN=sess:$(random)
redis-cli SESSION.ROTATE $COLLEAGUE $ADMIN REPLACE USER ann FIELDS 1 agent Firefox
#> (integer) 6

# She signs out on the laptop. The phone stays.
redis-cli SESSION.DEL $ADMIN
#> (integer) 1
redis-cli --raw SESSION.BYUSER ann | grep -cxF $PHONE_SIGNED_IN
#> 1
redis-cli SESSION.COUNT ann
#> (integer) 1

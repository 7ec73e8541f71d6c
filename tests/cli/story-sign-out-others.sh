# A story: Ann has changed her password, and every other device is to be signed out.

redis-cli SESSION.SET sess:laptop USER ann FIELDS 1 agent Firefox
#> (integer) 1
redis-cli SESSION.SET sess:phone USER ann FIELDS 1 agent Safari
#> (integer) 1
redis-cli SESSION.SET sess:library USER ann FIELDS 1 agent Chrome
#> (integer) 1
redis-cli SESSION.SET sess:bob USER bob
#> (integer) 1

# The session in use gets a new id first, for somebody may have copied the old one. Requests in flight may still read
# under the old id for ten seconds.
redis-cli SESSION.ROTATE sess:laptop sess:laptop-2 FIELDS 1 password-changed 1 GRACE 10
#> (integer) 2

# Then all the others end, in one step: no login in between can be missed, none is left half signed out. It counts the
# phone, the library, and the snapshot under the old id.
redis-cli SESSION.REVOKE ann EXCEPT 1 sess:laptop-2
#> (integer) 3
redis-cli SESSION.BYUSER ann
#> 1) "sess:laptop-2"
redis-cli EXISTS sess:laptop sess:phone sess:library
#> (integer) 0
redis-cli SESSION.COUNT bob
#> (integer) 1

# The phone was just saving something. Writers of a session that must be there say XX, and so nothing comes back.
redis-cli SESSION.SET sess:phone XX FIELDS 1 draft "Dear Bob"
#> (nil)
redis-cli SESSION.POP sess:phone FIELDS 1 flash
#> (nil)
redis-cli SESSION.INCRBY sess:phone pages 1
#> (nil)
redis-cli SESSION.TOUCH sess:phone
#> (integer) 0
redis-cli EXISTS sess:phone
#> (integer) 0

# The phone signs in again, with the new password.
redis-cli SESSION.SET sess:phone-2 NX USER ann FIELDS 1 agent Safari
#> (integer) 1
redis-cli SESSION.COUNT ann
#> (integer) 2

# "Sign out everywhere", this device as well.
redis-cli SESSION.REVOKE ann
#> (integer) 2
redis-cli SESSION.COUNT ann
#> (integer) 0

# A story: a bank signs everybody out after ten minutes without use, and after an hour whatever happens. No script in a
# page that calls home every minute can get around the hour.

# One field of a session's metadata, for what follows: `meta sess:4f1c idle`.
meta() { redis-cli --raw SESSION.INFO "$1" | grep -x -A1 "$2" | tail -n 1 | sed 's/^$/none/'; }

redis-cli SESSION.SET sess:4f1c USER ann EX 600 LIFETIME 3600 FIELDS 1 lang en
#> (integer) 1
end=$(meta sess:4f1c end)
echo $(( end - $(meta sess:4f1c created) ))
#> 3600000

# Whatever is access (touching, reading with GETEX, writing, taking out) moves the deadline, and never the end.
deadline=$(meta sess:4f1c deadline); sleep 0.01
redis-cli SESSION.TOUCH sess:4f1c
#> (integer) 1
redis-cli SESSION.GETEX sess:4f1c FIELDS 1 lang
#> 1) "en"
redis-cli SESSION.SET sess:4f1c XX FIELDS 1 page accounts
#> (integer) 2
redis-cli SESSION.INCRBY sess:4f1c clicks 1
#> (integer) 1
redis-cli SESSION.POP sess:4f1c FIELDS 1 flash
#> 1) (nil)
redis-cli SESSION.SET sess:4f1c XX EX 600
#> (integer) 3
test $(meta sess:4f1c deadline) -gt $deadline && test $(meta sess:4f1c end) -eq $end && echo "the deadline slid, the end stays"
#> the deadline slid, the end stays

# A new id in between does not give a new hour.
redis-cli SESSION.ROTATE sess:4f1c sess:9d2a
#> (integer) 4
test $(meta sess:9d2a end) -eq $end && echo "the same end"
#> the same end

# A longer idle timeout does not help beyond the end: there is nothing left to slide.
redis-cli SESSION.ADJUST sess:9d2a 86400
#> (integer) 1
test $(meta sess:9d2a deadline) -eq $end && echo "the end"
#> the end
test $(redis-cli --raw PEXPIRETIME sess:9d2a) -eq $end && echo "for the key as well"
#> for the key as well
redis-cli SESSION.TOUCH sess:9d2a
#> (integer) 1
test $(meta sess:9d2a deadline) -eq $end && echo "the end"
#> the end

# EXPIRE and PERSIST by hand do not go past it either.
redis-cli EXPIRE sess:9d2a 86400
#> (integer) 1
redis-cli SESSION.TOUCH sess:9d2a
#> (integer) 1
test $(redis-cli --raw PEXPIRETIME sess:9d2a) -eq $end && echo "the end"
#> the end

# To see it end, with a lifetime of 300 ms and a heartbeat all the time (for a bank's hour would take an hour):
redis-cli SESSION.SET sess:short USER ann EX 600 PLIFETIME 300
#> (integer) 1
for i in {1..1000}; do test "$(redis-cli SESSION.TOUCH sess:short)" = "(integer) 0" && echo "signed out" && break; done
#> signed out

# Even if somebody takes the key's expiry away. (Both in one script, so that there is time for it.)
redis-cli EVAL "redis.call('SESSION.SET', KEYS[1], 'USER', 'ann', 'PLIFETIME', 50); return redis.call('PERSIST', KEYS[1])" 1 sess:short
#> (integer) 1
for i in {1..1000}; do test "$(redis-cli SESSION.GET sess:short)" = "(nil)" && echo "signed out" && break; sleep 0.01; done
#> signed out

# A fixed time does as well: everybody out at midnight, before the books are closed.
redis-cli SESSION.SET sess:clerk USER bob EX 600 EXAT 4102444800
#> (integer) 1
redis-cli SESSION.TOUCH sess:clerk
#> (integer) 1
meta sess:clerk end
#> 4102444800000

# Who signs in anew has a new hour: the session begins with its user.
created=$(meta sess:clerk created); sleep 0.01
redis-cli SESSION.SET sess:clerk USER carol LIFETIME 3600
#> (integer) 2
test $(meta sess:clerk created) -gt $created && echo $(( $(meta sess:clerk end) - $(meta sess:clerk created) ))
#> 3600000

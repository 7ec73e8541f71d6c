# SESSION.COUNT: how many live sessions a user has.

redis-cli SESSION.COUNT alice
#> (integer) 0

redis-cli SESSION.SET sess:laptop USER alice
#> (integer) 1
redis-cli SESSION.SET sess:phone USER alice
#> (integer) 1
redis-cli SESSION.SET sess:other USER bob
#> (integer) 1
redis-cli SESSION.COUNT alice
#> (integer) 2
redis-cli -3 SESSION.COUNT alice
#> (integer) 2

# A session that ends, in whatever way, is not counted any more.
redis-cli DEL sess:phone
#> (integer) 1
redis-cli SESSION.COUNT alice
#> (integer) 1
redis-cli SESSION.SET sess:brief USER alice PX 20
#> (integer) 1
for i in {1..500}; do test "$(redis-cli SESSION.COUNT alice)" = "(integer) 1" && echo "ended" && break; sleep 0.01; done
#> ended

# It counts for the user whose it is now.
redis-cli SESSION.SET sess:laptop USER bob
#> (integer) 2
redis-cli SESSION.COUNT alice
#> (integer) 0
redis-cli SESSION.COUNT bob
#> (integer) 2
redis-cli SESSION.SET sess:laptop NOUSER
#> (integer) 3
redis-cli SESSION.COUNT bob
#> (integer) 1

# Anonymous sessions belong to nobody; there is no user of the empty name.
redis-cli SESSION.COUNT ""
#> (error) ERR user name is empty

# Users belong to a database.
redis-cli -n 1 SESSION.COUNT bob
#> (integer) 0
redis-cli MOVE sess:other 1
#> (integer) 1
redis-cli -n 1 SESSION.COUNT bob
#> (integer) 1
redis-cli SESSION.COUNT bob
#> (integer) 0
redis-cli FLUSHALL
#> OK
redis-cli -n 1 SESSION.COUNT bob
#> (integer) 0

# A user's name is bytes.
redis-cli --quoted-input SESSION.SET sess:bytes USER '"a\x00\xff"'
#> (integer) 1
redis-cli --quoted-input SESSION.COUNT '"a\x00\xff"'
#> (integer) 1
redis-cli SESSION.COUNT a
#> (integer) 0

# A caller limited to some keys counts the sessions that it may read.
redis-cli SESSION.SET shop:1 USER carol
#> (integer) 1
redis-cli SESSION.SET forum:1 USER carol
#> (integer) 1
redis-cli ACL SETUSER shop on '>secret' '~shop:*' +@all
#> OK
redis-cli --user shop --pass secret --no-auth-warning SESSION.COUNT carol
#> (integer) 1
redis-cli SESSION.COUNT carol
#> (integer) 2

redis-cli SESSION.COUNT
#> (error) ERR wrong number of arguments for 'session.count' command
redis-cli SESSION.COUNT alice bob
#> (error) ERR wrong number of arguments for 'session.count' command
redis-cli SESSION.COUNT $(printf 'u%.0s' {1..1025})
#> (error) ERR user name is longer than 1024 bytes

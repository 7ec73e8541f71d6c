# A story: two tabs of a browser share a session, and write to it at the same time.

# --- Different fields ---

# Frameworks that save a session as one piece lose writes: both tabs read, both change something, and what the second one
# saves is what it had read. Here each writes the field that it changes, and the others stay.
redis-cli SESSION.SET sess:4f1c USER ann FIELDS 3 cart '[17]' lang en theme dark
#> (integer) 1
redis-cli SESSION.GET sess:4f1c FIELDS 3 cart lang theme
#> 1) "[17]"
#> 2) "en"
#> 3) "dark"

# One tab puts something into the cart while the other one changes the language.
redis-cli SESSION.SET sess:4f1c XX FIELDS 1 cart '[17,18]'
#> (integer) 2
redis-cli SESSION.SET sess:4f1c XX FIELDS 1 lang fr
#> (integer) 3
redis-cli SESSION.GET sess:4f1c
#> 1) "cart"
#> 2) "[17,18]"
#> 3) "lang"
#> 4) "fr"
#> 5) "theme"
#> 6) "dark"

# --- The same field ---

# Where both change the cart, the version tells. One tab reads it with the data.
redis-cli SESSION.GET sess:4f1c META 1 version FIELDS 1 cart
#> 1) "version"
#> 2) (integer) 3
#> 3) "data"
#> 4) 1) "[17,18]"
VERSION=3

# The other tab is faster.
redis-cli SESSION.SET sess:4f1c XX FIELDS 1 cart '[17,18,19]'
#> (integer) 4

# The first one writes only if nobody has written since: nil, and the cart of the other tab is not lost.
redis-cli SESSION.SET sess:4f1c IFVERSION $VERSION FIELDS 1 cart '[17,18,20]'
#> (nil)
redis-cli SESSION.GET sess:4f1c FIELDS 1 cart
#> 1) "[17,18,19]"

# So it reads again, does its work again, and this time it goes through.
VERSION=$(redis-cli --raw SESSION.GET sess:4f1c META 1 version FIELDS 1 cart | sed -n 2p)
redis-cli SESSION.SET sess:4f1c IFVERSION $VERSION FIELDS 1 cart '[17,18,19,20]'
#> (integer) 5

# A heartbeat of another tab is no write: it does not come in between.
redis-cli SESSION.TOUCH sess:4f1c
#> (integer) 1
redis-cli SESSION.SET sess:4f1c IFVERSION 5 FIELDS 1 cart '[17,18,19,20,21]'
#> (integer) 6

# --- Ten tabs ---

# As a function: read, add, write if the version is still the same, else once more.
add() { local read version cart; while :; do \
    read=$(redis-cli --raw SESSION.GET sess:4f1c META 1 version FIELDS 1 cart); \
    version=$(sed -n 2p <<<"$read"); cart=$(tail -n 1 <<<"$read"); \
    test "$(redis-cli SESSION.SET sess:4f1c IFVERSION $version FIELDS 1 cart "${cart%]},$1]")" = "(nil)" || break; done; }
for item in {31..40}; do add $item & done; wait
redis-cli --raw SESSION.GET sess:4f1c FIELDS 1 cart | tr -d '[]' | tr , '\n' | sort -n | xargs
#> 17 18 19 20 21 31 32 33 34 35 36 37 38 39 40

# --- One member each ---

# Or each item is a field of its own: then there is nothing to collide, and no loop is needed.
redis-cli SESSION.SET sess:4f1c XX UNSET 1 cart
#> (integer) 17
for item in {1..10}; do redis-cli SESSION.SET sess:4f1c XX FIELDS 1 cart:$item 1 >/dev/null & done; wait
redis-cli --raw SESSION.GET sess:4f1c | grep -c ^cart:
#> 10
redis-cli SESSION.INCRBY sess:4f1c cart:3 2
#> (integer) 3

# A story: messages that are shown once, and tokens that are used once.

# A form was saved. The answer sends the browser on to another page, which is to say so: a flash message.
redis-cli SESSION.SET sess:4f1c USER ann FIELDS 2 lang en flash "Your address was saved."
#> (integer) 1

# The next page takes it out and shows it. Reading and removing are one step, so two tabs do not both show it.
redis-cli SESSION.POP sess:4f1c FIELDS 1 flash
#> 1) "Your address was saved."
redis-cli SESSION.POP sess:4f1c FIELDS 1 flash
#> 1) (nil)
redis-cli SESSION.GET sess:4f1c
#> 1) "lang"
#> 2) "en"

# Several kinds at once, several messages of a kind as JSON.
redis-cli SESSION.SET sess:4f1c JSON '{"notice":["Saved.","Mail sent."],"warning":["Your card expires soon."]}'
#> (integer) 3
redis-cli SESSION.POP sess:4f1c FIELDS 3 error warning notice
#> 1) (nil)
#> 2) "[\"Your card expires soon.\"]"
#> 3) "[\"Saved.\",\"Mail sent.\"]"

# A token that may be used once: of twenty requests that bring it at the same time, one gets it.
redis-cli SESSION.SET sess:4f1c FIELDS 1 transfer-token 8a61f0
#> (integer) 5
for i in {1..20}; do redis-cli SESSION.POP sess:4f1c FIELDS 1 transfer-token & done | sort | uniq -c | tr -s ' '
#>  1 1) "8a61f0"
#>  19 1) (nil)

# A page that polls for messages every few seconds need not keep the session alive for ever: KEEPTTL.
before=$(redis-cli SESSION.INFO sess:4f1c); sleep 0.01
redis-cli SESSION.POP sess:4f1c KEEPTTL FIELDS 1 flash
#> 1) (nil)
test "$(redis-cli SESSION.INFO sess:4f1c)" = "$before" && echo "as before"
#> as before

# No session, no message: nil, to be told from a session without messages.
redis-cli SESSION.POP sess:none FIELDS 1 flash
#> (nil)

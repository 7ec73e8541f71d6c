# JSON in and out: SESSION.SET key JSON object, SESSION.GET key JSON. One field per member at the top, so that parts of the
# data can be read and written alone.

redis-cli SESSION.SET sess:4f1c JSON '{"name":"Ann","cart":{"items":3,"ids":[17,18]},"admin":false,"score":1.50,"boss":null}'
#> (integer) 1

# The object comes back.
redis-cli --raw SESSION.GET sess:4f1c JSON
#> {"name":"Ann","cart":{"items":3,"ids":[17,18]},"admin":false,"score":1.50,"boss":null}

# Read as fields, a string is the bytes that it stands for, any other value its JSON text.
redis-cli SESSION.GET sess:4f1c
#>  1) "name"
#>  2) "Ann"
#>  3) "cart"
#>  4) "{\"items\":3,\"ids\":[17,18]}"
#>  5) "admin"
#>  6) "false"
#>  7) "score"
#>  8) "1.50"
#>  9) "boss"
#> 10) "null"
redis-cli SESSION.GET sess:4f1c FIELDS 1 name
#> 1) "Ann"

# It merges like FIELDS: members named are set, the others stay, UNSET removes, REPLACE drops the rest.
redis-cli SESSION.SET sess:4f1c UNSET 2 boss score JSON '{"admin":true,"lang":"en"}'
#> (integer) 2
redis-cli --raw SESSION.GET sess:4f1c JSON
#> {"name":"Ann","cart":{"items":3,"ids":[17,18]},"admin":true,"lang":"en"}
redis-cli SESSION.SET sess:4f1c REPLACE JSON '{"a":1}'
#> (integer) 3
redis-cli --raw SESSION.GET sess:4f1c JSON
#> {"a":1}
redis-cli SESSION.SET sess:4f1c JSON '{}'
#> (integer) 4
redis-cli --raw SESSION.GETEX sess:4f1c JSON
#> {"a":1}
redis-cli SESSION.SET sess:bare JSON '{}'
#> (integer) 1
redis-cli --raw SESSION.GET sess:bare JSON
#> {}

# What FIELDS writes is a string, whatever it looks like; the last write decides.
redis-cli SESSION.SET sess:4f1c REPLACE FIELDS 2 n 1 b true
#> (integer) 5
redis-cli --raw SESSION.GET sess:4f1c JSON
#> {"n":"1","b":"true"}
redis-cli SESSION.SET sess:4f1c JSON '{"n":1}'
#> (integer) 6
redis-cli --raw SESSION.GET sess:4f1c JSON
#> {"n":1,"b":"true"}
redis-cli SESSION.SET sess:4f1c FIELDS 1 n 2
#> (integer) 7
redis-cli --raw SESSION.GET sess:4f1c JSON
#> {"n":"2","b":"true"}

# --- Beside raw values ---

# What JSON has no text for goes raw beside it: FIELDS and JSON in one command, the same field not in both.
redis-cli --quoted-input SESSION.SET sess:mixed USER ann FIELDS 1 avatar '"\x89PNG\xff"' JSON '"{\"name\":\"Ann\",\"age\":5}"'
#> (integer) 1
redis-cli SESSION.GET sess:mixed FIELDS 3 avatar name age
#> 1) "\x89PNG\xff"
#> 2) "Ann"
#> 3) "5"
redis-cli --quoted-input SESSION.ROTATE sess:mixed sess:mixed2 JSON '"{\"age\":6}"' FIELDS 1 avatar '"\xff"'
#> (integer) 2
redis-cli SESSION.GET sess:mixed2 FIELDS 3 avatar name age
#> 1) "\xff"
#> 2) "Ann"
#> 3) "6"
KEY=$(redis-cli --raw SESSION.NEW FIELDS 1 zip 5 JSON '{"age":5}')
redis-cli --raw SESSION.GET $KEY JSON FIELDS 1 zip
#> {"zip":"5"}
redis-cli --raw SESSION.GET $KEY JSON FIELDS 1 age
#> {"age":5}

# JSON FIELDS: an object of some fields. It tells the string "5" from the number 5, which the values alone do not, and it
# needs no more than those to be text.
redis-cli SESSION.SET sess:mixed2 FIELDS 1 zip 5
#> (integer) 3
redis-cli SESSION.GET sess:mixed2 FIELDS 2 age zip
#> 1) "6"
#> 2) "5"
redis-cli --raw SESSION.GET sess:mixed2 JSON FIELDS 1 age
#> {"age":6}
redis-cli --raw SESSION.GET sess:mixed2 JSON FIELDS 1 zip
#> {"zip":"5"}
redis-cli --raw SESSION.GETEX sess:mixed2 JSON FIELDS 3 age nosuch age
#> {"age":6}
redis-cli SESSION.GET sess:mixed2 JSON
#> (error) ERR field 'avatar' is not UTF-8 text, JSON cannot hold it

# --- Kept as written ---

# Numbers are not touched, however long or large they are.
redis-cli SESSION.SET sess:num JSON '{"id":12345678901234567890123,"price":0.10,"exp":1E400,"zero":-0,"small":1e-7}'
#> (integer) 1
redis-cli --raw SESSION.GET sess:num JSON
#> {"id":12345678901234567890123,"price":0.10,"exp":1E400,"zero":-0,"small":1e-7}

# White space outside of strings goes.
printf '{ "a" : [ 1 ,\n\t2 ] ,\r\n "b" : " x  y " , "c" : { "d" : " [ ] " } }\n' | redis-cli -x SESSION.SET sess:ws JSON
#> (integer) 1
redis-cli --raw SESSION.GET sess:ws JSON
#> {"a":[1,2],"b":" x  y ","c":{"d":" [ ] "}}

# Escapes in a string become what they stand for, and are written again where JSON needs them.
redis-cli SESSION.SET sess:esc JSON '{"quote":"say \"hi\"","lines":"a\nb","e":"caf\u00e9","smile":"\ud83d\ude00","nul":"\u0000"}'
#> (integer) 1
redis-cli SESSION.GET sess:esc FIELDS 5 quote lines e smile nul
#> 1) "say \"hi\""
#> 2) "a\nb"
#> 3) "caf\xc3\xa9"
#> 4) "\xf0\x9f\x98\x80"
#> 5) "\x00"
redis-cli --raw SESSION.GET sess:esc JSON
#> {"quote":"say \"hi\"","lines":"a\nb","e":"café","smile":"😀","nul":"\u0000"}

# A string that stands for no text (half of a pair) stays JSON.
redis-cli SESSION.SET sess:half JSON '{"half":"\ud83d"}'
#> (integer) 1
redis-cli SESSION.GET sess:half FIELDS 1 half
#> 1) "\"\\ud83d\""
redis-cli --raw SESSION.GET sess:half JSON
#> {"half":"\ud83d"}

# Names are text as well; the empty name is one.
redis-cli SESSION.SET sess:names JSON '{"":"empty","caf\u00e9":1,"a b":2}'
#> (integer) 1
redis-cli --raw SESSION.GET sess:names JSON
#> {"":"empty","café":1,"a b":2}

# Members deeper down are none of our business: there a name may come twice.
redis-cli SESSION.SET sess:twice JSON '{"a":{"b":1,"b":2}}'
#> (integer) 1
redis-cli --raw SESSION.GET sess:twice JSON
#> {"a":{"b":1,"b":2}}

# Objects and arrays may nest 64 deep, the outermost counted.
deep() { printf '{"a":%s%s}' "$(printf '[%.0s' $(seq $1))" "$(printf ']%.0s' $(seq $1))"; }
deep 63 | redis-cli -x SESSION.SET sess:deep JSON
#> (integer) 1
test "$(redis-cli --raw SESSION.GET sess:deep JSON)" = "$(deep 63)" && echo "the same"
#> the same

# With metadata, and with RESP3, it is a string all the same.
redis-cli -3 SESSION.GET sess:bare WITHMETA JSON
#> ...
#> 10# "data" => "{}"

# It survives a restart as it is.
redis-cli DEBUG RELOAD
#> OK
redis-cli --raw SESSION.GET sess:num JSON
#> {"id":12345678901234567890123,"price":0.10,"exp":1E400,"zero":-0,"small":1e-7}

# --- Errors: nothing changes ---

redis-cli SESSION.SET sess:e JSON '{"a":1}'
#> (integer) 1
before=$(redis-cli DEBUG DIGEST)
redis-cli SESSION.SET sess:e JSON
#> (error) ERR syntax error at 'JSON' (argument 2)
redis-cli SESSION.SET sess:e JSON '{"a":2}' JSON '{"a":3}'
#> (error) ERR syntax error at 'JSON' (argument 4)
redis-cli SESSION.SET sess:e JSON '{"a":2}' FIELDS 1 a 3
#> (error) ERR field 'a' is in FIELDS and in JSON
redis-cli SESSION.SET sess:e UNSET 1 a JSON '{"a":2}' FIELDS 1 b 3
#> (error) ERR field 'a' is both set and unset

# Only an object will do. The error says where the trouble is.
redis-cli SESSION.SET sess:e JSON ''
#> (error) ERR invalid JSON: EOF while parsing a value at line 1 column 0
redis-cli SESSION.SET sess:e JSON '[1,2]'
#> (error) ERR invalid JSON: not an object
redis-cli SESSION.SET sess:e JSON '"text"'
#> (error) ERR invalid JSON: not an object
redis-cli SESSION.SET sess:e JSON 'null'
#> (error) ERR invalid JSON: not an object
redis-cli SESSION.SET sess:e JSON '{"b":1'
#> (error) ERR invalid JSON: EOF while parsing an object at line 1 column 6
redis-cli SESSION.SET sess:e JSON '{"b":}'
#> (error) ERR invalid JSON: expected value at line 1 column 6
redis-cli SESSION.SET sess:e JSON '{"b":1,}'
#> (error) ERR invalid JSON: trailing comma at line 1 column 8
redis-cli SESSION.SET sess:e JSON '{b:1}'
#> (error) ERR invalid JSON: key must be a string at line 1 column 2
redis-cli SESSION.SET sess:e JSON "{'b':1}"
#> (error) ERR invalid JSON: key must be a string at line 1 column 2
redis-cli SESSION.SET sess:e JSON '{"b":NaN}'
#> (error) ERR invalid JSON: expected value at line 1 column 6
redis-cli SESSION.SET sess:e JSON '{"b":01}'
#> (error) ERR invalid JSON: invalid number at line 1 column 7
redis-cli SESSION.SET sess:e JSON '{"b":"\x"}'
#> (error) ERR invalid JSON: invalid escape at line 1 column 8
redis-cli SESSION.SET sess:e JSON '{"b":1} {"c":2}'
#> (error) ERR invalid JSON: trailing characters at line 1 column 9
redis-cli SESSION.SET sess:e JSON '{"b":1}}'
#> (error) ERR invalid JSON: trailing characters at line 1 column 8
redis-cli SESSION.SET sess:e JSON '{"b":1,"c":2,"b":3}'
#> (error) ERR invalid JSON: duplicate member "b" at line 1 column 16
printf '{"b":1,\n "c":2,\n "d":x}' | redis-cli -x SESSION.SET sess:e JSON
#> (error) ERR invalid JSON: expected value at line 3 column 6
deep 64 | redis-cli -x SESSION.SET sess:e JSON
#> (error) ERR invalid JSON: nesting deeper than 64 at byte 68
redis-cli --quoted-input SESSION.SET sess:e JSON '"{\"b\":\"\xff\"}"'
#> (error) ERR invalid JSON: invalid unicode code point at line 1 column 7
redis-cli --quoted-input SESSION.SET sess:e JSON '"{\"b\":\"\x00\"}"'
#> (error) ERR invalid JSON: control character (\u0000-\u001F) found while parsing a string at line 1 column 6
redis-cli --quoted-input SESSION.SET sess:e JSON '"{\"b\":[\"\xff\"]}"'
#> (error) ERR invalid JSON: invalid unicode code point at line 1 column 8
redis-cli --quoted-input SESSION.SET sess:e JSON '"\xef\xbb\xbf{\"b\":1}"'
#> (error) ERR invalid JSON: not an object
redis-cli SESSION.SET sess:e JSON '{"half\ud83d":1}'
#> (error) ERR invalid JSON: unexpected end of hex escape at line 1 column 13
test "$(redis-cli DEBUG DIGEST)" = "$before" && echo "nothing has changed"
#> nothing has changed

# What cannot fit is refused as soon as that is seen: here at the third member, although the text after it is no JSON.
redis-cli CONFIG SET session.max-fields 2
#> OK
redis-cli SESSION.SET sess:new JSON '{"a":1,"b":2,"c":3, and so on'
#> (error) ERR session would have more than 2 fields (session.max-fields)
redis-cli CONFIG SET session.max-fields 1024 session.max-bytes 10
#> OK
redis-cli SESSION.SET sess:new JSON '{"a":"0123456789", and so on'
#> (error) ERR session would have more than 10 bytes (session.max-bytes)
redis-cli SESSION.SET sess:new JSON '{"abcd": [ 1,  2 ]}'
#> (integer) 1
redis-cli CONFIG SET session.max-bytes 1048576
#> OK

# JSON cannot hold bytes that are not UTF-8, in a value or in a name; the error names the field. FIELDS reads them.
redis-cli --quoted-input SESSION.SET sess:bin FIELDS 2 name Ann photo '"\xff\xd8"'
#> (integer) 1
redis-cli SESSION.GET sess:bin JSON
#> (error) ERR field 'photo' is not UTF-8 text, JSON cannot hold it
redis-cli SESSION.GETEX sess:bin JSON
#> (error) ERR field 'photo' is not UTF-8 text, JSON cannot hold it
redis-cli --quoted-input SESSION.SET sess:bin REPLACE FIELDS 1 '"a\xff"' x
#> (integer) 2
redis-cli SESSION.GET sess:bin JSON
#> (error) ERR field 'a\xff' is not UTF-8 text, JSON cannot hold it

# What scripts/example-express.sh and scripts/example-django.sh have in common; to be sourced.
#   EXAMPLE_PORT        where the site listens on 127.0.0.1
#   EXAMPLE_REDIS_PORT  where its Redis server listens
#   EXAMPLE_REDIS_URL   a server with the module that runs already, instead of one of its own
#   EXAMPLE_DATA        the folder of what it keeps (build/examples/<name>-data)

need() { # need <program> <what to install>
    command -v "$1" >/dev/null || { echo "$1 is missing: install $2" >&2; exit 1; }
}

# changed <stamp> <path> …: whether something below the paths is newer than the stamp, which `touch` makes once it is installed.
changed() {
    [ ! -e "$1" ] || [ -n "$(find "${@:2}" -newer "$1" -type f -not -path '*/__pycache__/*' -print -quit)" ]
}

# start_redis <name> <module> <port>: sets data and redis_url. The server keeps its data, so that who is signed in stays so
# when it starts again, and ends with the script.
start_redis() {
    data=$(realpath -m "${EXAMPLE_DATA:-build/examples/$1-data}")
    mkdir -p "$data"
    redis_url=${EXAMPLE_REDIS_URL:-}
    [ -z "$redis_url" ] || return 0

    local port=${EXAMPLE_REDIS_PORT:-$3}
    scripts/check-server.sh "${REDIS_SERVER:-redis-server}"
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        echo "Port $port is taken. Choose another: EXAMPLE_REDIS_PORT=$((port + 10))" >&2
        exit 1
    fi
    "${REDIS_SERVER:-redis-server}" --bind 127.0.0.1 --port "$port" --dir "$data" --logfile "$data/redis.log" \
        --appendonly yes --save '' --loadmodule "$(realpath "$2")" &
    redis=$!
    trap 'kill "$redis" 2>/dev/null; wait' EXIT
    for _ in $(seq 200); do
        ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
        kill -0 "$redis" 2>/dev/null || { tail -n 5 "$data/redis.log" >&2; exit 1; }
        sleep 0.05
    done
    redis_url=redis://127.0.0.1:$port
}

# secret: what signs cookies, made once and kept, so that cookies stay good when the site starts again.
secret() {
    [ -s "$data/secret" ] || (umask 077 && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$data/secret")
    cat "$data/secret"
}

# run <program> …: the site, until it ends or the script is told to.
run() {
    "$@" &
    local site=$!
    trap 'kill "$site" 2>/dev/null' INT TERM
    wait "$site" || true
    wait "$site" 2>/dev/null || true # a trap ends the first wait before the site has ended
}

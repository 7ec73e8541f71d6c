#!/usr/bin/env bash
# Drives both sites of examples/devices in Chromium, and takes the pictures in docs/images: scripts/test-browser.sh <module>
#   SITES        the sites to test ("express django")
#   SCREENSHOTS  where the pictures go (docs/images); empty: nowhere
set -euo pipefail
SESSION_MODULE=$(realpath "$1")
export SESSION_MODULE
cd "$(dirname "$0")/.."
export REPOSITORY=$PWD
export CHROMIUM=${CHROMIUM:-/usr/bin/chromium-headless-shell}
pictures=${SCREENSHOTS-docs/images}

scripts/check-server.sh "${REDIS_SERVER:-redis-server}"
command -v npm >/dev/null || { echo "npm is missing: install Node.js 20 or later" >&2; exit 1; }

missing=()
[ -x "$CHROMIUM" ] || missing+=(chromium-headless-shell fonts-dejavu-core)
if [ -n "$pictures" ]; then
    [ -e /usr/share/doc/fonts-inter ] || missing+=(fonts-inter)
    command -v cc >/dev/null || missing+=(gcc libc6-dev)
    command -v pngquant >/dev/null || missing+=(pngquant)
fi
[ ${#missing[@]} -eq 0 ] || scripts/install.sh "${missing[@]}"

work=build/examples/browser
mkdir -p "$work"
rm -f "$work"/*.js
cp examples/devices/browser/*.js* examples/devices/browser/.npmrc "$work"
[ -d "$work/node_modules/playwright-core" ] || npm install --silent --no-audit --no-fund --prefix "$work"

node --test --test-reporter=spec "$work/devices.test.js"
[ -n "$pictures" ] || exit 0
export CLOCK_LIBRARY=$REPOSITORY/$work/clock.so
cc -O2 -shared -fPIC -o "$CLOCK_LIBRARY" examples/devices/browser/clock.c
mkdir -p "$pictures"
node "$work/screenshots.js" "$pictures"
pngquant --force --ext .png 96 "$pictures"/my-devices*.png
ls -l "$pictures"/my-devices*.png | awk '{ printf "%s: %d KiB\n", $NF, $5 / 1024 }'

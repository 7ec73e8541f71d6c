# To be read by scripts in the repository's root: what scripts/need.sh has put into build/ goes before what is on the PATH.
for node in "$PWD"/build/node/node_modules/node-*/bin; do
    [ ! -x "$node/node" ] || PATH=$node:$PATH
done
unset node

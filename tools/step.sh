# Sourced by quickstart and test: says what is done, and how long it took.
step() {  # step "what" command...
  local what=$1 begin=$SECONDS
  shift
  echo "== $what"
  "$@" || { local code=$?; echo "== $what: FAILED after $((SECONDS - begin)) s (exit $code)" >&2; exit "$code"; }
  echo "   $((SECONDS - begin)) s"
}

# Runs CMake only where it never ran, or the presets changed since: afterwards Ninja watches the rest.
configure() {  # configure PRESET
  local done=build/$1/build.ninja
  if [[ -f $done && $done -nt CMakePresets.json ]]; then
    echo "   build/$1 is configured"
  else
    cmake --preset "$1"
  fi
}

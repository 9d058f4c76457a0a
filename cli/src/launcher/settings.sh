# SPDX-License-Identifier: Apache-2.0
# What every start of the program sets, from a clone as from an installation: both launchers read this file.

is_25() {
  [ -x "$1" ] || return 1
  local version
  version="$("$1" -XshowSettings:properties -version 2>&1 | sed -n 's/^ *java.specification.version = //p')"
  [ "${version%%.*}" -ge 25 ] 2>/dev/null
}

find_java() {
  if [ -n "${CLIPSTEER_JAVA:-}" ]; then
    for candidate in "$CLIPSTEER_JAVA" "$CLIPSTEER_JAVA/bin/java"; do
      if [ -f "$candidate" ] && is_25 "$candidate"; then echo "$candidate"; return; fi
    done
    echo "clipsteer: CLIPSTEER_JAVA=$CLIPSTEER_JAVA is no Java 25 or later. Point it at a JDK 25." >&2
    return 1
  fi
  local candidate
  for candidate in "${JAVA_HOME:-/nonexistent}/bin/java" "$(command -v java || true)" \
    /usr/lib/jvm/*25*/bin/java /usr/lib/jvm/*2[6-9]*/bin/java /opt/*jdk*25*/bin/java \
    /Library/Java/JavaVirtualMachines/*25*/Contents/Home/bin/java \
    "${HOME:-/nonexistent}"/.sdkman/candidates/java/25*/bin/java "${HOME:-/nonexistent}"/.jdks/*25*/bin/java; do
    if is_25 "$candidate"; then echo "$candidate"; return; fi
  done
  echo "clipsteer: no JDK 25 found. Install one (for example Eclipse Temurin 25) beside your other" \
    "Java, or set CLIPSTEER_JAVA to its folder." >&2
  return 1
}

# Names of files, arguments and output are UTF-8 whatever the locale: a container or cron has none, and
# Java would then read every name beyond ASCII as question marks.
is_utf8() {
  if command -v locale >/dev/null; then
    case "$(LC_ALL="$1" locale charmap 2>/dev/null)" in UTF-8 | utf-8 | utf8) return 0 ;; esac
    return 1
  fi
  case "$1" in *UTF-8 | *utf8) return 0 ;; esac
  return 1
}
if ! is_utf8 "${LC_ALL:-${LC_CTYPE:-${LANG:-C}}}"; then
  for name in C.UTF-8 C.utf8 en_US.UTF-8; do
    if is_utf8 "$name"; then export LC_ALL="$name"; break; fi
  done
fi

# Sets `options`, those of the JVM that $java starts.
set_options() {
  local collector memory_kb limit=max memory_mb cores word
  # JDK 25.0.0 to 25.0.2 can corrupt pinned memory under the default collector (JDK-8377811).
  collector=()
  while IFS= read -r word; do
    case "$word" in
      'JAVA_VERSION="25"' | 'JAVA_VERSION="25.0.'[0-2]'"')
        collector=(-XX:+UseParallelGC)
        echo "clipsteer: this JDK can corrupt memory under its default collector (JDK-8377811, fixed in 25.0.3);" \
          "the parallel collector is used. Update the JDK." >&2
        ;;
    esac
  done < <(cat "$release" 2>/dev/null)

  # The fuse: tensors are native memory that the collector does not see. Beyond nine tenths of the
  # machine's (or the container's) memory the program ends with a message instead of being killed.
  if [ -r /proc/meminfo ]; then
    read -r word memory_kb word </proc/meminfo
  else
    memory_kb=$(($(sysctl -n hw.memsize 2>/dev/null || echo 8589934592) / 1024))
  fi
  if [ -r /sys/fs/cgroup/memory.max ]; then read -r limit </sys/fs/cgroup/memory.max; fi
  if [ "$limit" != max ] && [ "$((limit / 1024))" -lt "$memory_kb" ]; then memory_kb=$((limit / 1024)); fi
  memory_mb=$((memory_kb / 1024))

  # Threads of libtorch's loops; the same number for its other pools. Arenas of malloc stay few, so
  # that freed tensors go back to the system.
  cores="$(nproc 2>/dev/null || sysctl -n hw.physicalcpu)"
  export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$cores}"
  export MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX:-2}"
  # Decoders and tensor operations share the cores: a thread that waits for its siblings by spinning
  # takes the core from them (a small training ran 5 times longer on a busy machine).
  export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"
  export OPENBLAS_THREAD_TIMEOUT="${OPENBLAS_THREAD_TIMEOUT:-4}"

  options=(
    --enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow
    --add-modules=jdk.incubator.vector
    ${collector[@]+"${collector[@]}"} "-Xmx$((memory_mb / 4))m"
    -Dorg.bytedeco.javacpp.maxBytes=0
    "-Dorg.bytedeco.javacpp.maxPhysicalBytes=$((memory_mb * 9 / 10))m"
    -Djava.awt.headless=true -Dai.djl.offline=true
  )
}

# The JVM warns of its incubator module on every start, and no option turns that off: until the program
# starts, stderr passes through a filter; then the program itself takes the user's stderr back.
filter_stderr() {
  exec 3>&2 2> >(trap '' INT; exec grep -v '^WARNING: Using incubator modules: jdk.incubator.vector$' >&3)
  # Finding dup2 takes longer than all of --version.
  [ "$*" = --version ] || options+=(-Dclipsteer.stderr=3)
}

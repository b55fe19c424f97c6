# Building Maven projects of the testbed once, into a cache shared by all checkouts. Sourced, not run.
cache=${NACOS_TESTBED_CACHE:-$HOME/.cache/syncline-testbed}

# Ends the script where a program is missing, saying what to install.
need() {
  local program
  for program; do
    command -v "$program" >/dev/null && continue
    echo "$program is not installed; on Debian: apt-get install default-jdk-headless maven" >&2
    exit 69
  done
}

# A short name for the content of files and folders.
fingerprint() {
  find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 cat | sha256sum | cut -c1-12
}

# Whether a folder is a finished build whose jars are still where they were.
built() {
  local paths
  [[ -s $1/classpath ]] || return 1
  paths=$(cat "$1/classpath")
  [[ -e ${paths%%:*} ]]
}

# build_once DIR PROJECT MAVEN_ARGUMENTS...: compiles PROJECT and resolves its class path into DIR. The folder appears
# by one rename when it is complete. One build at a time: Maven's own repository does not bear two.
build_once() {
  local dir=$1 project=$2
  shift 2
  built "$dir" && return
  need java javac mvn flock
  mkdir -p "$cache"
  (
    flock 9
    built "$dir" && exit
    rm -rf "$dir" "$dir.part"
    mkdir "$dir.part"
    cp -r "$project/pom.xml" "$project/src" "$dir.part/"
    chmod -R u+w "$dir.part"
    cd "$dir.part"
    mvn -q -B -Dstyle.color=never "$@" compile dependency:build-classpath -Dmdep.outputFile=classpath >&2 </dev/null
    mv "$dir.part" "$dir"
  ) 9>"$cache/lock"
}

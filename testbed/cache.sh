# Building what the testbed runs once, into a cache shared by all checkouts. Sourced, not run.
cache=${NACOS_TESTBED_CACHE:-$HOME/.cache/syncline-testbed}

# Ends the script where a program is missing, saying what to install.
need() {
  local program
  for program; do
    command -v "$program" >/dev/null && continue
    echo "$program is not installed; on Debian: apt-get install $(package_of "$program")" >&2
    exit 69
  done
}

package_of() {
  case $1 in
    java | javac | mvn) echo default-jdk-headless maven ;;
    go) echo golang-go ;;
    python3) echo python3 python3-pip ;;
    node | npm) echo nodejs npm ;;
    *) echo "$1" ;;
  esac
}

# A short name for the content of files and folders.
fingerprint() {
  find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 cat | sha256sum | cut -c1-12
}

# once LOCK DIR CHECK COMMAND...: runs COMMAND in a new folder that becomes DIR by one rename when it succeeded, unless
# `CHECK DIR` says that DIR is a finished build. One at a time for each LOCK.
once() {
  local lock=$1 dir=$2 check=$3
  shift 3
  "$check" "$dir" && return
  need flock
  mkdir -p "$cache"
  (
    flock 9
    "$check" "$dir" && exit
    rm -rf "$dir" "$dir.part"
    mkdir "$dir.part"
    cd "$dir.part"
    "$@" >&2 </dev/null
    mv "$dir.part" "$dir"
  ) 9>"$cache/$lock"
}

# Whether a folder is a finished Maven build whose jars are still where they were.
built() {
  local paths
  [[ -s $1/classpath ]] || return 1
  paths=$(cat "$1/classpath")
  [[ -e ${paths%%:*} ]]
}

# build_once DIR PROJECT MAVEN_ARGUMENTS...: compiles PROJECT and resolves its class path into DIR. One build at a time:
# Maven's own repository does not bear two.
build_once() {
  local dir=$1
  shift
  built "$dir" && return
  need java javac mvn
  once lock "$dir" built maven "$@"
}

maven() {
  local project=$1
  shift
  cp -r "$project/pom.xml" "$project/src" .
  chmod -R u+w .
  mvn -q -B -Dstyle.color=never "$@" compile dependency:build-classpath -Dmdep.outputFile=classpath
}

# Whether a folder is there; other builds than Maven's hold all that they need.
exists() {
  [[ -d $1 ]]
}

# client build | client run ADDRESS NAMESPACE: what every client's script is told; it has a `build` and a `run`.
client() {
  case ${1:-}/$# in
    build/1) build ;;
    run/3) run "$2" "$3" ;;
    *) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
}

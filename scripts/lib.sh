# Sourced by the other scripts: what a fresh Debian or Ubuntu lacks is installed, and said.

say() { printf '%s\n' "$*" >&2; }

die() {
    say "$0: $1"
    [ -n "${2:-}" ] && say "hint: $2"
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Installs Debian packages, once the list of packages is there.
install_packages() {
    command -v apt-get >/dev/null || die "these are missing: $*" "install them with this system's package manager"
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null || die "these are missing: $*" "as root: apt-get install $*"
    say "installing $*"
    # The postgresql package would make and start a cluster of its own; nobody needs it here.
    local drop=/etc/postgresql-common/createcluster.d/news-scripts.conf
    local made=no
    if [ ! -e "$drop" ] && ! command -v pg_lsclusters >/dev/null; then
        as_root mkdir -p "${drop%/*}"
        printf 'create_main_cluster = false\n' | as_root tee "$drop" >/dev/null
        made=yes
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update >&2
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "$@" >&2
    if [ "$made" = yes ]; then as_root rm -f "$drop"; fi
}

have_postgresql() {
    command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

# need WHAT…: each a command, or `postgresql`, `c-compiler`.
need() {
    local missing=() what
    for what in "$@"; do
        case $what in
            postgresql) have_postgresql || missing+=(postgresql) ;;
            c-compiler) command -v cc >/dev/null || missing+=(gcc libc6-dev) ;;
            node) command -v node >/dev/null || missing+=(nodejs) ;;
            *) command -v "$what" >/dev/null || missing+=("$what") ;;
        esac
    done
    [ ${#missing[@]} = 0 ] || install_packages "${missing[@]}" ca-certificates
}

need_cargo() {
    if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then
        PATH=$HOME/.cargo/bin:$PATH
    fi
    command -v cargo >/dev/null || die "cargo is missing" "install Rust 1.92 or newer"
}

# Sourced by the scripts: one line for each step on stderr, and packages that are missing.

say() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
    say "$*"
    exit 1
}

as_root() {
    if [[ $(id -u) -eq 0 ]]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "$1 needs root, and there is no sudo"
    fi
}

# need_packages PACKAGE...: installs what dpkg does not know as installed.
need_packages() {
    local missing=()
    for package in "$@"; do
        [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
    done
    [[ ${#missing[@]} -gt 0 ]] || return 0
    command -v apt-get >/dev/null || die "install ${missing[*]}; this script can do it on Debian and Ubuntu only"
    say "installing ${missing[*]}"
    # The lists of a fresh machine are empty or old; apt's own words are for the case that it fails.
    local log
    log=$(mktemp)
    if ! {
        as_root apt-get update --quiet &&
            as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends "${missing[@]}"
    } >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        die "apt-get could not install ${missing[*]}"
    fi
    rm -f "$log"
}

# need_command COMMAND PACKAGE...: installs the packages where the command is missing.
need_command() {
    local command=$1
    shift
    command -v "$command" >/dev/null || need_packages "$@"
}

# need_postgresql: a server's binaries, without the cluster that Debian's package would make and start.
need_postgresql() {
    command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null && return 0
    local drop=/etc/postgresql-common/createcluster.d/news-scripts.conf
    if [[ -e $drop ]] || command -v pg_lsclusters >/dev/null; then
        need_packages postgresql
        return
    fi
    as_root mkdir -p "${drop%/*}"
    printf 'create_main_cluster = false\n' | as_root tee "$drop" >/dev/null
    need_packages postgresql
    as_root rm -f "$drop"
}

# need_wordpress: WordPress, and what it runs on, without the database service that Debian's package would start.
need_wordpress() {
    local program
    for program in php mariadb mariadb-install-db; do
        command -v "$program" >/dev/null || break
    done && [[ -f /usr/share/wordpress/wp-settings.php ]] && return 0
    need_packages wordpress php-cli php-mysql php-curl php-xml mariadb-server
    if [[ -d /run/systemd/system ]]; then
        as_root systemctl disable --now --quiet mariadb.service || say "mariadb.service could not be switched off"
    fi
}

# need_pgbouncer: the program, without the service that Debian's package would start.
need_pgbouncer() {
    [[ -x /usr/sbin/pgbouncer ]] && return 0
    need_packages pgbouncer
    if [[ -d /run/systemd/system ]]; then
        as_root systemctl disable --now --quiet pgbouncer.service || say "pgbouncer.service could not be switched off"
    fi
}

# need_cargo: a cargo of at least Cargo.toml's rust-version on the PATH, also where a shell has not read rustup's settings.
need_cargo() {
    if ! command -v cargo >/dev/null && [[ -x ${HOME:-}/.cargo/bin/cargo ]]; then
        PATH=$HOME/.cargo/bin:$PATH
    fi
    local here wanted found
    here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
    wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$here/Cargo.toml")
    command -v cargo >/dev/null || die "cargo is missing: install Rust $wanted or newer"
    found=$(cargo --version | awk '{ print $2 }')
    [[ $(printf '%s\n' "$wanted" "$found" | sort --version-sort | head -n 1) == "$wanted" ]] ||
        die "expected Rust $wanted or newer, found cargo $found"
}

# shellcheck shell=bash
# Which packages are missing, and their installation. To be sourced; SPAN_ROOT is the repository.

# span_packages SECTION...: the lines "name probe" of these sections.
span_packages() {
    awk -v want=" $* " '
        /^# \[/ { name = $2; gsub(/[][]/, "", name); on = index(want, " " name " ") }
        /^[^#]/ && on { print $1, $2 }' "$SPAN_ROOT/slurm/lib/packages-debian.txt"
}

# span_not_installed SECTION...: names that dpkg does not have.
span_not_installed() {
    span_packages "$@" | while read -r name _; do
        case $(dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null) in
            ii*) ;;
            *) echo "$name" ;;
        esac
    done
}

# span_not_found SECTION...: names whose content is nowhere on PATH, in pkg-config's directories or among headers.
span_not_found() {
    span_packages "$@" | while read -r name probe; do
        case $probe in
            cmd:*)
                found=
                for program in $(echo "${probe#cmd:}" | tr '|' ' '); do
                    command -v "$program" >/dev/null && found=1
                done
                [ -n "$found" ] || echo "$name"
                ;;
            hdr:*)
                found=
                for dir in $(echo "${CMAKE_PREFIX_PATH:-}" | tr ';:' '  ') /usr /usr/local; do
                    [ -e "$dir/include/${probe#hdr:}" ] && found=1
                done
                [ -n "$found" ] || echo "$name"
                ;;
            pc:*) pkg-config --exists "${probe#pc:}" 2>/dev/null || echo "$name" ;;
        esac
    done
}

# span_install NAME...: as root, or with sudo. Returns 1, having said why, when that is not to be had.
span_install() {
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "missing packages: $*" >&2
            echo "Neither root nor sudo. Ask for them, or bring them in a prefix and use --no-install." >&2
            return 1
        fi
        as_root=sudo
    fi
    $as_root apt-get update -q >&2 &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >&2
}

# span_use_prefix DIR: programs, pkg-config modules and CMake packages of DIR come first.
span_use_prefix() {
    PATH=$1/bin:$PATH
    for dir in "$1"/lib/pkgconfig "$1"/lib64/pkgconfig "$1"/lib/*-linux-gnu/pkgconfig "$1"/share/pkgconfig; do
        [ -d "$dir" ] && PKG_CONFIG_PATH=$dir${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
    done
    case ":${CMAKE_PREFIX_PATH:-}:" in
        *":$1:"*) ;;
        *) CMAKE_PREFIX_PATH=$1${CMAKE_PREFIX_PATH:+:$CMAKE_PREFIX_PATH} ;;
    esac
    export PATH PKG_CONFIG_PATH CMAKE_PREFIX_PATH
}

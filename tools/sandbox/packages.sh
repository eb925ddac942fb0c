#!/bin/sh
# Installs tools with the package manager of this system, under the names that it has for them.
#
# Decides which manager a system has, what it calls each tool, and how this user becomes root.
# Usage: packages.sh [--print] [--may-ask] TOOL...
#   tools: c c++ cmake make libclang git maven debootstrap lists (only fetches apt's lists of packages)
#   --print prints the commands and runs none; --may-ask also uses a sudo that asks for a password.
# PACKAGE_MANAGER=dnf and the like chooses another manager. POSIX sh: a fresh Alpine has no bash.
set -eu

runs() { command -v "$1" >/dev/null 2>&1; }

fail() {
    echo "$*" >&2
    exit 1
}

# By the system's own name first: a Fedora may have apt-get, too, as a tool for building Debian's packages.
manager_of_this_system() {
    for file in /etc/os-release /usr/lib/os-release; do
        [ -r "$file" ] || continue
        # shellcheck disable=SC1090 # the file is the system's
        for id in $(. "$file" && echo "${ID:-} ${ID_LIKE:-}"); do
            case $id in
                debian | ubuntu) name="apt-get" ;;
                fedora | rhel | centos) name=dnf ;;
                arch) name=pacman ;;
                alpine) name=apk ;;
                suse | opensuse*) name=zypper ;;
                *) continue ;;
            esac
            if runs "$name"; then
                echo "$name"
                return
            fi
        done
        break
    done
    for name in apt-get dnf pacman apk zypper brew; do
        if runs "$name"; then
            echo "$name"
            return
        fi
    done
}

packages_of() { # $1: manager, $2: tool
    case $1/$2 in
        */lists) ;;
        */cmake | brew/maven) echo "$2" ;;
        brew/*) ;; # Apple's command line tools bring the rest.
        */make | */git) echo "$2" ;;
        apt-get/c) echo gcc libc6-dev ;;
        dnf/c | zypper/c) echo gcc glibc-devel ;;
        apk/c) echo gcc musl-dev ;;
        pacman/c | pacman/c++) echo gcc ;;
        apt-get/c++ | apk/c++) echo g++ ;;
        dnf/c++ | zypper/c++) echo gcc-c++ ;;
        # Not Debian's `libclang1` alone: it lacks clang's own headers.
        apt-get/libclang) echo clang libclang-dev ;;
        dnf/libclang | zypper/libclang) echo clang clang-devel ;;
        apk/libclang) echo clang clang-dev ;;
        pacman/libclang) echo clang ;;
        apt-get/maven) echo maven default-jdk-headless ;;
        dnf/maven | zypper/maven) echo maven java-17-openjdk-devel ;;
        pacman/maven) echo maven jdk17-openjdk ;;
        apk/maven) echo maven openjdk17 ;;
        # The keyring is what Ubuntu lacks to verify Debian's packages.
        apt-get/debootstrap) echo debootstrap debian-archive-keyring ;;
        *) fail "$1 has no package for $2" ;;
    esac
}

# The words before a command that needs root; none where this user is root, or the manager (brew) wants none.
become_root() {
    if [ "$manager" = brew ] || [ "$(id -u)" = 0 ]; then
        return
    elif [ -n "$print" ]; then
        echo sudo
    elif sudo -n true 2>/dev/null; then
        echo sudo -n
    elif [ -n "$may_ask" ] && runs sudo; then
        echo sudo
    else
        fail "$manager needs root, and sudo is missing or asks for a password"
    fi
}

run() {
    if [ -n "$print" ]; then
        echo "  $*"
    else
        echo "\$ $*" >&2
        "$@" </dev/null >&2
    fi
}

print='' may_ask=''
while :; do
    case ${1:-} in
        --print) print=yes ;;
        --may-ask) may_ask=yes ;;
        *) break ;;
    esac
    shift
done

manager=${PACKAGE_MANAGER:-$(manager_of_this_system)}
if [ -z "$manager" ]; then
    [ -n "$print" ] && exit
    fail "no package manager known here (apt-get, dnf, pacman, apk, zypper, brew)"
fi

packages=
for tool in "$@"; do
    names=$(packages_of "$manager" "$tool")
    for package in $names; do
        case " $packages " in
            *" $package "*) ;;
            *) packages="$packages $package" ;;
        esac
    done
done
[ -n "$packages" ] || [ "$*" = lists ] || exit 0

root=$(become_root)
# shellcheck disable=SC2086 # both are lists of words
case $manager in
    apt-get)
        # As an argument of `env`, because sudo passes no variables on.
        apt="$root env DEBIAN_FRONTEND=noninteractive apt-get"
        lock="-o DPkg::Lock::Timeout=300"
        run $apt update $lock
        [ "$*" = lists ] || run $apt install --yes --no-install-recommends $lock $packages
        ;;
    dnf) run $root dnf install --assumeyes $packages ;;
    pacman) run $root pacman -Sy --needed --noconfirm $packages ;;
    apk) run $root apk add --no-cache $packages ;;
    zypper) run $root zypper --non-interactive install --no-recommends $packages ;;
    brew) run brew install $packages ;;
    *) fail "no package manager of this name: $manager" ;;
esac

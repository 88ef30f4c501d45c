#!/usr/bin/env bash
# Succeeds if the Java that Spark and TorchServe start is 17 or newer; as root on Debian it installs one.
set -euo pipefail

readonly NEEDED=17 PACKAGE=openjdk-17-jre-headless

say() { printf 'java: %s\n' "$*" >&2; }

# Both programs prefer JAVA_HOME, so a newer Java on the PATH does not help if JAVA_HOME is old.
java_command() { if [[ -n ${JAVA_HOME:-} ]]; then echo "$JAVA_HOME/bin/java"; else echo java; fi; }

# Prints 8 for "1.8.0_392" and 17 for "17.0.15"; nothing when there is no Java.
java_version() {
    local text
    text=$("$(java_command)" -version 2>&1) || return 0
    [[ $text =~ version\ \"(1\.)?([0-9]+) ]] && echo "${BASH_REMATCH[2]}"
}

is_good() { [[ ${1:-0} -ge $NEEDED ]]; }

version=$(java_version) || true
is_good "$version" && exit 0

if [[ -n $version ]]; then
    say "Java $NEEDED or newer is needed; $(java_command) is Java $version."
else
    say "Java $NEEDED or newer is needed; $(java_command) does not run."
fi
if [[ -n ${JAVA_HOME:-} ]]; then
    say "JAVA_HOME is $JAVA_HOME: point it to a newer one, or unset it."
    exit 1
fi
if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
    say "installing $PACKAGE"
    mkdir -p /usr/share/man/man1 # without it the package's set-up fails; slim images lack it
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$PACKAGE" >&2
    version=$(java_version) || true
    is_good "$version" && exit 0
    say "$PACKAGE is installed, but $(java_command) is not it; set JAVA_HOME=/usr/lib/jvm/java-17-openjdk-$(dpkg --print-architecture)"
    exit 1
fi
say "Debian or Ubuntu: sudo apt-get install $PACKAGE · Fedora: sudo dnf install java-17-openjdk-headless · macOS: brew install openjdk@17"
exit 1

# Sourced: lets uv use the package indexes that this machine's pip uses (pip.conf, PIP_*), which uv does not read by itself.
# A UV_* variable that is set already wins.

pip_settings=$(.venv/bin/python -m pip config list 2>/dev/null || true)

# Prints the value of a setting of pip; its environment wins over its files.
pip_setting() {
    local section value
    for section in :env: install global; do
        value=$(sed -n "s/^$section\.$1='\(.*\)'\$/\1/p" <<<"$pip_settings")
        [[ -n $value ]] && { printf '%s' "${value//\\n/ }"; return; }
    done
    return 0
}

# use VARIABLE VALUE: exports it unless it is set, or there is no value.
use() { [[ -n ${!1:-} || -z $2 ]] || export "$1=$2"; }

extra=$(pip_setting extra-index-url)
use UV_DEFAULT_INDEX "$(pip_setting index-url)"
use UV_INDEX "$extra"
# pip takes the best version of all its indexes; uv by default looks no further than the first one that has the package.
use UV_INDEX_STRATEGY "${extra:+unsafe-best-match}"
use UV_FIND_LINKS "$(pip_setting find-links | tr -s ' ' ',')"
use UV_INSECURE_HOST "$(pip_setting trusted-host)"
use SSL_CERT_FILE "$(pip_setting cert)"

#!/usr/bin/env bash
# Installs uv, or the named extras of pyproject.toml at the versions of requirements.lock, into /opt/venv of an image.
set -euo pipefail

if [[ -s /run/secrets/ca ]]; then
    export SSL_CERT_FILE=/run/secrets/ca PIP_CERT=/run/secrets/ca
fi
if [[ -s /run/secrets/index ]]; then
    PIP_INDEX_URL=$(</run/secrets/index) UV_DEFAULT_INDEX=$(</run/secrets/index)
    export PIP_INDEX_URL UV_DEFAULT_INDEX
fi
if [[ $1 == uv ]]; then
    python3 -m venv /opt/venv
    exec /opt/venv/bin/pip install --quiet --no-cache-dir --disable-pip-version-check uv==0.13.9
fi
options=(--python /opt/venv/bin/python --no-cache --quiet --compile-bytecode --constraint requirements.lock)
[[ -d /wheels ]] && options+=(--find-links /wheels)
[[ -n ${TORCH_BACKEND:-} ]] && options+=(--torch-backend "$TORCH_BACKEND")
uv pip install "${options[@]}" --requirement pyproject.toml $(printf -- '--extra %s ' ${1//,/ })
# The code itself is a later layer: its folder is put on the path, so that changing it installs nothing.
echo /opt/recstack >"$(echo /opt/venv/lib/python3.*/site-packages)/recstack.pth"

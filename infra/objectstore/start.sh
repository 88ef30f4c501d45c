#!/bin/sh
# Starts SeaweedFS as one S3 server; its only pair of keys comes from the environment.
set -eu

umask 077
cat >/tmp/s3.json <<JSON
{"identities": [{"name": "recstack", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
  "credentials": [{"accessKey": "$S3_ACCESS_KEY", "secretKey": "$S3_SECRET_KEY"}]}]}
JSON
exec weed -logtostderr=true server -dir=/data -ip=127.0.0.1 -ip.bind=0.0.0.0 -master.volumeSizeLimitMB=512 -volume.max=20 \
    -s3 -s3.port=8333 -s3.config=/tmp/s3.json -metricsPort=9327

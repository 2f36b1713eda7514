#!/bin/sh
# Lets LibreOffice write a file: EXTENSION FROM OUT.
set -eu
folder=$(mktemp -d)
soffice --headless "-env:UserInstallation=file://$HOME/office" --convert-to "$1" --outdir "$folder" "$2" >/dev/null 2>&1
mv "$folder"/* "$3"

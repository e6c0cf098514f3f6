#!/bin/sh
# The user-space part of the NVIDIA driver, in the version that the catalog names; the kernel's part is the node's.
set -eu
version=$(jq -r .nvidia_driver_version "$CT_CONFIG")
file=NVIDIA-Linux-x86_64-$version.run
curl --fail --location --output "/tmp/$file" "https://us.download.nvidia.com/XFree86/Linux-x86_64/$version/$file"
sh "/tmp/$file" --silent --no-kernel-modules --no-questions
rm "/tmp/$file"

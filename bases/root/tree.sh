#!/bin/sh
# Lays out the minimal root below $ROOT_TREE: what programs expect of any system, and two of Debian's data packages.
set -eu
umask 022
packages=$WORK/packages

rm -rf "$ROOT_TREE"
mkdir -p "$ROOT_TREE"
cd "$ROOT_TREE"
mkdir -p etc/ssl/certs home opt root srv tmp usr/bin usr/lib usr/local/bin usr/local/lib usr/local/share \
	usr/share usr/sbin var/cache var/lib var/log
for name in bin lib sbin; do ln -s "usr/$name" "$name"; done
mkdir -m 1777 var/tmp
chmod 1777 tmp
chmod 700 root

cat >etc/passwd <<'END'
root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
END
cat >etc/group <<'END'
root:x:0:
nogroup:x:65534:
END
cat >etc/hosts <<'END'
127.0.0.1	localhost
::1	localhost ip6-localhost ip6-loopback
END
cat >etc/os-release <<'END'
NAME="boxer"
ID=boxer
PRETTY_NAME="boxer (WebAssembly)"
END
echo box >etc/hostname

# Debian's package holds one file a certificate; its hook, which cannot run here, would join them in this order.
(cd "$packages/usr/share/ca-certificates" && find . -name '*.crt' | LC_ALL=C sort | while read -r file; do
	cat "$file"
	# A file that ends without a newline must not run into the next one.
	[ -z "$(tail -c1 "$file")" ] || echo
done) >etc/ssl/certs/ca-certificates.crt
ln -s certs/ca-certificates.crt etc/ssl/cert.pem

# posix/ and right/ repeat every zone, the latter counting leap seconds as no program here does.
cp -R "$packages/usr/share/zoneinfo" usr/share/zoneinfo
rm -rf usr/share/zoneinfo/posix usr/share/zoneinfo/right
ln -s /usr/share/zoneinfo/Etc/UTC etc/localtime
echo Etc/UTC >etc/timezone

#!/bin/sh
# apt_install.sh PACKAGE...: installs Debian packages, run as root, without
# letting them start a service now or at the next boot.
#
# Debian starts a daemon as soon as its package is unpacked: a system nginx
# would take port 80 of a machine that only wanted the binary. What prevents it
# for systemd and for init scripts alike is /usr/sbin/policy-rc.d answering 101
# (action forbidden). It is there only while apt runs. Services that were not
# installed before are then disabled, since policy-rc.d says nothing about the
# next boot.
set -eu
# One at a time: the second would take away the policy under which the first unpacks.
exec 9</usr/sbin
flock 9
policy=/usr/sbin/policy-rc.d
saved=$policy.wharf-saved
marker='# placed by wharf while apt runs'

restore() {
    if [ -f "$policy" ] && grep -qF "$marker" "$policy"; then
        rm -f "$policy"
    fi
    if [ -e "$saved" ]; then
        mv "$saved" "$policy"
    fi
}

forbid_services() {
    # An image of a container usually forbids them already.
    if [ -x "$policy" ] && { "$policy" nginx start >/dev/null 2>&1; [ $? -eq 101 ]; }; then
        return
    fi
    if [ -e "$policy" ]; then
        mv "$policy" "$saved"
    fi
    printf '#!/bin/sh\n%s\nexit 101\n' "$marker" >"$policy"
    chmod 755 "$policy"
}

init_scripts() {
    ls /etc/init.d 2>/dev/null || true
}

# No Recommends: postgresql's would bring a cron job, nginx's nothing needed.
install() {
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet \
        --no-install-recommends -o DPkg::Lock::Timeout=120 "$@" </dev/null 9<&-
}

restore # what an interrupted run left
before=$(init_scripts)
trap restore EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
forbid_services

# Package lists may be missing (fresh image) or older than the archive: both
# show as a failed install, and an update then is the remedy for both.
if ! install "$@"; then
    apt-get update --quiet -o DPkg::Lock::Timeout=120
    install "$@"
fi

for script in $(init_scripts); do
    case "
$before
" in
    *"
$script
"*) continue ;;
    esac
    update-rc.d "$script" disable >/dev/null 2>&1 || true
    deb-systemd-helper disable "$script.service" >/dev/null 2>&1 || true
done

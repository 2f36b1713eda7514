#!/bin/sh
# apt_install.sh PACKAGE...: installs Debian packages (as root) and prevents
# them from starting a service, now and at the next boot.
#
# Debian starts a daemon as soon as its package is unpacked: a system nginx
# would take port 80 of a machine that needs only the program.
# /usr/sbin/policy-rc.d prevents this for systemd and for init scripts by
# exiting with 101 (action forbidden). The file exists only while apt runs.
# Afterwards the script disables the new services, because policy-rc.d has no
# effect on the next boot.
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
    # A container image usually forbids services already.
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

# Install no recommended packages: those of postgresql include a cron job, and
# nginx needs none.
install() {
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet \
        --no-install-recommends -o DPkg::Lock::Timeout=120 "$@" </dev/null 9<&-
}

restore # clean up after an interrupted run
before=$(init_scripts)
trap restore EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
forbid_services

# Package lists may be missing (fresh image) or older than the archive. Both
# make the installation fail, and an update repairs both.
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
